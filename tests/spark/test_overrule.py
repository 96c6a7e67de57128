"""The order of overruling, as Spark computes it, against its model in plain Python: many points' lives in one run."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_jobs import overrule, refined, tables
from tests.spark import lakehouse
from tests.spark import silver_model as model

pytestmark = [pytest.mark.spark, pytest.mark.timeout(600)]


def _told(spark: SparkSession, scenes: dict[str, model.Scene]) -> tuple[DataFrame, DataFrame]:
    """Rows of bronze for all of these scenes, samples and statements."""
    chance = random.Random(1)
    told = [(key, one) for key, scene in scenes.items() for one in scene.told]
    chance.shuffle(told)
    samples, statements = lakehouse.rows_of(told, chance)
    return lakehouse.frame(spark, tables.TIMESERIES, samples), lakehouse.frame(spark, tables.COVERAGE, statements)


def _resolved(spark: SparkSession, scenes: dict[str, model.Scene]) -> dict[str, model.Silver]:
    """What the rules make of the scenes, all at once."""
    samples, rows = _told(spark, scenes)
    at = overrule.ticks("event_time", "ticks")
    samples = samples.withColumn("at", at).withColumn("hour", overrule.hour_of(F.col("at"))).persist()
    statements = overrule.with_range(rows).persist()
    ledger = statements.where(overrule.STATES)
    hours = overrule.with_hours(ledger.select("point_key", "begin", "end")).select("point_key", "hour").distinct()
    judged = overrule.history(ledger, samples.where("origin = 'RECORDED'"), hours).persist()
    previews = samples.where("origin = 'LIVE'").select(*(column.name for column in refined.PREVIEWS_OPEN.columns))
    known = lakehouse.frame(spark, refined.WATERMARKS, [])
    frames = {
        refined.CLEANED: overrule.holding(judged),
        refined.CORRECTIONS: overrule.corrections(judged),
        refined.PREVIEWS_OPEN: overrule.newest(overrule.still_open(previews, statements)),
        refined.WATERMARKS: overrule.watermarks(statements, known),
    }
    try:
        return lakehouse.silver_of(lambda table: lakehouse.collected(frames[table], table))
    finally:
        for frame in (samples, statements, judged):
            frame.unpersist()


def _scenes(seed: int, count: int) -> dict[str, model.Scene]:
    chance = random.Random(seed)
    return {f"main:{number}": model.scene(chance) for number in range(count)}


def _wrong(spark: SparkSession, scenes: dict[str, model.Scene]) -> list[str]:
    found = _resolved(spark, scenes)
    return lakehouse.differences(scenes, found)


def test_what_holds_and_its_history_are_what_the_model_says_for_a_thousand_lives(spark: SparkSession) -> None:
    assert _wrong(spark, _scenes(11, 1000)) == []


def test_hours_before_1970_are_no_others(spark: SparkSession) -> None:
    far = {f"early:{n}": model.moved(scene, -model.BASE - 30 * model.HOUR - 1) for n, scene in enumerate(_scenes(12, 30).values())}
    assert _wrong(spark, far) == []


Patch = Callable[[pytest.MonkeyPatch], None]


def _clock_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(overrule, "RANK", ("clock", "as_of_clock", *overrule.PLACE))


def _confirmation_states(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(overrule, "STATES", "true")


def _ordinal_dropped(patch: pytest.MonkeyPatch) -> None:
    right = overrule.history

    def merging(ledger: DataFrame, samples: DataFrame, hours: DataFrame) -> DataFrame:
        return right(ledger, samples.withColumn("ordinal", F.lit(0)), hours)

    patch.setattr(overrule, "history", merging)


def _preview_overruled_by_older_read(patch: pytest.MonkeyPatch) -> None:
    right = overrule.still_open

    def careless(previews: DataFrame, statements: DataFrame) -> DataFrame:
        sent = previews.withColumn("sent", F.col("clock")).withColumn("clock", F.lit(-1))
        return right(sent, statements).withColumn("clock", F.col("sent")).drop("sent")

    patch.setattr(overrule, "still_open", careless)


def _first_hour_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(overrule, "with_hours", lambda ranges: ranges.withColumn("hour", overrule.hour_of(F.col("begin"))))


def _end_inclusive(patch: pytest.MonkeyPatch) -> None:
    right = overrule.with_range
    patch.setattr(overrule, "with_range", lambda statements: right(statements).withColumn("end", F.col("end") + 1))


def _ticks_cut_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(overrule, "ticks", lambda time, rest: F.unix_micros(time) * 10)


def _removal_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = overrule.history

    def forgetful(*given: Any) -> DataFrame:
        """The newest statement that has an event holds, as where deletions are not looked for."""
        return right(*given).where("present").withColumn("holds", F.lit(True)).dropDuplicates(list(refined.IDENTITY))

    patch.setattr(overrule, "history", forgetful)


DEFECTS: list[Patch] = [
    _clock_alone, _confirmation_states, _ordinal_dropped, _preview_overruled_by_older_read, _first_hour_alone, _end_inclusive,
    _ticks_cut_off, _removal_forgotten,
]  # fmt: skip


@pytest.fixture(scope="module")
def few() -> dict[str, model.Scene]:
    return _scenes(14, 120)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__.strip("_"))
def test_a_defect_in_the_order_of_overruling_is_seen(
    spark: SparkSession, few: dict[str, model.Scene], defect: Patch, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)
    assert _wrong(spark, few) != []
