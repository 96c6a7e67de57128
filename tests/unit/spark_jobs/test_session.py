import pytest
from py4j.protocol import Py4JError, Py4JNetworkError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException

from schemas.config import Lakehouse
from spark_jobs.errors import Unavailable
from spark_jobs.failures import failure
from spark_jobs.session import java_is_gone, properties_text, settings


def lakehouse(**spark: str) -> Lakehouse:
    return Lakehouse(warehouse="/w", checkpoints="/c", spark=spark)


def test_what_the_user_says_is_passed_on_but_correctness_is_not_up_for_choice() -> None:
    found = settings(lakehouse(**{"spark.driver.memory": "3g", "spark.x": "y", "spark.sql.session.timeZone": "Europe/Berlin"}))
    assert (found["spark.driver.memory"], found["spark.x"], found["spark.sql.session.timeZone"]) == ("3g", "y", "UTC")
    assert found["spark.sql.parquet.outputTimestampType"] == "TIMESTAMP_MICROS"
    assert settings(lakehouse())["spark.driver.memory"] == "1g"


@pytest.mark.parametrize("name", ["spark.sql.variable.substitute", "spark.sql.parser.escapedStringLiterals"])
def test_what_quoted_names_and_texts_hang_on_is_not_up_for_choice(name: str) -> None:
    assert settings(lakehouse(**{name: "true"})).get(name, "false") == "false"


def test_java_options_of_the_user_are_added_to_ours() -> None:
    options = settings(lakehouse(**{"spark.driver.extraJavaOptions": "-Dmine=1"}))["spark.driver.extraJavaOptions"]
    assert options.endswith(" -Dmine=1")
    assert "org.apache.avro.limits.bytes.maxLength" in options


def test_a_setting_survives_the_properties_file_whatever_it_holds() -> None:
    assert properties_text({"a": "x=y:z #!\\", "ü": "a\nb 😀"}) == "a=x\\=y\\:z\\ \\#\\!\\\\\n\\u00fc=a\\nb\\ \\ud83d\\ude00\n"


class Untold(Py4JError):  # type: ignore[misc]
    """A Java exception whose Java has ended: its text is asked from there."""

    def __str__(self) -> str:
        raise ConnectionRefusedError


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (Py4JNetworkError("Answer from Java side is empty"), True),
        (ConnectionRefusedError(), True),
        (Untold(), True),
        (Py4JError("Cannot call methods on a stopped SparkContext."), True),
        (PySparkException("[TABLE_OR_VIEW_NOT_FOUND]"), False),
        (Py4JError("another exception of Java"), False),
    ],
)
def test_a_java_that_has_ended_is_told_from_one_that_complains(error: Exception, gone: bool) -> None:
    assert java_is_gone(error) is gone
    assert isinstance(failure(None, error), Unavailable) is gone
