"""Frames: their clocks and sequences, their limits, and how a statement is cut."""

from collections import defaultdict
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.digests import digest_of
from bridge.frame import MAX_FRAME_BYTES, Frame, FrameBuilder, InstantTooLarge, Limits, Stated, pieces_of, plain
from bridge.normalise import MAX_VALUE_BYTES
from bridge.points import Point
from bridge.progress import ShardState
from bridge.ranges import Range, ticks_of
from bridge.samples import Sample, size_of
from schemas import wire
from schemas.digest import add
from schemas.topics import HISTORY, LIVE, RECORDED, Topic
from tests.unit.bridge.world import HOUR, at, point, sample

ONE, TWO = point(1, tag="TI-101", engineering_units="degC"), point(2, tag="TI-102")
LIMITS = Limits(seconds=0.1, samples=1000, size_bytes=256_000)


class Builder(FrameBuilder):
    """A builder with a shard of its own and short ways to fill it."""

    def __init__(self, limits: Limits = LIMITS, epoch: int = 3) -> None:
        self.state = ShardState(5, 12, epoch=epoch)
        super().__init__(self.state, "plant1", limits)

    def live(self, of: Point, *samples: Sample, now: float = 0.0) -> None:
        self.previews([(of, list(samples))], "CHANNEL", 1, now)

    def state_range(self, stated: Range, of: Point = ONE, history: bool = False, cause: str | None = None, now: float = 0.0) -> None:
        self.statement(of, Stated(stated, at("10:00", 3), self.state.take_clock()), history, cause, 1, now)

    def all(self) -> list[tuple[Topic, Frame]]:
        return self.take(7, everything=True)


def text(size: int, ticks: int = 0, ordinal: int = 0, letter: str = "x") -> Sample:
    return sample(ticks, ordinal=ordinal, value_type="STRING", value_double=None, value_string=letter * size)


def encoded(frame: Frame) -> int:
    return len(wire.encode(1, wire.schema("value_frame"), cast(dict[str, Any], plain(frame))))


def statements(frames: list[tuple[Topic, Frame]]) -> list[dict[str, Any]]:
    return [{**(s["statement"] or {}), "samples": s["samples"]} for _, f in frames for s in f["series"]]


# -- order


def test_clocks_grow_strictly_over_all_topics_and_sequences_are_dense_on_each() -> None:
    builder = Builder(Limits(0.1, 2, 256_000))
    frames = []
    for n in range(20):
        builder.live(ONE, sample(n))
        builder.state_range(Range(n, n + 1, [sample(n)]), history=n % 3 == 0)
        if n % 7 == 6:
            builder.close_old(n / 10)
            frames += builder.take(None)
    frames += builder.all()
    clocks = [frame["clock"] for _, frame in frames]
    assert clocks == sorted(set(clocks))
    assert {clock >> 40 for clock in clocks} == {3}
    by_topic = defaultdict(list)
    for topic, frame in frames:
        by_topic[topic.dataset].append(frame["sequence"])
    assert by_topic.keys() == {"live", "recorded", "history"}
    assert all(found == list(range(len(found))) for found in by_topic.values())


def test_a_clock_says_which_epoch_it_belongs_to() -> None:
    earlier, later = Builder(epoch=3), Builder(epoch=4)
    for builder in (earlier, later):
        builder.live(ONE, sample(0))
    (_, before), (_, after) = *earlier.all(), *later.all()
    assert before["clock"] < after["clock"]
    assert (before["clock"] >> 40, after["clock"] >> 40) == (3, 4)


def test_a_frame_that_closes_after_a_request_was_sent_is_not_below_its_clock() -> None:
    builder = Builder()
    builder.live(ONE, sample(0))
    sent_clock = builder.state.take_clock()
    builder.live(ONE, sample(1))
    ((_, frame),) = builder.all()
    assert frame["clock"] > sent_clock


def test_sequences_go_on_from_those_that_were_inherited() -> None:
    builder = Builder()
    builder.state.sequences = {"live": 41}
    builder.live(ONE, sample(0))
    builder.state_range(Range(0, 1, []))
    assert {topic.dataset: frame["sequence"] for topic, frame in builder.all()} == {"live": 41, "recorded": 0}


# -- what a frame holds


def test_previews_of_one_point_share_a_series_and_carry_no_statement() -> None:
    builder = Builder()
    builder.live(ONE, sample(1))
    builder.live(TWO, sample(2))
    builder.live(ONE, sample(3), sample(3, ordinal=1))
    ((topic, frame),) = builder.all()
    assert topic is LIVE
    assert (frame["origin"], frame["via"], frame["shard"], frame["source"], frame["server_time"]) == ("LIVE", "CHANNEL", 5, "plant1", 8)
    assert [(s["point_key"], s["uom"], [ticks_of(x) for x in s["samples"]]) for s in frame["series"]] == [
        ("main:1", "degC", [1, 3, 3]),
        ("main:2", None, [2]),
    ]
    assert all(series["statement"] is None for series in frame["series"])


def test_trap_20_two_previews_at_one_instant_are_both_kept() -> None:
    builder = Builder()
    builder.live(ONE, sample(1), sample(1, ordinal=1))
    ((_, frame),) = builder.all()
    assert len(frame["series"][0]["samples"]) == 2


def test_a_statement_says_its_range_to_the_tick_its_count_and_its_digest() -> None:
    builder = Builder()
    samples = [sample(at("09:00", 4)), sample(at("09:30"))]
    builder.state_range(Range(at("09:00", 3), at("10:00", 9), samples))
    ((topic, frame),) = builder.all()
    assert (topic, frame["origin"], frame["via"]) == (RECORDED, "RECORDED", "READ")
    assert frame["series"][0]["statement"] == {
        "kind": "STATED",
        "from_time": at("09:00") // 10,
        "from_ticks": 3,
        "to_time": at("10:00") // 10,
        "to_ticks": 9,
        "as_of": at("10:00") // 10,
        "as_of_clock": (3 << 40) + 1,
        "count": 2,
        "digest": digest_of(samples),
    }


def test_an_empty_statement_is_a_statement() -> None:
    builder = Builder()
    builder.state_range(Range(1, 2, []))
    (stated,) = statements(builder.all())
    assert (stated["count"], stated["digest"], stated["samples"]) == (0, 0, [])


def test_back_fill_and_each_cause_get_frames_of_their_own() -> None:
    builder = Builder()
    builder.state_range(Range(1, 2, []))
    builder.state_range(Range(1, 2, []), of=TWO)
    builder.state_range(Range(2, 3, []), cause="lost")
    builder.state_range(Range(3, 4, []), history=True)
    assert [(topic, frame["cause"], len(frame["series"])) for topic, frame in builder.all()] == [
        (RECORDED, None, 2),
        (RECORDED, "lost", 1),
        (HISTORY, None, 1),
    ]


def test_two_statements_of_one_point_do_not_share_a_series() -> None:
    builder = Builder()
    builder.state_range(Range(1, 2, [sample(1)]))
    builder.state_range(Range(2, 3, [sample(2)]))
    assert [stated["count"] for stated in statements(builder.all())] == [1, 1]


# -- when a frame closes


def test_a_frame_closes_when_it_is_old_enough() -> None:
    builder = Builder()
    builder.live(ONE, sample(1), now=10.0)
    builder.close_old(10.09)
    assert builder.take(None) == []
    builder.close_old(10.11)
    assert len(builder.take(None)) == 1
    assert builder.empty


def test_a_frame_takes_no_more_samples_than_the_limit() -> None:
    builder = Builder(Limits(60, 10, 256_000))
    for n in range(25):
        builder.live(ONE, sample(n))
    assert [sum(len(s["samples"]) for s in frame["series"]) for _, frame in builder.all()] == [10, 10, 5]


def test_a_frame_takes_about_as_many_bytes_as_the_limit() -> None:
    builder = Builder(Limits(60, 10**6, 10_000))
    for n in range(100):
        builder.live(ONE, text(1000, n))
    sizes = [encoded(frame) for _, frame in builder.all()]
    assert len(sizes) >= 9
    assert max(sizes) <= 11_500


def test_what_waits_is_counted_until_it_is_taken() -> None:
    builder = Builder()
    assert (builder.empty, builder.waiting_bytes) == (True, 0)
    builder.live(ONE, text(10_000))
    assert builder.waiting_bytes > 10_000
    builder.close_old(1.0)
    assert builder.waiting_bytes > 10_000
    assert not builder.empty
    builder.take(None)
    assert (builder.empty, builder.waiting_bytes) == (True, 0)


@given(
    st.one_of(
        st.builds(lambda v: sample(at("09:00"), v), st.floats(allow_nan=False)),
        st.builds(lambda v: sample(0, value_type="LONG", value_double=None, value_long=v), st.integers(-(2**63), 2**63 - 1)),
        st.builds(
            lambda v: sample(at("23:59", 9), ordinal=10**6, value_type="STRING", value_double=None, value_string=v),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
        ),
        st.builds(
            lambda c, v: sample(at("09:00"), value_type="DIGITAL", value_double=None, digital_code=c, value_string=v),
            st.integers(-(2**31), 2**31 - 1),
            st.text(st.characters(exclude_categories=["Cs"])),
        ),
        st.builds(
            lambda c, v: sample(at("09:00"), value_type="NONE", value_double=None, system_state=c, system_state_name=v),
            st.integers(-(2**31), 2**31 - 1),
            st.text(st.characters(exclude_categories=["Cs"])),
        ),
        st.builds(lambda v: sample(0, value_type="BYTES", value_double=None, value_bytes=v), st.binary(max_size=300)),
    )
)
@settings(max_examples=150, deadline=None)
def test_a_sample_never_takes_more_bytes_than_it_is_counted_for(measured: Sample) -> None:
    few, more = Builder(), Builder()
    few.live(ONE, sample(0))
    more.live(ONE, sample(0), measured)
    ((_, with_one),), ((_, with_two),) = few.all(), more.all()
    assert encoded(with_two) - encoded(with_one) <= size_of([measured])


@pytest.mark.parametrize("letter", ["x", "ä", "€", "😀"])
def test_a_value_as_large_as_values_may_be_fits_into_a_frame_as_preview_and_in_a_statement(letter: str) -> None:
    builder = Builder()
    largest = text(MAX_VALUE_BYTES // len(letter.encode()), at("09:00"), letter=letter)
    builder.live(ONE, largest, largest)
    builder.state_range(Range(at("09:00"), at("10:00"), [largest]))
    frames = builder.all()
    assert len(frames) == 3
    assert all(encoded(frame) <= MAX_FRAME_BYTES for _, frame in frames)


# -- cutting


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """A range with runs of values at one instant."""
    begin = draw(st.integers(0, 50))
    samples: list[Sample] = []
    for instant in sorted(draw(st.sets(st.integers(begin, begin + 60), max_size=25))):
        samples += [text(draw(st.integers(0, 400)), instant, ordinal) for ordinal in range(draw(st.integers(1, 4)))]
    return Range(begin, begin + 61, samples)


@given(ranges(), st.integers(1, 3000))
@settings(max_examples=200, deadline=None)
def test_pieces_join_without_a_gap_hold_every_sample_and_never_divide_an_instant(whole: Range, size: int) -> None:
    pieces = list(pieces_of(whole, size))
    assert [piece.begin for piece in pieces] == [whole.begin, *(piece.end for piece in pieces[:-1])]
    assert pieces[-1].end == whole.end
    assert [s for piece in pieces for s in piece.samples] == whole.samples
    assert all(piece.samples for piece in pieces) or len(pieces) == 1
    for piece in pieces:
        assert all(piece.begin <= ticks_of(s) < piece.end for s in piece.samples)
        instants = {ticks_of(s) for s in piece.samples}
        assert size_of(piece.samples) <= size or len(instants) == 1
    ends = [{ticks_of(s) for s in piece.samples} for piece in pieces]
    assert sum(map(len, ends)) == len(set().union(*ends))


@given(ranges())
@settings(max_examples=50, deadline=None)
def test_counts_and_digests_of_the_pieces_add_up_to_the_whole(whole: Range) -> None:
    builder = Builder(Limits(60, 10**6, 1024))
    builder.state_range(whole)
    total_count = total_digest = 0
    for stated in statements(builder.all()):
        assert stated["count"] == len(stated["samples"])
        assert stated["digest"] == digest_of(stated["samples"])
        total_count, total_digest = total_count + stated["count"], add(total_digest, stated["digest"])
    assert (total_count, total_digest) == (len(whole.samples), digest_of(whole.samples))


def test_a_statement_of_any_length_makes_frames_below_the_limit_of_kafka() -> None:
    builder = Builder()
    samples = [text(700, at("09:00", n)) for n in range(5000)]
    builder.state_range(Range(at("09:00"), at("10:00"), samples))
    frames = builder.all()
    assert len(frames) > 4
    assert all(encoded(frame) <= MAX_FRAME_BYTES for _, frame in frames)
    assert sum(stated["count"] for stated in statements(frames)) == 5000


def test_the_longest_names_do_not_push_a_frame_over_the_limit() -> None:
    builder = Builder()
    of = point(1, tag="t" * 1023, engineering_units="u" * 24)
    instant = [text(99_000, at("09:00"), n) for n in range(9)]
    builder.state_range(Range(at("09:00"), at("10:00"), instant[:8]), of)
    builder.state_range(Range(at("09:00"), at("10:00"), [*instant[:8], text(106_300, at("09:00"), 8)]), of)
    assert all(encoded(frame) <= MAX_FRAME_BYTES for _, frame in builder.all())


def test_an_instant_that_fits_into_no_frame_is_refused_and_nothing_is_added() -> None:
    builder = Builder()
    huge = [text(100_000, at("09:30"), n) for n in range(10)]
    with pytest.raises(InstantTooLarge) as raised:
        builder.state_range(Range(at("09:00"), at("10:00"), [sample(at("09:00")), *huge, sample(at("09:40"))]))
    assert raised.value.ticks == at("09:30")
    assert raised.value.size_bytes > MAX_FRAME_BYTES
    assert builder.empty


def test_an_instant_larger_than_the_usual_frame_makes_one_larger_frame() -> None:
    builder = Builder()
    run = [text(50_000, at("09:30"), n) for n in range(10)]
    builder.state_range(Range(at("09:00"), at("10:00"), [sample(at("09:00")), *run, sample(at("09:40"))]))
    counts = [stated["count"] for stated in statements(builder.all())]
    assert sum(counts) == 12
    assert 10 in counts


def test_each_frame_is_what_the_schema_takes() -> None:
    builder = Builder()
    builder.live(ONE, sample(at("09:00")))
    builder.state_range(Range(at("09:00"), at("09:00") + HOUR, [sample(at("09:00"))]), cause="lost")
    for _, frame in builder.all():
        record = cast(dict[str, Any], plain(frame))
        _, body = wire.split(wire.encode(1, wire.schema("value_frame"), record))
        assert wire.decode(body, wire.schema("value_frame")) == record
