"""`python -m benchmarks.spark.plain CONFIG TOPIC ROWS`: the job that one would write first: from_avro, select, append.

It lands what is there, then ends, and logs a line a batch, as the job of ours does.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyspark.sql import functions as F
from pyspark.sql.avro.functions import from_avro

from schemas import wire
from schemas.config import load
from spark_jobs import delta, kafka
from spark_jobs.destination import destination_of
from spark_jobs.session import session
from spark_jobs.storage import Storage
from spark_jobs.tables import TIMESERIES

HEADER = bytes(5)
"""In front of each value, as a registry's clients set it; nobody reads it."""
_TYPES: dict[str, Any] = {
    "string": "string", "int": "int", "bigint": "long", "double": "double", "boolean": "boolean", "binary": "bytes",
    "timestamp": {"type": "long", "logicalType": "timestamp-micros"},
}  # fmt: skip
_OF_KAFKA = {"kafka_topic": "topic", "kafka_partition": "partition", "kafka_offset": "offset", "kafka_time": "timestamp"}


def flat_definition() -> dict[str, Any]:
    """An Avro record with the columns of pi_timeseries, but those that Kafka's source gives; null where a frame's field may be."""
    nullable = set(_nullable(wire.raw_schema("value_frame")))
    fields = [
        {"name": column.name, "type": ["null", _TYPES[column.kind.sql]] if column.name in nullable else _TYPES[column.kind.sql]}
        for column in TIMESERIES.columns
        if column.name not in _OF_KAFKA
    ]
    return {"type": "record", "name": "FlatValue", "namespace": wire.raw_schema("value_frame")["namespace"], "fields": fields}


def _nullable(record: dict[str, Any]) -> Iterator[str]:
    """Names of the fields that may be null, of the records in its arrays too."""
    for field in record["fields"]:
        if isinstance(field["type"], list):
            yield field["name"]
        elif isinstance(field["type"], dict) and field["type"]["type"] == "array":
            yield from _nullable(field["type"]["items"])


def main(path: str, topic: str, rows: str) -> int:
    """Lands; answers the exit code."""
    config = load(Path(path), {})
    assert config.lakehouse is not None
    with session(config.lakehouse) as spark:
        destination = destination_of(spark, Storage(spark), config.lakehouse)
        delta.ensure(destination, TIMESERIES, config.source)
        options = kafka.source_options(config.kafka) | {"subscribe": topic, "maxOffsetsPerTrigger": rows}
        records = spark.readStream.format("kafka").options(**options).load()
        decoded = records.withColumn("r", from_avro(F.expr("substring(value, 6)"), json.dumps(flat_definition())))
        columns = [(F.col(_OF_KAFKA[c.name]) if c.name in _OF_KAFKA else F.col(f"r.{c.name}")).alias(c.name) for c in TIMESERIES.columns]
        query = (
            decoded.select(*columns)
            .writeStream.format("delta")
            .option("checkpointLocation", f"{config.lakehouse.checkpoints}/plain")
            .trigger(availableNow=True)
            .start(destination.place(TIMESERIES))
        )
        query.awaitTermination()
        for entry in query.recentProgress:
            told = json.loads(entry.json)
            if told["numInputRows"]:
                print(json.dumps({"event": "batch", "rows": told["numInputRows"], "seconds": told["batchDuration"] / 1000}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
