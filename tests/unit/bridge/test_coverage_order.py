"""What blind intervals owe, where coverage begins, what is read when, and holes (design 3.2)."""

import itertools

import pytest

from bridge.coverage import MAX_SLICE_FACTOR, PointCoverage
from bridge.ranges import cut_around
from bridge.rules import Mark, Purpose, Read
from tests.unit.bridge.answering import forward, heard, reread
from tests.unit.bridge.world import HOUR, RULES, SECOND, at, covered, hour, page, times

SETTLE = RULES.settle


# -- blind intervals


def test_a_blind_interval_marks_its_hours_and_the_margin_before_it() -> None:
    point = covered("03:00", "09:30")
    point.blinded(at("08:15"), at("09:20"), at("09:20"), "lost", RULES.blind_margin)
    assert sorted(point.dirty) == [hour("06:00"), hour("07:00"), hour("08:00"), hour("09:00")]
    assert set(point.dirty.values()) == {Mark(at("09:20"), "lost")}


def test_a_blind_interval_marks_nothing_that_is_not_covered() -> None:
    point = covered("08:00", "09:30")
    point.blinded(at("08:15"), at("12:00"), at("12:00"), "lost", RULES.blind_margin)
    assert sorted(point.dirty) == [hour("08:00"), hour("09:00")]


def test_a_blind_interval_above_the_covered_range_is_owed_a_forward_read_and_nothing_else() -> None:
    point = PointCoverage("main:1", at("08:40"), at("08:40"), at("08:40"))
    point.blinded(at("08:45"), at("08:50"), at("08:50"), "lost", 2 * HOUR)
    assert not point.dirty  # nothing is covered there, so no read would ever clear a mark
    assert point.owes("lost")
    read = point.next_read(at("08:52"), RULES)
    assert read == Read(Purpose.BLIND, at("08:40"), None, "lost")
    heard(point, page(at("08:40")))
    point.forward_answered(read, page(at("08:40")), at("08:52"), at("08:52"), RULES)
    assert not point.owes("lost")


def test_trap_31_after_a_blind_interval_the_archive_is_read_from_the_covered_end_settle_later() -> None:
    point = covered("06:00", "09:00")
    point.blinded(at("09:05"), at("09:20"), at("09:20"), "lost", 0)
    assert point.next_read(at("09:22", -1), RULES) is None
    assert point.next_read(at("09:22"), RULES) == Read(Purpose.BLIND, at("09:00"), None, "lost")


def test_a_forward_read_sent_too_soon_after_a_blind_interval_leaves_its_hours_dirty_and_the_debt_open() -> None:
    point = covered("06:00", "09:00")
    point.blinded(at("09:05"), at("10:59"), at("10:59"), "lost", 0)
    assert not point.dirty
    forward(point, page(at("09:30"), at("10:57")), sent=at("11:00"))
    assert point.dirty == {hour(clock): Mark(at("10:59"), "lost") for clock in ("09:00", "10:00")}
    assert point.blind is not None
    assert point.owes("lost")


def test_a_debt_is_paid_by_the_forward_read_and_by_every_dirty_hour() -> None:
    point = covered("06:00", "09:00", start="00:00")
    point.blinded(at("08:30"), at("09:20"), at("09:20"), "lost", HOUR)
    read = point.next_read(at("09:22"), RULES)
    assert read is not None
    heard(point, page(at("09:10"), at("09:20")))
    point.forward_answered(read, page(at("09:10"), at("09:20")), at("09:22"), at("09:22"), RULES)
    assert point.owes("lost")
    for _ in range(2):
        dirty = point.next_read(at("09:23"), RULES)
        assert dirty is not None
        assert (dirty.purpose, dirty.cause) == (Purpose.DIRTY, "lost")
        reread(point, dirty, at("09:23"))
    assert not point.owes("lost")
    assert point.next_read(at("09:23"), RULES) == Read(Purpose.BACKFILL, at("00:00"), at("06:00"))


def test_a_cut_page_does_not_pay_a_blind_interval() -> None:
    point = covered("06:00", "09:00")
    point.blinded(at("09:05"), at("09:20"), at("09:20"), "lost", 0)
    forward(point, page(at("09:01"), at("09:02"), cut=True), sent=at("09:30"))
    assert point.next_read(at("09:30"), RULES) == Read(Purpose.BLIND, at("09:02"), None, "lost")


# -- first read and back-fill


def test_coverage_begins_at_the_last_full_hour_that_is_settled() -> None:
    point = PointCoverage("main:1", at("00:00"))
    assert point.next_read(at("10:01"), RULES) == Read(Purpose.FIRST, at("00:00"), None)
    point.first_answered(at("10:00:30"), None, at("09:58"), at("10:01"), RULES)
    assert (point.low, point.high) == (at("09:00"), at("09:00"))


def test_coverage_begins_not_above_the_snapshot() -> None:
    point = PointCoverage("main:1", at("00:00"))
    point.first_answered(at("03:20"), None, at("03:20"), at("10:30"), RULES)
    assert (point.low, point.high, point.start) == (at("03:20"), at("03:20"), at("00:00"))


def test_without_a_snapshot_coverage_begins_at_the_hour() -> None:
    point = PointCoverage("main:1", at("00:00"))
    point.first_answered(None, None, at("10:20"), at("10:30"), RULES)
    assert (point.low, point.high, point.start) == (at("10:00"), at("10:00"), at("00:00"))


def test_coverage_begins_not_above_the_newest_settled_event() -> None:
    point = PointCoverage("main:1", at("00:00"))
    point.first_answered(at("10:29:50"), None, at("04:40"), at("10:30"), RULES)  # 09:10 may be on its way from the snapshot
    assert (point.low, point.high) == (at("04:40"), at("04:40"))


def test_without_any_event_coverage_begins_at_the_start() -> None:
    point = PointCoverage("main:1", at("00:00"))
    point.first_answered(None, None, None, at("10:30"), RULES)
    assert (point.low, point.high) == (at("00:00"), at("00:00"))


def test_trap_30_what_came_before_a_channel_was_opened_is_read_again_although_the_first_read_came_later() -> None:
    point = PointCoverage("main:1", at("00:00"))
    point.blinded(at("10:20"), at("10:29"), at("10:29"), "takeover", 2 * HOUR)
    point.first_answered(at("10:29"), None, at("10:27"), at("10:30"), RULES)
    assert point.dirty == {hour(h): Mark(at("10:29"), "takeover") for h in ("08:00", "09:00")}


def test_the_event_before_the_start_is_filled_too() -> None:
    point = PointCoverage("main:1", at("06:00"))
    point.first_answered(at("10:29"), at("02:10"), at("10:27"), at("10:30"), RULES)
    assert point.start == at("02:10")
    forward(point, page(at("10:29")), at("10:30"))
    assert point.next_read(at("10:30"), RULES) == Read(Purpose.BACKFILL, at("02:10"), at("10:00"))


def test_the_first_look_keeps_an_event_that_vouches_for_the_archive() -> None:
    found = []
    for before, settled in ((at("02:10"), at("10:27")), (None, at("10:27")), (None, None)):
        point = PointCoverage("main:1", at("06:00"))
        point.first_answered(at("10:29"), before, settled, at("10:30"), RULES)
        found.append(point.first_event)
    assert found == [at("02:10"), at("10:27"), None]


def test_a_point_whose_only_event_lies_before_the_start_has_nothing_to_fill() -> None:
    point = PointCoverage("main:1", at("06:00"))
    point.first_answered(at("02:10"), at("02:10"), at("02:10"), at("10:30"), RULES)
    assert point.low == point.high == point.start == at("02:10")
    forward(point, page(at("02:10")), at("10:30"))
    assert point.next_read(at("10:31"), RULES) is None


def test_a_start_above_the_anchor_does_not_leave_low_below_it() -> None:
    point = PointCoverage("main:1", at("12:00"))
    point.first_answered(None, None, None, at("10:30"), RULES)
    assert point.start == point.low == at("10:00")


def test_back_fill_slices_join_without_a_gap_down_to_the_start() -> None:
    point = PointCoverage("main:1", at("00:00") - 1000 * 24 * HOUR, at("00:00"), at("10:00"), as_of=at("10:02"))
    reads = []
    while (read := point.next_read(at("10:03"), RULES)) is not None:
        assert read.purpose is Purpose.BACKFILL
        reads.append((read.begin, read.end))
        reread(point, read, at("10:03"))
        assert len(reads) < 100
    assert reads[0][1] == at("00:00")
    assert all(later == (later[0], earlier[0]) for earlier, later in itertools.pairwise(reads))
    assert reads[-1][0] == point.start == point.low


def test_slices_grow_where_there_is_little_and_shrink_where_there_is_much() -> None:
    point = PointCoverage("main:1", at("00:00") - 10_000 * 24 * HOUR, at("00:00"), at("10:00"), as_of=at("10:02"))

    def slice_with(events: int) -> int:
        read = point.next_read(at("10:03"), RULES)
        assert read is not None
        assert read.end is not None
        point.reread_answered(read, [(read.begin, read.end, page(*[read.begin] * events))], at("10:03"), RULES, 100)
        return (read.end - read.begin) // RULES.slice

    assert [slice_with(0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 64, 64]
    assert MAX_SLICE_FACTOR == 64
    assert [slice_with(events) for events in (101, 101, 50, 25, 24, 0)] == [64, 32, 16, 16, 16, 32]


def test_a_back_fill_slice_clears_the_marks_inside_it_only_if_it_was_sent_late_enough() -> None:
    point = covered("06:00", "09:00", start="00:00")
    point.preview(at("03:30"), at("09:10"))
    assert point.next_read(at("09:20"), RULES) == Read(Purpose.BACKFILL, at("00:00"), at("06:00"))
    reread(point, Read(Purpose.BACKFILL, at("00:00"), at("06:00")), at("09:11"))
    assert point.next_read(at("09:12"), RULES) == Read(Purpose.DIRTY, at("03:00"), at("04:00"))


# -- when


def test_a_point_is_read_after_enough_previews_but_not_more_often_than_the_least_interval() -> None:
    point = covered("06:00", "09:00", as_of="09:02")
    for second in range(RULES.seal_previews):
        assert point.next_read(at("09:30"), RULES) is None
        point.preview(at("09:03", second * SECOND), at("09:03", second * SECOND))
    assert point.next_read(at("09:07", -1), RULES) is None
    assert point.next_read(at("09:07"), RULES) == Read(Purpose.FORWARD, at("09:00"), None)


def test_a_single_preview_is_covered_after_the_longest_interval() -> None:
    point = covered("06:00", "09:00", as_of="09:02")
    point.preview(at("09:03"), at("09:03"))
    assert point.next_read(at("10:02", -1), RULES) is None
    assert point.next_read(at("10:02"), RULES) == Read(Purpose.FORWARD, at("09:00"), None)


def test_a_quiet_point_is_read_after_the_quiet_interval() -> None:
    point = covered("06:00", "09:00", as_of="09:02")
    assert point.next_read(at("15:02", -1), RULES) is None
    assert point.next_read(at("15:02"), RULES) == Read(Purpose.FORWARD, at("09:00"), None)


def test_the_snapshot_itself_does_not_count_as_a_preview_to_be_covered() -> None:
    point = covered("06:00", "09:00", as_of="09:02")
    point.preview(at("09:30"), at("09:30"))
    forward(point, page(at("09:10"), at("09:30")), sent=at("10:02"))
    assert point.high == at("09:30")
    assert point.next_read(at("12:00"), RULES) is None


def test_previews_above_the_new_end_are_still_to_be_covered() -> None:
    point = covered("06:00", "09:00", as_of="09:02")
    point.preview(at("10:01"), at("10:01"))
    forward(point, page(at("09:10"), at("10:01")), sent=at("10:02"))
    assert point.high == at("09:10")
    assert point.next_read(at("11:02"), RULES) == Read(Purpose.FORWARD, at("09:10"), None)


def test_nothing_is_asked_while_a_read_is_in_flight() -> None:
    point = covered("06:00", "09:00")
    read = point.next_read(at("20:00"), RULES)
    assert read is not None
    point.sent(read)
    point.preview(at("07:00"), at("20:00"))
    point.blinded(at("19:00"), at("20:00"), at("20:00"), None, HOUR)
    assert point.next_read(at("23:00"), RULES) is None
    point.done()
    assert point.next_read(at("23:00"), RULES) is not None


def test_urgency_is_first_blind_forward_dirty_start_backfill() -> None:
    point = covered("06:00", "09:00", start="00:00")
    point.preview(at("07:00"), at("09:03"))
    point.preview(at("09:03"), at("09:03"))
    point.blinded(at("09:03"), at("09:04"), at("09:04"), "lost", 0)
    answers = {Purpose.BLIND: page(at("09:10"), cut=False), Purpose.FORWARD: page(at("10:10"))}
    purposes, now = [], at("10:10")
    while (read := point.next_read(now, RULES)) is not None:
        purposes.append(read.purpose)
        if read.end is None:
            forward(point, answers[read.purpose], now)
        else:
            reread(point, read, now)
        if purposes == [Purpose.BLIND]:
            point.preview(now, now)
            now += HOUR
    assert purposes == [Purpose.BLIND, Purpose.FORWARD, Purpose.DIRTY, Purpose.BACKFILL]
    assert [purpose.value for purpose in Purpose] == list(range(len(Purpose)))


def test_trap_8_failures_back_off_up_to_a_limit_and_a_success_ends_that() -> None:
    point = covered("06:00", "09:00")
    now, pauses = at("20:00"), []
    read = Read(Purpose.FORWARD, at("09:00"), None)
    for _ in range(40):
        point.failed(read, now, RULES)
        due = next(s for s in range(1, 10_000) if point.next_read(now + s * SECOND, RULES) is not None)
        assert point.next_read(now + due * SECOND - 1, RULES) is None
        pauses.append(due)
        now += due * SECOND
    assert pauses[:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert set(pauses[9:]) == {300}
    forward(point, page(at("09:10")), now)
    point.preview(at("20:30"), now)
    point.failed(read, now + HOUR, RULES)
    assert point.next_read(now + HOUR + SECOND, RULES) is not None


def test_old_data_that_cannot_be_read_does_not_hold_up_the_newest() -> None:
    point = covered("06:00", "09:00", start="00:00")
    now = at("20:00")
    for _ in range(12):
        point.failed(Read(Purpose.BACKFILL, at("00:00"), at("06:00")), now, RULES)
    found = point.next_read(now + SECOND, RULES)
    assert found is not None
    assert found.purpose is Purpose.FORWARD
    forward(point, page(at("09:10")), now)
    assert point.next_read(now + SECOND, RULES) is None, "back-fill waits"


def test_an_incident_whose_debts_a_later_one_took_over_is_named() -> None:
    point = covered("06:00", "09:00")
    assert point.blinded(at("08:10"), at("08:20"), at("08:20"), "first", 0) == set()
    assert point.blinded(at("08:30"), at("08:40"), at("08:40"), "second", 0) == {"first"}
    assert point.owes("second")
    assert not point.owes("first")


def test_a_failed_read_covers_nothing() -> None:
    point = covered("06:00", "09:00")
    read = point.next_read(at("20:00"), RULES)
    assert read is not None
    point.sent(read)
    point.failed(read, at("20:00"), RULES)
    point.done()
    assert (point.low, point.high) == (at("06:00"), at("09:00"))
    assert point.next_read(at("20:01"), RULES) == read


# -- holes


def test_a_range_without_holes_is_stated_whole() -> None:
    assert times(cut_around(10, 20, page(10, 15, 19))) == [(10, 20, [10, 15, 19])]


def test_a_hole_takes_its_instant_and_no_more() -> None:
    assert times(cut_around(10, 20, page(10, 14, 16, unreadable=[15]))) == [(10, 15, [10, 14]), (16, 20, [16])]


def test_a_readable_value_at_the_instant_of_a_hole_is_not_stated() -> None:
    assert times(cut_around(10, 20, page(15, 16, unreadable=[15]))) == [(10, 15, []), (16, 20, [16])]


@pytest.mark.parametrize(
    ("holes", "expected"),
    [
        ([10], [(11, 20)]),
        ([19], [(10, 19)]),
        ([15, 15, 14], [(10, 14), (16, 20)]),
        ([9, 20, 21], [(10, 20)]),
        (list(range(10, 20)), []),
    ],
)
def test_holes_at_the_ends_side_by_side_and_outside(holes: list[int], expected: list[tuple[int, int]]) -> None:
    assert [(r.begin, r.end) for r in cut_around(10, 20, page(unreadable=holes))] == expected


def test_an_unreadable_newest_item_ends_a_forward_read_like_any_newest_item() -> None:
    point = covered("06:00", "09:00")
    assert times(forward(point, page(at("09:10"), unreadable=[at("09:30")]), at("10:00"))) == [(at("09:00"), at("09:30"), [at("09:10")])]
