"""Each seeded defect is found by the check that it is meant for, with the right count and an example that names it."""

import struct
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest

from schemas.shards import shard_of
from tests.verifier.scenes import FLOAT, OPEN, QUIET, RUN, STATE, TEXT, at, scene
from tests.verifier.world import SHARDS, T0, Json, Record, World, digest, key_of, restate

Spoil = Callable[[World], None]


def sample_at(series: Json, ticks: int, ordinal: int = 0) -> Json:
    return next(s for s in series["samples"] if (s["event_time"] * 10 + s["ticks"], s["ordinal"]) == (ticks, ordinal))


def the_reread(world: World) -> Json:
    """The statement that holds over the first ten seconds of FLOAT."""
    return world.statements(FLOAT)[2]


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


def preview_overruled_by_an_earlier_read(world: World) -> None:
    """The clock of a request is taken at its answer: what was heard meanwhile counts as seen by it."""
    world.now = at(60)

    def meanwhile() -> None:
        world.event(TEXT, at(1, 8), "late")
        world.preview(TEXT, [(at(1, 8), "late", 1)])

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


def confirmed_though_it_differs(world: World) -> None:
    """The archive changed, the re-read saw that, and it was published as a confirmation."""
    world.now = at(60)
    world.event(STATE, at(1, 8), OPEN)
    world.state(STATE, T0, at(5), kind="CONFIRMED")


def confirmed_though_nothing_was_stated(world: World) -> None:
    world.now = at(60)
    world.state(QUIET, T0, at(12), kind="CONFIRMED")


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
    (empty_answer_believed, {"V1": 5, "V9": 1}, "DIGITAL state 0 'Open'"),  # and what was confirmed later was not stated
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
    (confirmed_though_it_differs, {"V9": 1}, "the samples stated before it have 5"),
    (confirmed_though_nothing_was_stated, {"V4": 1}, "confirms a range of which nothing was stated"),
    (digest_of_names, {"V9": 1}, key_of(STATE)),
    (preview_never_sent, {"V10": 1}, "no message of a channel served it"),
    (preview_altered, {"V10": 1}, "via CHANNEL"),
    (preview_never_read, {"V10": 1}, "no read served it"),
    (preview_overruled_by_an_earlier_read, {"V10": 1}, "answered before it was sent"),
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
