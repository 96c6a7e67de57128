"""The Spark session of a job, from the configuration."""

import os
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from py4j.protocol import Py4JError, Py4JNetworkError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException, PySparkRuntimeError
from pyspark.sql import SparkSession

from schemas.config import Lakehouse
from spark_jobs.errors import Misconfigured

_DEFAULTS = {
    "spark.master": "local[*]",
    "spark.app.name": "pibridge",
    "spark.driver.memory": "1g",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    # Batches are alike: with Spark's 100 each would compile its code anew, which is most of what a small batch costs.
    "spark.sql.codegen.cache.maxEntries": "5000",
    # Without it a table's state is read in 50 tasks at each commit, and each makes its code anew.
    "spark.databricks.delta.snapshotPartitions": "1",
    # VACUUM lists directories in so many tasks, where Spark's 10,000 are a minute's work for two files.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "32",
    # What is kept of past queries for the same interface would fill the memory of a job that lives long.
    "spark.sql.ui.retainedExecutions": "10",
    "spark.ui.retainedJobs": "20",
    "spark.ui.retainedStages": "20",
    "spark.ui.retainedTasks": "200",
    # Of each query a description is made for a user interface that is not there: the short one.
    "spark.sql.ui.explainMode": "simple",
    # What can be told of columns in a plan of many windows and joins grows without bound: a batch without rows took minutes and all memory.
    "spark.sql.constraintPropagation.enabled": "false",
    # With one core Spark takes 64 MiB at once for each sort and each aggregation, and a plan of ours has a dozen of them.
    "spark.buffer.pageSize": "4m",
    # What Delta holds of repeated statements is a thirtieth of what it takes in memory: by its size in files Spark would broadcast 300 MiB.
    "spark.sql.sources.fileCompressionFactor": "10",
    # What is merged is written down before: Delta need not do it once more.
    "spark.databricks.delta.merge.materializeSource": "none",
}
_FIXED = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    # Spark's default, INT96, is read as nanoseconds elsewhere: then times before 1677 and after 2262 fail or wrap around.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Delta's parser (4.4) does not hand named parameters on to Spark 4.1's: they are bound to the plan, as Spark 4.0 did.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Names and texts in SQL mean what they say (`quoting`): no ${…} in them is replaced.
    "spark.sql.variable.substitute": "false",
}
_LEFT_OUT = "spark.sql.parser.escapedStringLiterals"
"""On its default, by which a backslash escapes, `quoting` hangs too; but Spark warns of whoever sets it."""
# A length in garbage is a number like any other: unchecked, four bytes of it make Avro ask for 2 GiB, and the driver dies of one message.
# No message of ours comes near these.
_AVRO_LIMITS = {"string.maxLength": 64 << 20, "bytes.maxLength": 64 << 20, "collectionItems.maxLength": 4 << 20}
_CODE_CACHE = "-XX:ReservedCodeCacheSize=512m"
"""Each batch has code of its own: a session that lives long fills Java's usual cache, and every query ends then."""


def settings(lakehouse: Lakehouse) -> dict[str, str]:
    """Every Spark setting of a job: ours, then what `lakehouse.spark` says, but what the tables' correctness hangs on cannot be changed."""
    merged = _DEFAULTS | lakehouse.spark | _FIXED
    merged.pop(_LEFT_OUT, None)
    limits = [f"-Dorg.apache.avro.limits.{name}={value}" for name, value in _AVRO_LIMITS.items()]
    log4j = shlex.quote("-Dlog4j2.configurationFile=" + Path(str(files("spark_jobs").joinpath("log4j2.properties"))).as_uri())
    for side, ours in (("driver", [log4j, _CODE_CACHE, "-Duser.timezone=UTC", *limits]), ("executor", ["-Duser.timezone=UTC", *limits])):
        key = f"spark.{side}.extraJavaOptions"
        merged[key] = " ".join([*ours, *([merged[key]] if merged.get(key) else [])])
    return merged


def properties_text(values: Mapping[str, str]) -> str:
    """Settings as a Java properties file."""
    escapes = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "=": "\\=", ":": "\\:", "#": "\\#", "!": "\\!", " ": "\\ "}

    def escaped(text: str) -> str:
        plain = "".join(escapes.get(character, character) for character in text)
        return "".join(c if ord(c) < 127 else "".join(f"\\u{unit:04x}" for unit in _utf16(c)) for c in plain)

    return "".join(f"{escaped(key)}={escaped(value)}\n" for key, value in values.items())


def _utf16(character: str) -> Iterator[int]:
    encoded = character.encode("utf-16-be", "surrogatepass")
    return (int.from_bytes(encoded[at : at + 2], "big") for at in range(0, len(encoded), 2))


@contextmanager
def session(lakehouse: Lakehouse) -> Iterator[SparkSession]:
    """A running Spark session, stopped at the end. Raises Unavailable if no Java runtime or no connector can be used."""
    merged = settings(lakehouse)
    with tempfile.TemporaryDirectory(prefix="pibridge-spark-") as scratch:
        # Spark's built-in catalog wants a directory, though no table of ours is in it.
        merged.setdefault("spark.sql.warehouse.dir", scratch)
        spark = _started(merged, Path(scratch) / "spark.properties")
        try:
            _require_connectors(spark)
            yield spark
        finally:
            _stop(spark)


SPARK_ERRORS = (PySparkException, Py4JError, ConnectionError)
"""What a call to Spark raises: what Spark has to say, or, while its Java process ends or is gone, whatever that looks like from here."""


def java_is_gone(error: Exception) -> bool:
    """Whether a call to Spark failed because its Java process has ended, or is about to."""
    if isinstance(error, (Py4JNetworkError, ConnectionError)):
        return True
    try:
        return "stopped SparkContext" in str(error)
    except (Py4JError, ConnectionError):  # the text of a Java exception is asked from Java
        return True


def _stop(spark: SparkSession) -> None:
    try:
        spark.stop()
    except SPARK_ERRORS as error:
        if not java_is_gone(error):
            raise


def _started(merged: dict[str, str], file: Path) -> SparkSession:
    # In a file that only we can read, because settings may hold secrets and a command line is shown to every user of the machine.
    file.touch(mode=0o600)
    file.write_text(properties_text(merged), encoding="ascii")
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--properties-file {shlex.quote(str(file))} pyspark-shell"
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", merged["spark.driver.bindAddress"])  # else it warns of whatever the host's name resolves to
    try:
        return SparkSession.builder.getOrCreate()
    except (PySparkRuntimeError, FileNotFoundError) as error:
        raise Misconfigured(
            "Spark cannot start Java: install a Java 21 runtime or set JAVA_HOME to one (JAVA_HOME is "
            f"{os.environ.get('JAVA_HOME') or 'not set'})"
        ) from error
    finally:
        file.unlink()


_CONNECTORS = {
    "io.delta.sql.DeltaSparkSessionExtension": "delta-spark",
    "org.apache.spark.sql.kafka010.KafkaSourceProvider": "spark-sql-kafka-0-10",
    "org.apache.spark.sql.avro.AvroDataToCatalyst": "spark-avro",
    "org.apache.kafka.clients.admin.Admin": "kafka-clients",
}


def _require_connectors(spark: SparkSession) -> None:
    """Said before the first query, since a missing connector shows itself there as something else."""
    jvm = spark._jvm
    assert jvm is not None
    # A class that cannot be loaded is shown as a package by the gateway.
    missing = sorted({artifact for name, artifact in _CONNECTORS.items() if "JavaClass" not in type(_member(jvm, name)).__name__})
    if missing:
        raise Misconfigured(
            f"Spark runs without {', '.join(missing)}: name the jars in lakehouse.spark, "
            "as spark.driver.extraClassPath or spark.jars.packages"
        )


def _member(jvm: object, dotted: str) -> object:
    for part in dotted.split("."):
        jvm = getattr(jvm, part)
    return jvm
