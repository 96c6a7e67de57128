"""What a re-read has to be equal to, to be a confirmation."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.digests import digest_of
from bridge.ranges import Range, cut_around
from bridge.sums import MAX_SPANS, Cells, Span, Sums
from bridge.watermarks import Watermarks, ages_of
from tests.unit.bridge.world import HOUR, MINUTE, at, page, sample


def hours(ticks: int) -> tuple[int, int]:
    """A cell is an hour."""
    return ticks // HOUR * HOUR, ticks // HOUR * HOUR + HOUR


HOURS = Cells(hours, 0)


def state(sums: Sums, begin: str, end: str, *instants: str, value: float = 1.0) -> list[Range]:
    """A read of one page."""
    samples = [sample(at(instant), value) for instant in instants]
    return sums.stated(at(begin), at(end), [[Range(at(begin), at(end), samples)]], HOURS)[0]


def shown(ranges: Sequence[Range]) -> list[tuple[int, int, bool, int]]:
    return [(r.begin, r.end, r.confirmed, len(r.samples)) for r in ranges]


def test_the_same_samples_again_are_a_confirmation_with_their_digest() -> None:
    sums = Sums()
    assert not state(sums, "06:00", "07:00", "06:10")[0].confirmed
    (again,) = state(sums, "06:00", "07:00", "06:10")
    assert (again.confirmed, again.digest) == (True, digest_of([sample(at("06:10"))]))


def test_an_empty_hour_that_is_empty_again_is_confirmed() -> None:
    sums = Sums()
    state(sums, "06:00", "07:00")
    assert shown(state(sums, "06:00", "07:00")) == [(at("06:00"), at("07:00"), True, 0)]


@pytest.mark.parametrize(("instants", "value"), [((), 1.0), (("06:11",), 1.0), (("06:10",), 2.0), (("06:10", "06:20"), 1.0)])
def test_anything_else_is_stated_with_its_samples(instants: tuple[str, ...], value: float) -> None:
    sums = Sums()
    state(sums, "06:00", "07:00", "06:10")
    assert shown(state(sums, "06:00", "07:00", *instants, value=value)) == [(at("06:00"), at("07:00"), False, len(instants))]
    assert state(sums, "06:00", "07:00", *instants, value=value)[0].confirmed


def test_pieces_of_an_hour_add_up() -> None:
    sums = Sums()
    state(sums, "06:00", "06:20", "06:10")
    state(sums, "06:20", "07:00", "06:30")
    assert [span[:2] for span in sums.spans] == [(at("06:00"), at("07:00"))]
    assert state(sums, "06:00", "07:00", "06:10", "06:30")[0].confirmed


def test_of_several_hours_in_one_read_those_that_differ_are_stated_and_their_neighbours_confirmed() -> None:
    sums = Sums()
    state(sums, "06:00", "10:00", "06:10", "07:10", "08:10", "09:10")
    again = state(sums, "06:00", "10:00", "06:10", "07:10", "07:20", "08:10", "09:10")
    assert shown(again) == [
        (at("06:00"), at("07:00"), True, 1),
        (at("07:00"), at("08:00"), False, 2),
        (at("08:00"), at("10:00"), True, 2),
    ]


def test_what_is_read_of_only_a_part_is_not_confirmed() -> None:
    sums = Sums()
    state(sums, "06:00", "07:00", "06:10")
    assert not state(sums, "06:00", "06:30", "06:10")[0].confirmed
    assert shown(state(sums, "06:00", "07:00", "06:10")) == [(at("06:00"), at("06:30"), True, 1), (at("06:30"), at("07:00"), False, 0)]


def test_an_hour_with_an_instant_that_could_not_be_understood_is_never_confirmed() -> None:
    sums, read = Sums(), page(at("06:10"), at("06:30"), unreadable=[at("06:20")])
    for _ in range(2):
        stated = sums.stated(at("06:00"), at("07:00"), [cut_around(at("06:00"), at("07:00"), read)], HOURS)[0]
        assert [(r.begin, r.end, r.confirmed) for r in stated] == [
            (at("06:00"), at("06:20"), False),
            (at("06:20", 1), at("07:00"), False),
        ]
    assert not sums.spans


def test_an_hour_of_which_an_instant_could_not_be_published_is_not_confirmed() -> None:
    sums = Sums()
    state(sums, "06:00", "07:00", "06:10")
    sums.tear(at("06:10"), at("06:10", 1))
    assert not state(sums, "06:00", "07:00", "06:10")[0].confirmed


def test_pages_of_a_read_are_confirmed_each_for_itself() -> None:
    sums = Sums()
    state(sums, "06:00", "07:00", "06:10", "06:30")
    pages = [[Range(at("06:00"), at("06:30"), [sample(at("06:10"))])], [Range(at("06:30"), at("07:00"), [sample(at("06:30"))])]]
    first, second = sums.stated(at("06:00"), at("07:00"), pages, HOURS)
    assert shown([*first, *second]) == [(at("06:00"), at("06:30"), True, 1), (at("06:30"), at("07:00"), True, 1)]


def test_no_digest_is_kept_of_what_was_read_at_every_age() -> None:
    sums = Sums()
    sums.stated(
        at("06:00"),
        at("08:00"),
        [[Range(at("06:00"), at("08:00"), [])]],
        Cells(lambda t: None if t < at("07:00") else hours(t), at("07:00")),
    )
    assert [span[:2] for span in sums.spans] == [(at("07:00"), at("08:00"))]


def test_the_oldest_digests_are_given_up_where_re_reads_do_not_keep_up() -> None:
    sums = Sums([Span(n * HOUR, (n + 1) * HOUR, 1) for n in range(200)])
    sums.stated(200 * HOUR, 201 * HOUR, [[Range(200 * HOUR, 201 * HOUR, [])]], HOURS)
    assert [span.begin for span in sums.spans] == [n * HOUR for n in range(201 - MAX_SPANS, 201)]


def test_a_point_keeps_some_twenty_digests_however_much_waits_to_be_read_again() -> None:
    ages = ages_of((7200.0, 86_400.0, 604_800.0))
    begin = at("00:00")
    marks, sums, most = Watermarks(ages, begin), Sums(), 0
    for n in range(24 * 12):
        now = begin + (n + 1) * HOUR
        marks.read(now - HOUR, now, begin, now, ages)
        sums.stated(now - HOUR, now, [[Range(now - HOUR, now, [])]], marks.cells(ages))
        while (due := marks.due(begin, now, now, 24 * HOUR, ages)) is not None:
            marks.read(due.begin, due.end, begin, now, ages)
            (again,) = sums.stated(due.begin, due.end, [[Range(due.begin, due.end, [])]], marks.cells(ages))
            assert all(stated.confirmed for stated in again)
        most = max(most, len(sums.spans))
    assert 15 <= most <= 24


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12), st.booleans()), max_size=12))
def test_a_confirmation_always_says_what_was_stated_before(reads: list[tuple[int, int, bool]]) -> None:
    """Whatever is read, in whatever pieces, while the archive changes now and then: against a ledger kept instant by instant."""
    step, sums = 20 * MINUTE, Sums()
    begin = at("06:00")
    archive = {begin + n * step: 1.0 for n in range(24)}
    ledger: dict[int, float | None] = {}
    for first, length, changing in reads:
        low, high = begin + first * step, begin + (first + length) * step
        if changing:
            archive[low] = archive.get(low, 0.0) + 1.0
        samples = [sample(ticks, value) for ticks, value in sorted(archive.items()) if low <= ticks < high]
        for stated in sums.stated(low, high, [[Range(low, high, samples)]], HOURS)[0]:
            for ticks in range(stated.begin, stated.end, step):
                said = {s.ticks: s.number for s in stated.samples}.get(ticks)
                assert not stated.confirmed or ledger[ticks] == said
                ledger[ticks] = said
