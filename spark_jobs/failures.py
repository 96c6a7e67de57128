"""What Spark has to say of a query's end, as an error with a sentence and an exit code."""

import re

from spark_jobs.errors import LandError, LostRecords, Unavailable
from spark_jobs.session import java_is_gone
from spark_jobs.storage import is_full

_LOST = ("Some data may have been lost", "failOnDataLoss", "KAFKA_DATA_LOSS")
_DELTA = "[DELTA_"
"""Begins what Delta says, which speaks of failOnDataLoss too."""
_AWAY = (
    "org.apache.kafka.common.errors.TimeoutException",
    "org.apache.kafka.common.errors.DisconnectException",
    "No resolvable bootstrap urls",
)


def failure(ours: Exception | None, spark: Exception, query: str = "the query") -> LandError:
    """What ended a query. `ours`: what its batch ended with, before Spark wrapped it."""
    if isinstance(ours, LandError):
        return ours
    if java_is_gone(spark):
        return Unavailable("Spark's Java process has ended: it was killed, or ran out of memory (spark.driver.memory); start again")
    text = f"{ours}\n{spark}"
    if any(mark in text for mark in _LOST) and _DELTA not in text:
        # The partition and its offsets stand in the last of Spark's nested reasons, if anywhere.
        reasons = [reason for reason in re.findall(r"Reason: (.+)", text) if "Python Proxy" not in reason]
        return LostRecords(f"Kafka no longer has records that were to be landed next: {reasons[-1] if reasons else _first_line(spark)}")
    if is_full(text):
        return Unavailable(f"no space is left where tables or checkpoint lie; make room and start again: {_first_line(ours or spark)}")
    if any(mark in text for mark in _AWAY):
        return Unavailable(f"Kafka does not answer: {_first_line(ours or spark)}")
    return LandError(f"{query} ended: {_first_line(ours or spark)}")


def _first_line(error: Exception) -> str:
    """The first line of an error without Spark's preamble: its messages go on for pages."""
    text = re.sub(r"^\[STREAM_FAILED\] .*? terminated with exception: ", "", str(error).strip())
    return (text.splitlines() or [type(error).__name__])[0]
