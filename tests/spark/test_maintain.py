"""Upkeep: fewer files, the same rows, and the queries go on behind it."""

import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from console.stack import Stack
from spark_jobs import destination, maintain, quoting, refined, tables
from spark_jobs.maintain import Upkeep
from spark_jobs.storage import Storage
from spark_jobs.tables import Table
from tests.spark import silver_model as model
from tests.spark.lakehouse import House, differences

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1200)]

KEPT = (tables.COVERAGE, refined.CLEANED, refined.WATERMARKS)
BATCHES = 3
START = datetime(2026, 1, 1, tzinfo=UTC)


class Lived:
    """A house that has had some batches, and a clock that tests set."""

    def __init__(self, house: House, scenes: dict[str, model.Scene], marker: Path) -> None:
        self.house, self.scenes, self.marker = house, scenes, marker
        self.now = START

    def upkeep(self, stop: threading.Event | None = None) -> Upkeep:
        spark = self.house.spark
        files = Storage(spark)
        where = destination.ByPath(spark, files, str(self.house.root / "warehouse"))
        return Upkeep(where, files, str(self.marker), KEPT, 86_400.0, stop or threading.Event(), lambda: self.now)

    def files(self, table: Table) -> int:
        """Files of the table as it is now."""
        return len(DeltaTable(self.house.path(table)).file_uris())

    def lying(self, table: Table) -> int:
        """Files in its directory."""
        return len(list(Path(self.house.path(table)).rglob("*.parquet"))) - len(
            list(Path(self.house.path(table)).glob("_delta_log/*.parquet"))
        )


def told_in_order(scenes: dict[str, model.Scene], batches: int) -> Iterator[list[tuple[str, model.Stated | model.Heard]]]:
    for number in range(batches):
        yield [
            (key, one) for key, scene in scenes.items() for at, one in enumerate(scene.told) if at * batches // len(scene.told) == number
        ]


@pytest.fixture(scope="module")
def lived(stack: Stack, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    root, chance = tmp_path_factory.mktemp("kept") / "a `kept` house", random.Random(3)
    house = House(spark, root)
    scenes = {f"main:{n}": model.scene(chance) for n in range(30)}
    for batch in told_in_order(scenes, BATCHES):
        house.land(batch, chance)
        house.refine_silver()
    return Lived(house, scenes, root / "maintained")


def set_kept_for(spark: SparkSession, house: House, interval: str) -> None:
    """How long the table that is overwritten all the time keeps files of its older versions."""
    path = quoting.table(house.path(refined.WATERMARKS))
    spark.sql(f"ALTER TABLE {path} SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval {interval}')")


def test_upkeep_puts_files_together_and_silver_goes_on_where_it_was(lived: Lived, spark: SparkSession) -> None:
    house = lived.house
    set_kept_for(spark, house, "0 seconds")  # in place of waiting for a day
    before = {table: lived.files(table) for table in KEPT}
    lying = {table: lived.lying(table) for table in KEPT}
    assert before[tables.COVERAGE] == BATCHES
    assert lying[refined.WATERMARKS] >= BATCHES
    lived.upkeep().keep()
    set_kept_for(spark, house, "1 day")  # as the job would, with one more version
    assert differences(lived.scenes, house.silver()) == []
    assert lived.files(tables.COVERAGE) == 1
    assert lived.files(refined.CLEANED) < before[refined.CLEANED]
    assert lived.lying(refined.WATERMARKS) == lived.files(refined.WATERMARKS)
    assert lived.lying(tables.COVERAGE) > lying[tables.COVERAGE], "readers lose files that they may have open"
    chance = random.Random(4)
    more = {f"other:{n}": model.scene(chance) for n in range(10)}
    lived.scenes |= more
    versions = house.versions()
    house.refine_silver()
    assert house.versions() == versions, "what was put together was taken for new"
    house.land([(key, one) for key, scene in more.items() for one in scene.told], chance)
    house.refine_silver()
    assert differences(lived.scenes, house.silver()) == []


def test_upkeep_is_due_once_a_day_over_restarts_and_not_while_the_job_ends(lived: Lived) -> None:
    assert not lived.upkeep().due()
    lived.now += timedelta(seconds=86_400)
    ending = threading.Event()
    ending.set()
    assert not lived.upkeep(ending).due()
    assert lived.upkeep().due()
    done = []
    rows = lived.upkeep().after(lambda batch, batch_id: done.append(batch_id) or {"t": 1})(lived.house.spark.range(1), 7)  # type: ignore[func-returns-value]
    assert (rows, done) == ({"t": 1}, [7])
    assert not lived.upkeep().due()


def test_the_first_look_only_notes_the_time(lived: Lived, tmp_path: Path) -> None:
    other = Lived(lived.house, lived.scenes, tmp_path / "maintained")
    assert not other.upkeep().due()
    other.now += timedelta(days=1)
    assert other.upkeep().due()
    other.marker.write_text("2026-0")
    Path(tmp_path / ".maintained.crc").unlink(missing_ok=True)
    assert not other.upkeep().due()


def test_a_table_that_cannot_be_kept_does_not_end_the_job(
    lived: Lived, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(maintain, "_put_together", lambda spark, where: spark.sql("OPTIMIZE delta.`/nowhere`"))
    lived.upkeep().keep()
    assert not lived.upkeep().due()
