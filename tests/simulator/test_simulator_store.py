import itertools
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.compression import SwingingDoor
from simulator.computed import BlockCache, ComputedHistory
from simulator.events import SYSTEM_STATES, Event, State, float32, value_json
from simulator.live import Load, open_stream
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Point, build_profiles
from simulator.store import Counts, Stream
from tests.simulator.world import NOON

HOUR = 3600 * TICKS_PER_SECOND


def stream_of(deviation: float | None = 1.0, **point: bool) -> Stream:
    return Stream(Point(1, "A", "Float64", compression_deviation=deviation, **point), Counts())  # type: ignore[arg-type]


def write(stream: Stream, *pairs: tuple[int, float | str | State]) -> None:
    for ticks, value in pairs:
        stream.write(Event(ticks, value))


def archived(stream: Stream) -> list[tuple[int, object]]:
    return [(event.ticks, event.value) for event in stream.archive.read()]


def test_section_8_2_the_first_value_is_snapshot_and_nothing_is_archived() -> None:
    stream = stream_of()
    write(stream, (10, 1.0))
    assert archived(stream) == []
    assert stream.snapshot is not None
    assert stream.snapshot.ticks == 10


def test_section_8_2_snapshots_on_a_line_are_thrown_away_and_the_corner_is_kept() -> None:
    stream = stream_of(0.1)
    write(stream, (0, 0.0), (10, 1.0), (20, 2.0), (30, 3.0), (40, 0.0))
    assert archived(stream) == [(0, 0.0), (30, 3.0)]


@given(st.lists(st.floats(-100, 100, allow_nan=False), min_size=3, max_size=40), st.floats(0.1, 20))
def test_what_compression_throws_away_lies_within_its_deviation_of_the_line(values: list[float], deviation: float) -> None:
    stream = stream_of(deviation)
    write(stream, *((i * 10, value) for i, value in enumerate(values)))
    assert stream.snapshot is not None
    kept = [*stream.archive.read(), stream.snapshot]
    kept_ticks = [event.ticks for event in kept]
    for i, value in enumerate(values):
        right = bisect_right(kept_ticks, i * 10)
        if right < len(kept):
            a, b = kept[right - 1], kept[right]
            assert isinstance(a.value, float)
            assert isinstance(b.value, float)
            assert abs(a.value + (b.value - a.value) * (i * 10 - a.ticks) / (b.ticks - a.ticks) - value) <= deviation + 1e-9


def test_switched_off_compression_archives_every_previous_snapshot() -> None:
    stream = stream_of(None)
    write(stream, (0, 0.0), (10, 0.0), (20, 0.0))
    assert archived(stream) == [(0, 0.0), (10, 0.0)]


def test_a_system_state_is_archived_with_the_values_on_both_sides_of_it() -> None:
    stream, timeout = stream_of(), SYSTEM_STATES[246]
    write(stream, (0, 0.0), (10, 0.0), (20, 0.0), (30, timeout), (40, timeout), (50, 0.0), (60, 0.0))
    assert archived(stream) == [(0, 0.0), (20, 0.0), (30, timeout), (50, 0.0)]


def test_a_questionable_value_is_archived_though_it_lies_on_the_line() -> None:
    stream = stream_of()
    write(stream, (0, 0.0), (10, 0.0))
    stream.write(Event(20, 0.0, questionable=True))
    write(stream, (30, 0.0), (40, 0.0))
    assert [(e.ticks, e.questionable) for e in stream.archive.read()] == [(0, False), (10, False), (20, True), (30, False)]


def test_a_stepping_point_keeps_only_changes() -> None:
    stream = stream_of(0.0, step=True)
    write(stream, (0, "a"), (10, "a"), (20, "b"), (30, "b"), (40, "a"))
    assert archived(stream) == [(0, "a"), (20, "b")]


def test_a_long_silence_is_ended_by_compression_max() -> None:
    door = SwingingDoor(1.0, 100, step=False)
    door.restart(Event(0, 0.0))
    assert not door.keeps(Event(50, 0.0), Event(100, 0.0))
    assert door.keeps(Event(100, 0.0), Event(101, 0.0))


def test_trap_20_two_events_at_one_instant_are_both_kept_in_order() -> None:
    stream = stream_of()
    write(stream, (0, 0.0), (10, 5.0), (10, 6.0), (10, 7.0), (20, 8.0))
    assert archived(stream) == [(0, 0.0), (10, 5.0), (10, 6.0), (10, 7.0)]


def test_section_8_2_a_late_value_goes_to_the_archive_behind_what_is_there() -> None:
    stream = stream_of(None)
    write(stream, (0, 0.0), (10, 1.0), (20, 2.0), (10, 1.5), (5, 0.5))
    assert archived(stream) == [(0, 0.0), (5, 0.5), (10, 1.0), (10, 1.5)]
    assert stream.write(Event(1, 0.0)) is True
    assert stream.write(Event(20, 0.0)) is False


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=60), st.integers(-1, 21), st.integers(-1, 21), st.integers(1, 9))
def test_an_uncompressed_archive_is_the_writes_in_stable_time_order(
    writes: list[tuple[int, int]], first: int, last: int, limit: int
) -> None:
    stream = stream_of(None)
    write(stream, *((ticks, float(value)) for ticks, value in writes))
    # Everything written and the snapshot, the one newest and latest written, make the recorded view.
    everything = sorted(((ticks, float(value)) for ticks, value in writes), key=lambda pair: pair[0])
    wanted = [pair for pair in everything if first <= pair[0] <= last]
    assert [(e.ticks, e.value) for e in stream.recorded(first, last)] == wanted
    assert [(e.ticks, e.value) for e in stream.recorded(first, last, limit=limit)] == wanted[:limit]
    assert [(e.ticks, e.value) for e in stream.recorded(first, last, limit=limit, descending=True)] == wanted[::-1][:limit]


def test_computed_history_is_the_same_however_it_is_cut() -> None:
    for profile in build_profiles(100, 40.0, 7):
        if profile.period is None:
            continue
        end_slot = profile.slot_at(NOON)
        whole = Stream(profile.point, Counts(), ComputedHistory(profile, NOON - HOUR, end_slot, BlockCache()))
        pieces = Stream(profile.point, Counts(), ComputedHistory(profile, NOON - HOUR, end_slot, BlockCache(10)))
        cuts = [NOON - HOUR - 5, *(NOON - HOUR + i * 777_777_777 for i in range(47)), NOON + 5]
        found = [e for a, b in itertools.pairwise(cuts) for e in pieces.archive.read(a, b - 1)]
        assert [(e.ticks, e.value) for e in found] == [(e.ticks, e.value) for e in whole.archive.read()]
        backwards = whole.archive.read(descending=True)
        assert [e.ticks for e in backwards[::-1]] == [e.ticks for e in found] == sorted(e.ticks for e in found)


def test_computed_history_is_the_same_for_a_server_started_later() -> None:
    profiles = build_profiles(100, 40.0, 3)
    middle = NOON - HOUR // 2
    for profile in profiles:
        early = open_stream(profile, NOON, NOON - HOUR, Counts(), BlockCache())
        late = open_stream(profile, NOON + HOUR, NOON - HOUR, Counts(), BlockCache())
        assert [(e.ticks, e.value) for e in early.archive.read(NOON - HOUR, middle)] == [
            (e.ticks, e.value) for e in late.archive.read(NOON - HOUR, middle)
        ]


def test_late_values_mix_into_computed_history_in_time_order() -> None:
    profile = next(p for p in build_profiles(100, 40.0, 7) if p.period and p.point.point_type == "Float32")
    stream = open_stream(profile, NOON, NOON - HOUR, Counts(), BlockCache())
    there = stream.archive.read()
    for event in there[::2]:
        assert stream.write(Event(event.ticks, -1.0))
    mixed = stream.archive.read()
    assert [e.ticks for e in mixed] == sorted(e.ticks for e in mixed)
    assert len(mixed) == len(there) + len(there[::2])
    pairs = [(a.value, b.value) for a, b in itertools.pairwise(mixed) if a.ticks == b.ticks]
    assert len(pairs) == len(there[::2])
    assert all(after == -1.0 for _, after in pairs)


def test_live_compression_archives_a_part_and_never_the_snapshot() -> None:
    profiles = build_profiles(100, 100.0, 5)
    counts = Counts()
    streams = {p.point.point_id: open_stream(p, NOON, NOON - HOUR, counts, BlockCache()) for p in profiles}
    counts.written = counts.archived = counts.compressed_away = 0
    load = Load(profiles, streams, NOON)
    first_snapshots = [stream.snapshot for stream in streams.values() if stream.live]
    load.advance(NOON + 600 * TICKS_PER_SECOND)
    assert counts.written == pytest.approx(60_000, rel=0.02)
    assert counts.archived + counts.compressed_away == counts.written
    assert 0.05 < counts.archived / counts.written < 0.5
    everything = {id(event) for stream in streams.values() for event in stream.archive.read()}
    kept = sum(id(event) in everything for event in first_snapshots)
    assert 0 < kept < 0.8 * len(first_snapshots), "compression goes on from the past across the start"
    for stream in streams.values():
        assert stream.snapshot is not None
        newest = stream.archive.read(limit=1, descending=True)
        assert not newest or newest[0].ticks <= stream.snapshot.ticks
        assert stream.snapshot not in newest


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float32(50.40764), b"50.40764"),
        (65229868.0, b"65229868.0"),
        (7, b"7"),
        (float("nan"), b'"NaN"'),
        (float("-inf"), b'"-Infinity"'),
        ("", b'""'),
        (State("Manual", 1), b'{"Name":"Manual","Value":1,"IsSystem":false}'),
    ],
)
def test_section_2_4_values_print_as_the_captures_show(value: float | str | State, text: bytes) -> None:
    assert value_json(value) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_short_form_of_a_float32_is_that_float32(value: float) -> None:
    import struct

    assert struct.pack("<f", float32(value)) == struct.pack("<f", value)
