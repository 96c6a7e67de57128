"""Silver and gold as the job writes them: whatever the order of batches and topics, and whenever it is killed, the same."""

import random
import shutil
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from console.stack import Stack
from proofs.reconciliation.damage import rewrite
from spark_jobs import delta, difference, gold, now, overrule, query, quoting, refined, silver, tables
from spark_jobs.errors import LandError, Refused, Unavailable
from spark_jobs.lease import Lease
from spark_jobs.storage import Storage
from tests.spark import gold_model
from tests.spark import silver_model as model
from tests.spark.lakehouse import SOURCE, House, differences, micros
from tests.spark.test_lost import small_disk

pytestmark = [pytest.mark.spark, pytest.mark.timeout(2400)]

BATCHES = 2
Told = tuple[str, model.Stated | model.Heard]


@pytest.fixture(scope="module")
def make(stack: Stack, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], House]:
    return lambda name: House(spark, tmp_path_factory.mktemp(name) / "it's a `wäre` house")


def _lives(seed: int, count: int, prefix: str = "main") -> dict[str, model.Scene]:
    chance = random.Random(seed)
    return {f"{prefix}:'{n}`": (model.plain(chance) if n % 4 == 0 else model.scene(chance)) for n in range(count)}


def _shuffled(scenes: dict[str, model.Scene], chance: random.Random, batches: int) -> list[list[Told]]:
    """Every word of the scenes in some batch. Plain lives are told in order, so that some points only append."""
    dealt: list[list[Told]] = [[] for _ in range(batches)]
    for key, scene in scenes.items():
        in_order = sum(one.begin != other.end for one, other in zip(scene.statements[1:], scene.statements, strict=False)) == 0
        for number, one in enumerate(scene.told):
            dealt[min(number, batches - 1) if in_order else chance.randrange(batches)].append((key, one))
    for batch in dealt:
        chance.shuffle(batch)
    return dealt


@pytest.fixture(scope="module")
def told(make: Callable[[str], House]) -> tuple[House, dict[str, model.Scene]]:
    """The same lives twice, in different orders, batch after batch."""
    house, chance = make("orders"), random.Random(5)
    lives = list(_lives(21, 100).items())
    one, other = ({f"{name}/{key}": scene for key, scene in lives} for name in ("one", "other"))
    describe(house, [key for number, key in enumerate([*one, *other]) if number % 2])
    for here, there in zip(_shuffled(one, chance, BATCHES), reversed(_shuffled(other, chance, BATCHES)), strict=True):
        house.land([*here, *there], chance)
        house.refine()
    return house, one | other


def describe(house: House, steps: Iterable[str]) -> None:
    """Metadata of step points."""
    house.append(tables.POINTS, [{"source": SOURCE, "point_key": key, "step": True, "kafka_offset": 1} for key in steps])


def test_silver_is_the_same_whatever_the_order_of_batches_and_topics(told: tuple[House, dict[str, model.Scene]]) -> None:
    house, scenes = told
    found = house.silver()
    assert differences(scenes, found) == []
    assert sum(len(one.corrections) for one in found.values()) > 100
    assert sum(len(one.previews) for one in found.values()) > 100


def test_hours_are_weighed_by_time_and_recomputed_where_silver_changed(told: tuple[House, dict[str, model.Scene]]) -> None:
    house, scenes = told
    assert _wrong_hours(house, scenes) == []


def _wrong_hours(house: House, scenes: dict[str, model.Scene]) -> list[str]:
    steps = {row["point_key"] for row in house.rows(tables.POINTS)}
    wanted = {(key, hour): figures for key, scene in scenes.items() for hour, figures in gold_model.hours(scene, key in steps).items()}
    found = {(row["point_key"], micros(row["hour"]) // 3_600_000_000): _figures(row) for row in house.rows(refined.HOURLY)}
    wrong = [f"{place}: {found.get(place)} in place of {wanted.get(place)}" for place in sorted(wanted.keys() ^ found.keys())]
    return wrong + [
        f"{place}: {found[place]} in place of {wanted[place]}, after {scenes[place[0]]}"
        for place in sorted(wanted.keys() & found.keys())
        if not gold_model.alike(found[place], wanted[place])
    ]


def _figures(row: dict[str, Any]) -> gold_model.Hour:
    return gold_model.Hour(
        row["events"], row["good_events"], row["null_events"], row["value_seconds"], row["average"], row["minimum"], row["maximum"],
        row["standard_deviation"], row["longest_gap_seconds"], row["covered"],
    )  # fmt: skip


def test_each_day_is_judged_by_its_hours(told: tuple[House, dict[str, model.Scene]]) -> None:
    house, scenes = told
    steps = {row["point_key"] for row in house.rows(tables.POINTS)}
    by_day: dict[tuple[str, int], list[gold_model.Hour]] = {}
    for key, scene in scenes.items():
        for hour, figures in gold_model.hours(scene, key in steps).items():
            by_day.setdefault((key, hour // 24), []).append(figures)
    found = {(row["point_key"], micros(row["day"]) // 86_400_000_000): row for row in house.rows(refined.VALIDATED)}
    assert found.keys() == by_day.keys()
    for place, day in by_day.items():
        row, events = found[place], sum(one.events for one in day)
        assert row["events"] == events
        assert row["covered_hours"] == sum(one.covered for one in day)
        assert row["volume_z"] is None
        if events:
            assert row["null_share"] == pytest.approx(sum(one.null for one in day) / events)
            assert row["good_share"] == pytest.approx(sum(one.good for one in day) / events)
            assert row["good_ok"] == (row["good_share"] >= 0.9)
        gaps = [one.gap_seconds for one in day if one.gap_seconds is not None]
        assert row["freshness_minutes"] == (pytest.approx(max(gaps) / 60) if gaps else None)


def test_what_is_told_again_changes_nothing_and_a_lost_checkpoint_is_made_good(told: tuple[House, dict[str, model.Scene]]) -> None:
    house, scenes = told
    versions = house.versions()
    house.refine()
    assert house.versions() == versions
    shutil.rmtree(house.root / "checkpoints")
    house.refine()
    assert differences(scenes, house.silver()) == []
    assert _wrong_hours(house, scenes) == []
    assert house.versions()[refined.CLEANED.name] == versions[refined.CLEANED.name]


def test_rows_that_were_written_twice_are_one_again_when_all_is_compared(told: tuple[House, dict[str, model.Scene]]) -> None:
    house, scenes = told
    of = (refined.CLEANED, refined.CORRECTIONS, refined.HOURLY, refined.VALIDATED)
    before = {table.name: len(house.rows(table)) for table in of}
    for table in of:
        some = house.spark.read.format("delta").load(house.path(table)).where("hash(point_key) % 3 = 0")
        some.write.format("delta").mode("append").save(house.path(table))
    assert all(len(house.rows(table)) > before[table.name] for table in of)
    shutil.rmtree(house.root / "checkpoints")
    house.refine()
    assert {table.name: len(house.rows(table)) for table in of} == before
    assert differences(scenes, house.silver()) == []
    assert _wrong_hours(house, scenes) == []


def test_now_shows_what_is_archived_and_what_is_open_and_past_knowledge_comes_back(
    told: tuple[House, dict[str, model.Scene]], spark: SparkSession
) -> None:
    house, scenes = told
    now.create_views(spark, str(house.root / "warehouse"))
    counts = {
        row["archived"]: row["count"] for row in spark.sql("SELECT archived, count(*) AS count FROM pi_timeseries_now GROUP BY 1").collect()
    }
    assert counts == {True: len(house.rows(refined.CLEANED)), False: len(house.rows(refined.PREVIEWS_OPEN))}

    moment = 6
    known: dict[str, set[Any]] = {}
    time = model.BASE // 10 + moment * 1_000_000
    asked = {"tag": "%", "time": datetime.fromtimestamp(time / 1e6, UTC).isoformat()}
    for row in spark.sql(query.text_of("known_at"), args=asked).toArrow().to_pylist():
        known.setdefault(row["point_key"], set()).add((micros(row["event_time"]) * 10 + row["ticks"], row["ordinal"], row["value_double"]))
    for key, scene in scenes.items():
        then = model.Scene(tuple(s for s in scene.statements if s.as_of_clock <= moment), ())
        wanted = {(at, n, content.value) for (at, n), (content, _, _) in model.expected(then).cleaned.items()}
        assert known.get(key, set()) == wanted, scene


# -- killed ------------------------------------------------------------------------------------------------------------------------


class Killed(Exception):
    """The job ends here."""


STEPS = ("_append", "_resolve", "_mark")


def test_a_batch_that_was_killed_after_any_step_is_repeated_without_trace(
    make: Callable[[str], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, chance = make("killed"), random.Random(6)
    scenes = _lives(22, 40)
    batches = _shuffled(scenes, chance, len(STEPS) + 1)
    for step, batch in zip(STEPS, batches, strict=False):
        house.land(batch, chance)
        with monkeypatch.context() as patch:
            right = getattr(silver.Silver, step)

            def killed(*given: Any, right: Callable[..., Any] = right) -> Any:
                right(*given)
                raise Killed

            patch.setattr(silver.Silver, step, killed)
            with pytest.raises(LandError):
                house.refine_silver()
    house.land(batches[-1], chance)
    house.refine_silver()
    assert differences(scenes, house.silver()) == []


def test_what_was_appended_and_not_marked_is_not_appended_again_by_a_checkpoint_that_begins_anew(
    make: Callable[[str], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, chance = make("unmarked"), random.Random(10)
    scenes = {f"main:{number}": model.plain(chance) for number in range(4)}
    house.land([(key, one) for key, scene in scenes.items() for one in scene.told], chance)
    with monkeypatch.context() as patch:
        right = silver.Silver._append

        def killed(*given: Any) -> Any:
            right(*given)
            raise Killed

        patch.setattr(silver.Silver, "_append", killed)
        with pytest.raises(LandError):
            house.refine_silver()
    assert len(house.rows(refined.CLEANED)) == sum(len(model.expected(scene).cleaned) for scene in scenes.values())
    shutil.rmtree(house.root / "checkpoints")
    house.refine_silver()
    assert differences(scenes, house.silver()) == []


def test_a_backlog_is_brought_in_by_groups_of_points_and_a_kill_between_two_of_them_leaves_no_trace(
    make: Callable[[str], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, chance = make("backlog"), random.Random(9)
    scenes = _lives(23, 30)
    early, late = _shuffled(scenes, chance, 2)
    house.land(early, chance)
    house.refine_silver()
    house.land(late, chance)
    monkeypatch.setattr(silver, "AT_ONCE", 30)
    monkeypatch.setattr(gold, "AT_ONCE", 50)
    marked: list[int] = []
    right = silver.Silver._mark

    def killed(*given: Any) -> Any:
        marked.append(1)
        if len(marked) == 2:
            raise Killed
        return right(*given)

    monkeypatch.setattr(silver.Silver, "_mark", killed)
    told = len(house.rows(refined.CHANGED_RANGES))
    with pytest.raises(LandError):
        house.refine_silver()
    assert len(house.rows(refined.CHANGED_RANGES)) == told, "gold would measure by marks that are not there yet"
    house.refine()
    assert len(marked) > 4, "too few groups"
    assert differences(scenes, house.silver()) == []
    assert _wrong_hours(house, scenes) == []


def _growing(house: House, chance: random.Random, patch: pytest.MonkeyPatch) -> dict[str, model.Scene]:
    """A batch is killed before its first step and repeated when the ledger has gone on: about the same hour, too."""
    third = model.HOUR // 3
    first = model.Stated(model.BASE, model.BASE + 2 * third, 1, 2, (((model.BASE, 0), model.Content(1.0)),))
    again = model.Stated(model.BASE, model.BASE + third, 3, 4, (((model.BASE, 0), model.Content(2.0)),))
    later_at = model.BASE + 2 * third + 5
    later = model.Stated(model.BASE + 2 * third, model.BASE + 4 * third, 5, 6, (((later_at, 0), model.Content(3.0)),))
    house.land([("main:1", first)], chance)
    house.refine_silver()
    house.land([("main:1", again)], chance)
    with patch.context() as killing:

        def killed(*_: Any) -> Any:
            raise Killed

        killing.setattr(silver.Silver, "_clean", killed)
        with pytest.raises(LandError):
            house.refine_silver()
    house.land([("main:1", later)], chance)
    house.refine_silver()
    return {"main:1": model.Scene((first, again, later), ())}


def test_a_repeated_batch_sees_no_more_of_the_ledger_than_it_did_the_first_time(
    make: Callable[[str], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make("growing")
    scenes = _growing(house, random.Random(7), monkeypatch)
    assert differences(scenes, house.silver()) == []


def _ledger_as_it_is_now(patch: pytest.MonkeyPatch) -> None:
    def newest(self: silver.Silver, spark: SparkSession, version: int) -> DataFrame:
        return spark.read.format("delta").load(tables.COVERAGE.path(self._warehouse))

    patch.setattr(silver.Silver, "_ledger", newest)


def test_a_ledger_read_beyond_the_batch_is_seen(make: Callable[[str], House], monkeypatch: pytest.MonkeyPatch) -> None:
    house = make("beyond")
    _ledger_as_it_is_now(monkeypatch)
    scenes = _growing(house, random.Random(7), monkeypatch)
    assert differences(scenes, house.silver()) != []


def _everything_appended(patch: pytest.MonkeyPatch) -> None:
    right = overrule.classified

    def careless(stated: DataFrame, covered: DataFrame) -> DataFrame:
        return right(stated, covered.where("false"))

    patch.setattr(overrule, "classified", careless)


def _removals_left(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(difference, "_merge", lambda *_: None)


@pytest.mark.parametrize("defect", [_everything_appended, _removals_left], ids=lambda d: d.__name__.strip("_"))
def test_a_defect_of_the_job_is_seen(
    make: Callable[[str], House], defect: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, chance = make("defect"), random.Random(8)
    scenes = _lives(31, 120)
    defect(monkeypatch)
    for batch in _shuffled(scenes, chance, 2):
        house.land(batch, chance)
        house.refine_silver()
    assert differences(scenes, house.silver()) != []


# -- bronze lacks something --------------------------------------------------------------------------------------------------------


def _events(begin: int, *values: float) -> tuple[tuple[tuple[int, int], model.Content], ...]:
    """One every ten minutes."""
    return tuple(((begin + number * model.HOUR // 6, 0), model.Content(value)) for number, value in enumerate(values))


def test_hours_of_which_bronze_lacks_samples_stay_as_silver_shows_them_until_they_are_stated_again(
    make: Callable[[str], House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, chance = make("lacking"), random.Random(11)
    hour, next_hour = model.BASE, model.BASE + model.HOUR
    lost = model.Stated(hour, next_hour, 1, 2, _events(hour, 1.0, 2.0, 3.0, 4.0))
    corrected = model.Stated(hour, hour + model.HOUR // 4, 5, 6, _events(hour, 1.5))
    after = model.Stated(next_hour, next_hour + model.HOUR, 3, 4, _events(next_hour, 5.0, 6.0))
    whole = model.Scene((lost, corrected, after), ())
    scenes = dict.fromkeys(("main:lost", "main:half", "main:whole"), whole)
    house.land([(key, one) for key, scene in scenes.items() for one in scene.statements], chance)
    house.refine_silver()
    before = house.silver()
    assert differences(scenes, before) == []

    def without(samples: pa.Table) -> pa.Table:
        named = zip(*(samples.column(name).to_pylist() for name in ("point_key", "clock", "value_double")), strict=True)
        gone = [clock == lost.clock and (key == "main:lost" or (key == "main:half" and value == 4.0)) for key, clock, value in named]
        return samples.filter(pa.array([not one for one in gone]))

    assert rewrite(Path(house.path(tables.TIMESERIES)), without) == 5
    shutil.rmtree(house.root / "checkpoints")
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(silver, "log", SimpleNamespace(warning=lambda event, **more: told.append(more)))
    house.refine_silver()
    assert house.silver() == before
    assert [(one["hours"], one["points"]) for one in told] == [(2, 2)]

    again = {
        key: model.Stated(hour, next_hour, 20 + n, 30 + n, _events(hour, 7.0, 2.0)) for n, key in enumerate(("main:lost", "main:half"))
    }
    house.land(list(again.items()), chance)
    house.refine_silver()
    found = house.silver()
    for key, one in again.items():
        wanted = model.expected(model.Scene((one, after), ())).cleaned
        assert {place: content for place, (content, _, _) in found[key].cleaned.items()} == {
            place: content for place, (content, _, _) in wanted.items()
        }
    assert len(told) == 1, "what holds is whole again"
    assert found["main:whole"] == before["main:whole"]


def test_a_full_disk_ends_the_job_in_a_sentence_and_silver_goes_on_once_there_is_room(spark: SparkSession, tmp_path: Path) -> None:
    with small_disk(tmp_path / "warehouse", "8m"):
        house, chance = House(spark, tmp_path), random.Random(12)
        scenes = {f"main:{number}": model.plain(chance) for number in range(3)}
        house.land([(key, scene.statements[0]) for key, scene in scenes.items()], chance)
        house.refine_silver()
        house.land([(key, one) for key, scene in scenes.items() for one in scene.told[1:]], chance)
        filler = tmp_path / "warehouse" / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(b"\0" * (16 << 20))
        with pytest.raises(Unavailable, match=r"no space is left .* make room and start again"):
            house.refine_silver()
        filler.unlink()
        house.refine_silver()
        assert differences(scenes, house.silver()) == []


# -- refused -----------------------------------------------------------------------------------------------------------------------


def test_tables_and_checkpoint_that_are_not_of_one_life_are_refused(told: tuple[House, dict[str, model.Scene]], tmp_path: Path) -> None:
    house, _ = told
    shutil.copytree(house.root, kept := tmp_path / "kept")
    try:
        shutil.rmtree(house.path(refined.WATERMARKS))
        with pytest.raises(Refused, match=r"pi_watermarks are not those .* remove the checkpoint"):
            house.refine()
        shutil.rmtree(house.root / "checkpoints" / "silver")
        with pytest.raises(Refused, match=r"no table pi_watermarks"):
            house.refine()
        shutil.rmtree(house.root)
        shutil.copytree(kept, house.root)
        shutil.rmtree(house.path(tables.COVERAGE))
        house.spark.sql(delta.create_statement(tables.COVERAGE, quoting.table(house.path(tables.COVERAGE)), SOURCE))
        with pytest.raises(
            Refused, match=r"pi_coverage is another table than .*silver has read: remove the checkpoint\. What bronze holds now .* stay as"
        ):
            house.refine()
    finally:
        shutil.rmtree(house.root)
        shutil.copytree(kept, house.root)


def test_a_checkpoint_that_is_cut_off_is_refused_with_what_to_do_and_following_it_changes_no_event(
    told: tuple[House, dict[str, model.Scene]],
) -> None:
    house, scenes = told
    checkpoint = house.root / "checkpoints" / "silver"
    for name in ("offsets", "commits"):
        newest = max((path for path in (checkpoint / name).iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))
        newest.with_name(f".{newest.name}.crc").unlink()
        text = newest.read_text()
        newest.write_text(text[:5])
        with pytest.raises(Refused, match=rf"silver is damaged, {name}/\d+ is cut off: remove it\. Nothing is lost"):
            house.refine()
        newest.write_text(text)
    shutil.rmtree(checkpoint)
    house.refine()
    assert differences(scenes, house.silver()) == []


@pytest.mark.parametrize("lease", ["checkpoints/refine.lease", "warehouse/silver.lease"])
def test_a_second_process_on_the_same_tables_or_checkpoints_is_refused(told: tuple[House, dict[str, model.Scene]], lease: str) -> None:
    house, _ = told
    versions = house.versions()
    held = Lease(Storage(house.spark), [str(house.root / lease)], threading.Event(), beat_seconds=0.5)
    held.take()
    try:
        with pytest.raises(Refused, match=r"another job .* process"):
            house.refine()
    finally:
        held.close()
    assert house.versions() == versions
    house.refine()
    assert not (house.root / lease).exists()


def test_without_bronze_it_says_what_to_start_first(make: Callable[[str], House]) -> None:
    house = make("nothing")
    shutil.rmtree(house.path(tables.COVERAGE))
    with pytest.raises(Unavailable, match="pibridge land"):
        house.refine()


def test_every_silver_and_gold_column_is_described_on_storage(told: tuple[House, dict[str, model.Scene]]) -> None:
    house, _ = told
    for table in refined.TABLES:
        described = house.described(table)
        assert described == [(column.name, column.comment) for column in table.columns]
