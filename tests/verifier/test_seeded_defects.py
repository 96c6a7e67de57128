"""Each seeded defect is found by the check that it is meant for, with the right count and an example that names it."""

import struct
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.shards import shard_of
from tests.verifier.scenes import FLOAT, HISTORY, QUIET, RUN, STATE, TEXT, at, scene
from tests.verifier.world import SHARDS, T0, Json, Record, World, digest, key_of, restate

Spoil = Callable[[World], None]


def sample_at(series: Json, ticks: int, ordinal: int = 0) -> Json:
    return next(s for s in series["samples"] if (s["event_time"] * 10 + s["ticks"], s["ordinal"]) == (ticks, ordinal))


def the_reread(world: World) -> Json:
    """The statement that holds over the first ten seconds of FLOAT."""
    return world.statements(FLOAT)[2]


def bronze_row(world: World, p: int, ticks: int, origin: str = "RECORDED") -> Json:
    """The last row about an instant."""
    wanted = (key_of(p), ticks, origin)
    return [row for row in world.rows if (row["point_key"], row["event_time"] * 10 + row["ticks"], row["origin"]) == wanted][-1]


# -- Kafka: what the bridge could do wrong -------------------------------------------------------------------------------------------


def lost_event(world: World) -> None:
    series = the_reread(world)
    series["samples"].remove(sample_at(series, at(6, 6)))
    restate(series)


def empty_answer_believed(world: World) -> None:
    series = world.statements(STATE)[0]
    series["samples"] = []
    restate(series)


def next_page_one_tick_later(world: World) -> None:
    series = the_reread(world)
    series["samples"] = [s for s in series["samples"] if s["event_time"] * 10 + s["ticks"] != RUN or s["ordinal"] == 0]
    restate(series)


def second_event_of_an_instant_dropped(world: World) -> None:
    series = the_reread(world)
    series["samples"].remove(sample_at(series, RUN, 2))
    restate(series)


def clock_taken_at_the_answer(world: World) -> None:
    """A slow answer overrules a read that was sent, and answered, while it was under way."""
    world.now = at(60)

    def meanwhile() -> None:
        world.event(TEXT, at(1, 8), "late")
        world.now = at(61)
        world.state(TEXT, T0, at(5, 7))

    world.state(TEXT, T0, at(5, 7), then=meanwhile)


def doubled_event(world: World) -> None:
    series = the_reread(world)
    series["samples"].append(sample_at(series, at(6, 6)) | {"ordinal": 1})
    restate(series)


def invented_event(world: World) -> None:
    series = the_reread(world)
    series["samples"].append(sample_at(series, at(6, 6)) | {"event_time": at(6.5) // 10, "value_double": 3.25})
    restate(series)


def deletion_unseen(world: World) -> None:
    """A re-read of an hour states it only up to its newest event, so that the one deleted behind that stays."""
    entry = next(entry for entry in world.archive[TEXT] if entry.ticks == at(4, 7))
    world.now = at(60)
    world.delete(TEXT, entry.event_id)
    world.now = at(70)
    world.state(TEXT, T0, at(3, 7))


def snapshot_stated(world: World) -> None:
    """The newest item of an answer is the snapshot, which the archive never had."""
    series = world.statements(FLOAT)[3]
    snapshot = next(r for r in world.of("live") if r.value["series"][0]["samples"][-1]["event_time"] == at(15) // 10)
    world.line("read", **{"q": "r9", "p": FLOAT, "route": "recorded", "from": at(9), "to": at(16), "max": 9, "count": 5, "status": 200})
    series["statement"] |= {"to_time": at(16) // 10, "to_ticks": 0, "as_of": world.now // 10}
    archived = [deepcopy(s) for s in world.samples(FLOAT, at(9, 9), at(16))]
    series["samples"] = [*archived, deepcopy(snapshot.value["series"][0]["samples"][-1]) | {"ordinal": 0}]
    restate(series)


def another_point(world: World) -> None:
    """Samples of a point that PI does not have."""
    known = world.statements(QUIET)[0]
    record = next(record for record in world.of("recorded") if record.value["series"] == [known])
    key = next(key for key in map("main:{}".format, range(5000, 5100)) if shard_of(key, SHARDS) == record.partition)
    record.value["series"].append(deepcopy(the_reread(world)) | {"point_key": key})
    record.value["series"][-1]["statement"]["as_of"] = known["statement"]["as_of"]
    record.value["series"][-1]["statement"]["as_of_clock"] = known["statement"]["as_of_clock"]


def altered(instant: int, place: int = 0, /, **columns: Any) -> Spoil:
    """Other columns in a sample of the statement that holds, digest and all."""

    def spoil(world: World) -> None:
        series = the_reread(world)
        sample_at(series, instant, place).update(columns)
        restate(series)

    return spoil


def one_bit(world: World) -> None:
    series = the_reread(world)
    sample = sample_at(series, at(6, 6))
    (bits,) = struct.unpack("<Q", struct.pack("<d", sample["value_double"]))
    (sample["value_double"],) = struct.unpack("<d", struct.pack("<Q", bits ^ 1))
    restate(series)


def microseconds_only(world: World) -> None:
    series = the_reread(world)
    for sample in series["samples"]:
        sample["ticks"] = 0
    restate(series)


def ordinal_lost(world: World) -> None:
    series = the_reread(world)
    for sample in series["samples"]:
        sample["ordinal"] = 0


def wrong_unit(world: World) -> None:
    the_reread(world)["uom"] = "degF"


def number_beside_a_state(world: World) -> None:
    sample_at(the_reread(world), at(8, 3))["value_long"] = 0
    restate(the_reread(world))


def reads_of(world: World, p: int) -> list[Json]:
    return [line for line in world.lines if line["k"] == "read" and line["p"] == p]


def failed_read_believed(world: World) -> None:
    reads_of(world, QUIET)[0]["status"] = 500


def full_page_believed(world: World) -> None:
    read = reads_of(world, QUIET)[0]
    read |= {"max": 1, "count": 1, "first": at(5), "last": at(5)}


def as_of_after_the_read(world: World) -> None:
    world.statements(TEXT)[0]["statement"]["as_of"] += 10 * 1_000_000


def widened_range(world: World) -> None:
    """A range states more than was asked for."""
    world.statements(QUIET)[0]["statement"]["to_time"] += 30 * 1_000_000


def progress_without_data(world: World) -> None:
    world.progress[key_of(QUIET)]["high"] = at(25)


def frame_lost(world: World) -> None:
    world.records.remove(world.of("live")[0])


def last_frame_lost(world: World) -> None:
    world.records.remove([r for r in world.of("live") if r.value["series"][0]["point_key"] == key_of(FLOAT)][-1])


def sequence_twice(world: World) -> None:
    first, second = [r for r in world.of("live") if r.value["series"][0]["point_key"] == key_of(FLOAT)][:2]
    second.value["sequence"] = first.value["sequence"]


def published_again(world: World) -> None:
    record = world.of("recorded")[-1]
    world.records.append(Record(record.dataset, record.partition, record.offset + 2, deepcopy(record.value)))


def two_of_a_shard(world: World) -> tuple[Record, Record]:
    """A preview's and a statement's frame of one shard."""
    live = world.of("live")[0]
    return live, next(record for record in world.of("recorded") if record.partition == live.partition)


def clock_twice(world: World) -> None:
    """Two frames of one shard, closed one after the other for two topics."""
    frames = sorted((r for r in world.records if not r.aborted), key=lambda r: (r.partition, r.value["clock"]))
    first, second = next((a, b) for a, b in pairwise(frames) if a.partition == b.partition and a.dataset != b.dataset)
    first.value["clock"] = second.value["clock"]


def request_without_a_clock_of_its_own(world: World) -> None:
    live, recorded = two_of_a_shard(world)
    recorded.value["series"][0]["statement"]["as_of_clock"] = live.value["clock"]


def one_clock_for_two_requests(world: World) -> None:
    first, second = world.statements(FLOAT)[0], world.statements(FLOAT)[1]
    second["statement"]["as_of_clock"] = first["statement"]["as_of_clock"]


def another_shard(world: World) -> None:
    world.of("live")[0].value["shard"] = 7


def no_incident(world: World) -> None:
    world.incidents = [incident for incident in world.incidents if key_of(FLOAT) not in incident["point_keys"]]


def incident_too_late(world: World) -> None:
    next(i for i in world.incidents if key_of(FLOAT) in i["point_keys"])["from_time"] = at(51.5) // 10


def incident_never_closed(world: World) -> None:
    world.incident(QUIET, at(3), None, "OPENED", "left-open")


def wrong_digest(world: World) -> None:
    the_reread(world)["statement"]["digest"] ^= 1


def wrong_count(world: World) -> None:
    the_reread(world)["statement"]["count"] += 1


def wrong_confirmation(world: World) -> None:
    world.statements(STATE)[1]["statement"]["digest"] ^= 1 << 40


def digest_of_names(world: World) -> None:
    """The name of a state is in the digest, though servers translate it."""
    series = world.statements(STATE)[0]
    samples = [sample | {"value_type": "STRING"} for sample in series["samples"]]
    series["statement"]["digest"] = digest(samples)


def preview_never_sent(world: World) -> None:
    world.preview(QUIET, [(at(42), 8, 1)], sent=False)


def preview_altered(world: World) -> None:
    world.of("live")[0].value["series"][0]["samples"][0]["value_double"] += 0.5


def preview_never_read(world: World) -> None:
    world.preview(QUIET, [(at(42), 8, 1)], via="READ")


def malformed_value_made_good(world: World) -> None:
    world.line("sent", c="c1", p=QUIET, events=[], v=None, malformed=True)
    world.preview(QUIET, [(at(43), 0, 1)], sent=False)


NONZERO = 11
"""Samples of the statement that holds over the first ten seconds which are not at a whole microsecond."""
IN_KAFKA = [
    (lost_event, {"V1": 1}, "lost: 2023-11-14T22:13:26.0000006Z"),
    (empty_answer_believed, {"V1": 5}, "DIGITAL state 0 'Open'"),
    (next_page_one_tick_later, {"V1": 2}, "(event 3 there)"),
    (second_event_of_an_instant_dropped, {"V1": 1}, "(event 3 there): DOUBLE 7.5"),
    (clock_taken_at_the_answer, {"V1": 1}, "is from after the change there"),
    (doubled_event, {"V2": 1}, "doubled"),
    (invented_event, {"V2": 1}, "invented"),
    (snapshot_stated, {"V2": 1}, "DOUBLE 44.0"),
    (another_point, {"V2": 12}, "the journal knows no such point"),
    (one_bit, {"V3": 1}, "in place of"),
    (altered(at(6, 6), questionable=True), {"V3": 1}, "good+questionable"),
    (altered(at(6, 6), ticks=7), {"V3": 1}, "wrong time"),
    (altered(RUN, 2, ordinal=3), {"V3": 1}, "wrong ordinal 3 in place of 2"),
    (altered(at(8, 3), value_type="DOUBLE", value_double=0.0, system_state=None, system_state_name=None), {"V3": 1}, "I/O Timeout"),
    (microseconds_only, {"V3": NONZERO}, "wrong time"),
    (ordinal_lost, {"V3": 2}, "wrong ordinal 0"),
    (wrong_unit, {"V3": 1}, "'degF' in place of 'degC'"),
    (number_beside_a_state, {"V3": 1, "V9": 1}, "a NONE with value_long"),
    (failed_read_believed, {"V4": 1}, key_of(QUIET)),
    (full_page_believed, {"V4": 1}, key_of(QUIET)),
    (as_of_after_the_read, {"V4": 1}, key_of(TEXT)),
    (widened_range, {"V4": 1}, key_of(QUIET)),
    (progress_without_data, {"V4": 1}, "progress calls"),
    (frame_lost, {"V5": 1}, "no frame has sequence 0"),
    (last_frame_lost, {"V5": 1}, "no frame has sequence"),
    (sequence_twice, {"V5": 2}, "sequence"),
    (published_again, {"V5": 1}, "is there twice"),
    (clock_twice, {"V5": 1}, "clock"),
    (request_without_a_clock_of_its_own, {"V5": 1}, "is the clock of"),
    (one_clock_for_two_requests, {"V5": 1}, "more than one request"),
    (another_shard, {"V5": 1}, "a frame of shard 7"),
    (no_incident, {"V8": 1}, "no incident of shard"),
    (incident_too_late, {"V8": 1}, "no incident of shard"),
    (incident_never_closed, {"V8": 1}, "left-open"),
    (wrong_digest, {"V9": 1}, "digest"),
    (wrong_count, {"V9": 1}, "count 13"),
    (wrong_confirmation, {"V9": 1}, "the events of the archive"),
    (digest_of_names, {"V9": 1}, key_of(STATE)),
    (preview_never_sent, {"V10": 1}, "no message of a channel served it"),
    (preview_altered, {"V10": 1}, "via CHANNEL"),
    (preview_never_read, {"V10": 1}, "no read served it"),
    (malformed_value_made_good, {"V10": 1}, "LONG 0"),
]


def name_of(spoil: Any) -> str | None:
    return spoil.__qualname__.replace(".<locals>.spoil", "") if callable(spoil) else None


@pytest.mark.parametrize(("spoil", "expected", "example"), IN_KAFKA, ids=name_of)
def test_a_defect_in_kafka_is_found_by_its_check_alone(spoil: Spoil, expected: dict[str, int], example: str) -> None:
    world = scene()
    spoil(world)
    found = world.verify()
    assert dict(found.counts) == expected, found.example(next(iter(found.counts)))
    assert example in (found.example(next(iter(expected))) or "")


def test_a_deletion_behind_the_end_of_a_reread_is_found_once_everything_is_settled() -> None:
    world = scene()
    deletion_unseen(world)
    assert dict(world.verify().counts) == {}
    assert world.verify().outstanding == {"not_yet_seen": 1}
    found = world.verify(settled=True)
    assert dict(found.counts) == {"V2": 1}
    assert "batch 4" in (found.example("V2") or "")


# -- Delta: what the jobs could do wrong ---------------------------------------------------------------------------------------------


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
