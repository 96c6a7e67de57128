"""Each seeded defect of the lakehouse is found by the check that it is meant for, with the right count and an example."""

from pathlib import Path

import pytest

from tests.verifier.scenes import FLOAT, HISTORY, QUIET, RUN, at, scene
from tests.verifier.test_seeded_defects import Spoil, name_of
from tests.verifier.world import T0, Json, World, key_of


def bronze_row(world: World, p: int, ticks: int, origin: str = "RECORDED") -> Json:
    """The last row about an instant."""
    wanted = (key_of(p), ticks, origin)
    return [row for row in world.rows if (row["point_key"], row["event_time"] * 10 + row["ticks"], row["origin"]) == wanted][-1]


def sample_row_lost(world: World) -> None:
    world.rows.remove(bronze_row(world, FLOAT, at(6, 6)))


def preview_row_lost(world: World) -> None:
    world.rows.remove(bronze_row(world, FLOAT, at(13, 1), "LIVE"))


def statement_row_lost(world: World) -> None:
    del world.ledger[0]


def same_instant_merged(world: World) -> None:
    """A table that knows events by point and time only."""
    for row in [row for row in world.rows if row["event_time"] * 10 + row["ticks"] == RUN and row["ordinal"] > 0]:
        world.rows.remove(row)


def row_altered(world: World) -> None:
    bronze_row(world, FLOAT, at(6, 6))["value_double"] += 0.5


def preview_row_altered(world: World) -> None:
    bronze_row(world, QUIET, at(41), "LIVE")["good"] = False


def state_with_a_number(world: World) -> None:
    """The job writes 0 where PI had a state."""
    bronze_row(world, FLOAT, at(8, 3))["value_double"] = 0.0


def rows_truncated(world: World) -> None:
    for row in world.rows:
        row["ticks"] = row["ticks"] if row["origin"] == "RECORDED" else 0


def range_altered(world: World) -> None:
    world.ledger[2]["to_ticks"] += 1


def aborted_rows(world: World) -> None:
    world.land(aborted=True)


def row_twice(world: World) -> None:
    world.rows.append(dict(bronze_row(world, FLOAT, at(6, 6))))


def statement_row_twice(world: World) -> None:
    world.ledger.append(dict(world.ledger[1]))


def row_of_no_record(world: World) -> None:
    world.rows.append(bronze_row(world, FLOAT, at(6, 6)) | {"kafka_offset": 1})


def digest_column_wrong(world: World) -> None:
    world.ledger[0]["digest"] ^= 4


def count_column_wrong(world: World) -> None:
    world.ledger[0]["count"] -= 1


def silver(world: World) -> list[Json]:
    assert world.cleaned is not None
    return world.cleaned


def open_previews(world: World) -> list[Json]:
    assert world.previews_open is not None
    return world.previews_open


def silver_row_lost(world: World) -> None:
    del silver(world)[5]


def silver_row_twice(world: World) -> None:
    silver(world).append(dict(silver(world)[5]))


def silver_row_deleted_in_pi(world: World) -> None:
    silver(world).append(silver(world)[5] | {"event_time": at(7) // 10, "ticks": 7, "value_double": 20.875})


def silver_row_differs(world: World) -> None:
    silver(world)[5] |= {"good": False, "substituted": True}


def preview_left_open(world: World) -> None:
    open_previews(world).append({**open_previews(world)[0], "event_time": at(9) // 10, "ticks": 9, "value_double": 21.125})


def open_preview_lost(world: World) -> None:
    del open_previews(world)[0]


def open_preview_differs(world: World) -> None:
    open_previews(world)[0]["value_double"] = 0.0


IN_DELTA = [
    (sample_row_lost, {"V1": 1, "V9": 1}, "lost in bronze"),
    (preview_row_lost, {"V1": 1}, "lost in bronze"),
    (statement_row_lost, {"V1": 1}, "lost in bronze: main:1001, the statement"),
    (same_instant_merged, {"V1": 4, "V9": 2}, "(event 3 there)"),
    (row_altered, {"V3": 1, "V9": 1}, "DOUBLE 21.25"),
    (preview_row_altered, {"V3": 1}, "(no flag)"),
    (state_with_a_number, {"V3": 1}, "value_double is set as well"),
    (rows_truncated, {"V3": 3}, "in place of"),
    (range_altered, {"V3": 1}, "not as published"),
    (aborted_rows, {"V6": 1}, "of an aborted transaction"),
    (row_twice, {"V6": 1}, "more than once"),
    (statement_row_twice, {"V6": 1}, "more than once"),
    (row_of_no_record, {"V6": 1}, "is no committed record"),
    (digest_column_wrong, {"V9": 1}, "its rows have"),
    (count_column_wrong, {"V9": 1}, "its rows have"),
    (silver_row_lost, {"V7": 1}, "lost"),
    (silver_row_twice, {"V7": 1}, "doubled"),
    (silver_row_deleted_in_pi, {"V7": 1}, "invented"),
    (silver_row_differs, {"V7": 1}, "substituted"),
    (preview_left_open, {"V7": 1}, "overruled"),
    (open_preview_lost, {"V7": 1}, "missing"),
    (open_preview_differs, {"V7": 1}, "published was"),
]


@pytest.mark.parametrize(("spoil", "expected", "example"), IN_DELTA, ids=name_of)
def test_a_defect_in_delta_is_found_by_its_check(spoil: Spoil, expected: dict[str, int], example: str, tmp_path: Path) -> None:
    world = scene()
    spoil(world)
    found = world.verify(tmp_path)
    assert dict(found.counts) == expected, [found.example(check) for check in found.counts]
    assert example in (found.example(next(iter(expected))) or "")


def test_what_bronze_lacks_at_its_end_has_merely_not_landed_unless_everything_is_settled(tmp_path: Path) -> None:
    world = scene()
    world.cleaned = world.previews_open = None
    last = [record for record in world.of("live") if record.value["series"][0]["point_key"] == key_of(FLOAT)][-1]
    place = (last.partition, last.offset, "LIVE")
    world.rows = [row for row in world.rows if (row["kafka_partition"], row["kafka_offset"], row["origin"]) != place]
    found = world.verify(tmp_path / "now")
    assert found.clean
    assert found.outstanding == {"not_landed": 2}
    assert dict(world.verify(tmp_path / "then", settled=True).counts) == {"V1": 2}


def without_kafkas_oldest(world: World) -> None:
    """Retention took the first statement's record."""
    first = world.of("recorded")[0]
    world.records.remove(first)
    world.begins["recorded", first.partition] = first.offset + 1


def test_records_that_only_bronze_still_has_are_checked_too(tmp_path: Path) -> None:
    world = scene()
    without_kafkas_oldest(world)
    found = world.verify(tmp_path)
    assert dict(found.counts) == {}
    assert found.examined["records_that_only_bronze_has"] == 1


def test_a_record_that_kafka_deleted_before_it_landed_is_a_hole(tmp_path: Path) -> None:
    world = scene()
    first = world.of("recorded")[0]
    without_kafkas_oldest(world)
    place = (f"pi.plant1.{first.dataset}", first.partition, first.offset)
    for rows in (world.rows, world.ledger):
        rows[:] = [row for row in rows if (row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]) != place]
    found = world.verify(tmp_path)
    assert found.counts["V5"] == 1
    assert "no frame has sequence 0" in (found.example("V5") or "")


def test_without_silver_that_check_says_that_there_is_none(tmp_path: Path) -> None:
    world = scene()
    world.cleaned = world.previews_open = None
    found = world.verify(tmp_path)
    assert found.clean
    assert found.skipped["V7"] == ["not there: silver.pi_timeseries_cleaned", "not there: silver.pi_previews_open"]


def test_the_run_without_a_defect_is_all_zero(tmp_path: Path) -> None:
    found = scene().verify(tmp_path, settled=True)
    assert dict(found.counts) == {}
    assert dict(found.outstanding) == {}
    assert found.skipped == {}
    assert found.examined["archived_events_in_covered_ranges"] > 40
    assert HISTORY < T0
