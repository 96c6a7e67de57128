"""Defects on purpose in the reconciliation, each of which has to show: as damage that is not found, or as an alarm without damage."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from schemas.times import TICKS_PER_HOUR
from spark_jobs import completeness, overrule

Defect = Callable[[], Any]


def _digests_are_not_compared() -> Any:
    original = completeness.recounted

    def recounted(stated: DataFrame, samples: DataFrame) -> DataFrame:
        damage = F.col("damage")
        return original(stated, samples).withColumn("damage", F.when(damage != completeness.ALTERED, damage))

    return patch.object(completeness, "recounted", recounted)


def _what_is_overruled_is_judged() -> Any:
    """Every statement counts wherever it says something."""

    def stretches(recounted: DataFrame, first: int, last: int) -> DataFrame:
        said = overrule.with_hours(recounted).where(F.col("hour").between(first, last - 1))
        hour_begin = F.col("hour") * TICKS_PER_HOUR
        return said.withColumns({"begin": F.greatest("begin", hour_begin), "end": F.least("end", hour_begin + TICKS_PER_HOUR)})

    return patch.object(completeness, "stretches", stretches)


def _the_oldest_statement_holds() -> Any:
    original = completeness.stretches

    def stretches(recounted: DataFrame, first: int, last: int) -> DataFrame:
        return original(recounted.withColumn("as_of_clock", -F.col("as_of_clock")), first, last)

    return patch.object(completeness, "stretches", stretches)


def _changed(**columns: Callable[[], Column]) -> Any:
    """What is compared, with columns changed."""
    original = completeness.compared

    def compared(*frames: DataFrame) -> DataFrame:
        return original(*frames).withColumns({name: column() for name, column in columns.items()})

    return patch.object(completeness, "compared", compared)


DEFECTS: dict[str, Defect] = {
    "digests are not compared": _digests_are_not_compared,
    "what is overruled is judged": _what_is_overruled_is_judged,
    "the oldest statement holds": _the_oldest_statement_holds,
    "holes are passed over": lambda: _changed(stated=lambda: F.col("covered")),
    "silver is not compared": lambda: _changed(silver_events=lambda: F.col("bronze_events"), silver_digest=lambda: F.col("bronze_digest")),
    "PI is not compared": lambda: _changed(comparable=lambda: F.lit(False)),
}


@contextmanager
def applied(name: str) -> Iterator[None]:
    """While it lasts the reconciliation has the defect."""
    with DEFECTS[name]():
        yield
