import pytest
from py4j.protocol import Py4JNetworkError  # type: ignore[import-untyped]

from spark_jobs.errors import LandError, LostRecords, Unavailable
from spark_jobs.failures import failure


@pytest.mark.parametrize(
    ("ours", "spark", "kind", "told"),
    [
        (Unavailable("the registry"), "x", Unavailable, "the registry"),
        (None, "Some data may have been lost because they are not available in Kafka any more", LostRecords, "no longer has records"),
        (None, "org.apache.kafka.common.errors.TimeoutException: Timed out", Unavailable, "Kafka does not answer"),
        (OSError("java.io.IOException: No space left on device"), "y", Unavailable, "make room"),
        (ValueError("x"), "y", LandError, "silver ended: x"),
        (None, "[STREAM_FAILED] Query [id = 1] terminated with exception: [DELTA_X] set failOnDataLoss", LandError, "ended: [DELTA_X] set"),
    ],
)
def test_what_ended_a_query_has_its_class_and_sentence(ours: Exception | None, spark: str, kind: type[LandError], told: str) -> None:
    found = failure(ours, Exception(spark), "the query silver")
    assert type(found) is kind
    assert told in str(found)


def test_a_java_that_is_gone_is_told_whatever_the_batch_ended_with() -> None:
    found = failure(ValueError("x"), Py4JNetworkError("Answer from Java side is empty"))
    assert type(found) is Unavailable
    assert "Java process has ended" in str(found)
