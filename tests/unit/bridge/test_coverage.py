"""How far a forward read reaches, what previews make dirty, and how that is read again (design 3.2)."""

import pytest

from bridge.coverage import PointCoverage
from bridge.ranges import Page
from bridge.rules import Mark, Purpose, Read
from tests.unit.bridge.answering import forward, reread
from tests.unit.bridge.world import RULES, SECOND, at, covered, hour, page, sample, times

SETTLE = RULES.settle


# -- how far a forward read reaches


def test_the_newest_item_is_left_out_and_the_next_read_starts_at_it() -> None:
    point = covered("08:00", "09:00")
    stated = forward(point, page(at("09:00"), at("09:10"), at("09:20")), sent=at("10:00"))
    assert times(stated) == [(at("09:00"), at("09:20"), [at("09:00"), at("09:10")])]
    assert point.high == at("09:20")
    read = point.next_read(at("16:00"), RULES)
    assert read == Read(Purpose.FORWARD, at("09:20"), None)


def test_trap_26_the_snapshot_at_the_end_of_an_answer_is_never_stated() -> None:
    point = covered("08:00", "09:00")
    for sent, newest in ((at("10:00"), at("09:30")), (at("10:30"), at("09:50"))):
        stated = forward(point, page(at("09:05"), newest), sent)
        assert all(newest not in instants for _, _, instants in times(stated))


def test_trap_25_the_end_is_the_newest_item_and_not_the_time_of_the_request() -> None:
    point = covered("08:00", "09:00")
    forward(point, page(at("09:01")), sent=at("12:00"))
    assert (point.high, point.as_of) == (at("09:01"), at("12:00"))


def test_nothing_younger_than_settle_is_stated() -> None:
    point = covered("08:00", "09:00")
    stated = forward(point, page(at("09:30"), at("09:58:30"), at("09:59:30")), sent=at("10:00"))
    assert times(stated) == [(at("09:00"), at("09:30"), [])]


def test_the_end_is_a_settled_item_for_the_event_before_a_new_snapshot_may_still_be_on_its_way_into_the_archive() -> None:
    point = covered("08:00", "09:00")
    first = forward(point, page(at("09:10"), at("09:59:30")), sent=at("10:00"))  # 09:40 was the snapshot until 09:59:30
    assert times(first) == [(at("09:00"), at("09:10"), [])]
    second = forward(point, page(at("09:10"), at("09:40"), at("09:59:30")), sent=at("10:05"))
    assert times(second) == [(at("09:10"), at("09:59:30"), [at("09:10"), at("09:40")])]


def test_a_quiet_point_keeps_its_end_while_as_of_moves_on() -> None:
    point = covered("08:00", "09:00")
    assert times(forward(point, page(at("09:00")), sent=at("15:00"))) == [(at("09:00"), at("09:00"), [])]
    assert (point.high, point.as_of) == (at("09:00"), at("15:00"))


def test_trap_29_an_empty_answer_moves_nothing_and_is_no_error() -> None:
    point = covered("08:00", "09:00")
    assert times(forward(point, page(), sent=at("15:00"))) == [(at("09:00"), at("09:00"), [])]
    assert (point.high, point.as_of) == (at("09:00"), at("15:00"))


def test_trap_48_a_future_value_cannot_push_the_end_beyond_pis_now() -> None:
    point = covered("08:00", "09:00")
    stated = forward(point, page(at("09:20"), at("09:30"), at("10:09")), sent=at("10:00"))
    assert times(stated) == [(at("09:00"), at("09:30"), [at("09:20")])]


def test_a_cut_page_ends_at_its_last_instant_and_more_is_read_at_once() -> None:
    point = covered("08:00", "09:00")
    stated = forward(point, page(at("09:10"), at("09:20"), cut=True), sent=at("12:00"))
    assert times(stated) == [(at("09:00"), at("09:20"), [at("09:10")])]
    assert point.as_of == at("09:02")
    assert point.next_read(at("12:00", SECOND), RULES) == Read(Purpose.FORWARD, at("09:20"), None)


def test_a_cut_page_that_reaches_into_the_unsettled_states_nothing_younger_than_settle() -> None:
    point = covered("08:00", "09:00")
    stated = forward(point, page(at("09:30"), at("09:59:58"), at("10:09"), cut=True), sent=at("10:00"))
    assert times(stated) == [(at("09:00"), at("09:30"), [])]
    assert point.as_of == at("10:00")
    assert point.next_read(at("10:00", SECOND), RULES) is None


def test_two_values_at_the_newest_instant_wait_together_and_are_stated_together() -> None:
    point = covered("08:00", "09:00")
    first = forward(point, Page([sample(at("09:10")), sample(at("09:20"), 1), sample(at("09:20"), 2, ordinal=1)], [], False), at("10:00"))
    assert [r.samples for r in first] == [[sample(at("09:10"))]]
    both = [sample(at("09:20"), 1), sample(at("09:20"), 2, ordinal=1)]
    second = forward(point, Page([*both, sample(at("09:40"))], [], False), at("11:00"))
    assert [(r.begin, r.end, r.samples) for r in second] == [(at("09:20"), at("09:40"), both)]


def test_the_end_never_moves_back() -> None:
    point = covered("08:00", "09:00")
    assert times(forward(point, page(at("09:30")), sent=at("09:01"))) == [(at("09:00"), at("09:00"), [])]
    assert point.high == at("09:00")


# -- previews and the hours they make dirty


def test_a_live_value_older_than_the_covered_end_marks_its_hour() -> None:
    point = covered("06:00", "09:00")
    assert point.preview(at("07:30"), at("09:10"))
    assert point.dirty == {hour("07:30"): Mark(at("09:10"), None)}


def test_a_live_value_at_the_covered_end_or_above_marks_nothing() -> None:
    point = covered("06:00", "09:00")
    assert not point.preview(at("09:00"), at("09:10"))
    assert not point.preview(at("09:05"), at("09:10"))
    assert not point.dirty


def test_a_live_value_below_the_start_marks_nothing() -> None:
    point = covered("06:00", "09:00", start="05:00")
    assert not point.preview(at("04:59"), at("09:10"))
    assert not point.dirty


def test_trap_38_an_edit_of_an_old_value_is_not_dropped_as_a_late_duplicate() -> None:
    point = covered("06:00", "09:00")
    assert point.preview(at("08:59:59"), at("09:10"))
    assert point.preview(at("08:59:59"), at("09:11"))
    assert point.dirty[hour("08:00")].marked == at("09:11")


def test_trap_34_an_older_value_does_not_become_the_newest_preview() -> None:
    point = covered("06:00", "09:00")
    point.preview(at("09:20"), at("09:20"))
    point.preview(at("09:10"), at("09:21"))
    assert point.snapshot == at("09:20")


def test_the_end_stays_below_a_preview_that_came_since_the_request_was_sent() -> None:
    point = covered("08:00", "09:00")
    read = Read(Purpose.FORWARD, at("09:00"), None)
    point.sent(read)
    assert not point.preview(at("09:15"), at("10:00:01"))  # not below the covered end: as yet
    assert not point.preview(at("09:59:59"), at("10:00:01"))
    stated = point.forward_answered(read, page(at("09:10"), at("09:30")), at("10:00"), at("10:00:02"), RULES)
    assert times(stated) == [(at("09:00"), at("09:10"), [])]
    assert not point.dirty


@pytest.mark.parametrize(("came", "end"), [("09:59:30", "09:10"), ("09:57:59", "09:50")])
def test_the_end_stays_below_a_preview_that_came_less_than_settle_before_the_request(came: str, end: str) -> None:
    """PI may still hold it in its event queue: the answer says nothing about it."""
    point = covered("08:00", "09:00")
    point.preview(at("09:15"), at(came))
    forward(point, page(at("09:10"), at("09:50")), sent=at("10:00"))
    assert point.high == at(end)


def test_the_end_stays_below_the_event_before_a_young_preview_for_that_may_be_on_its_way_into_the_archive() -> None:
    point = covered("08:00", "09:00")
    point.preview(at("09:20"), at("09:21"))
    point.preview(at("09:57:30"), at("09:58:30"))  # from here on 09:20 is no snapshot any more
    first = forward(point, page(at("09:10"), at("09:57:30")), sent=at("10:00"))
    assert times(first) == [(at("09:00"), at("09:10"), [])]
    second = forward(point, page(at("09:10"), at("09:20"), at("09:57:30")), sent=at("10:01"))
    assert times(second) == [(at("09:10"), at("09:57:30"), [at("09:10"), at("09:20")])]


def test_an_item_that_no_preview_told_of_may_have_come_just_now_and_waits_for_the_next_read() -> None:
    point = covered("08:00", "09:00")
    point.snapshot = at("09:20")
    read = Read(Purpose.FORWARD, at("09:00"), None)
    first = point.forward_answered(read, page(at("09:20"), at("09:40")), at("10:00"), at("10:00"), RULES)
    assert times(first) == [(at("09:00"), at("09:20"), [])]
    point.preview(at("09:40"), at("10:00"))  # as the read publishes it
    second = point.forward_answered(
        Read(Purpose.FORWARD, at("09:20"), None), page(at("09:20"), at("09:40")), at("10:05"), at("10:05"), RULES
    )
    assert times(second) == [(at("09:20"), at("09:40"), [at("09:20")])]


def test_a_page_of_two_instants_of_which_the_second_may_have_come_just_now_is_too_short() -> None:
    point = covered("08:00", "09:00")
    read = Read(Purpose.FORWARD, at("09:00"), None)
    assert point.too_short(read, page(at("09:00"), at("09:10"), cut=True), at("12:00"), RULES)
    assert not point.too_short(read, page(at("09:00"), at("09:10")), at("12:00"), RULES)
    assert not point.too_short(read, page(at("09:00"), at("09:10"), at("09:20"), cut=True), at("12:00"), RULES)
    point.preview(at("09:10"), at("11:59"))  # nor would a longer one say more until that has settled
    assert not point.too_short(read, page(at("09:00"), at("09:10"), cut=True), at("12:00"), RULES)


def test_a_cut_page_that_has_to_wait_is_read_again_after_a_pause_and_its_read_does_not_count_as_whole() -> None:
    point = covered("08:00", "09:00")
    point.preview(at("09:57:30"), at("09:58:30"))
    as_of = point.as_of
    forward(point, page(at("09:10"), at("09:57:30"), at("09:57:40"), cut=True), sent=at("10:00"))
    assert (point.high, point.as_of) == (at("09:10"), as_of)
    assert point.next_read(at("10:00"), RULES) is not None
    forward(point, page(at("09:10"), at("09:57:30"), at("09:57:40"), cut=True), sent=at("10:00"))
    assert (point.high, point.as_of) == (at("09:10"), as_of)
    assert point.next_read(at("10:00"), RULES) is None


def test_a_late_preview_at_the_very_end_is_remembered_until_the_read_that_states_it() -> None:
    point = covered("08:00", "09:00")
    point.preview(at("09:15"), at("09:59:50"))
    forward(point, page(at("09:10"), at("09:15"), cut=True), sent=at("10:00"))
    assert point.high == at("09:10")
    forward(point, page(at("09:10"), at("09:15"), at("09:40")), sent=at("10:02:10"))
    assert point.high == at("09:40")


def test_previews_before_the_first_read_that_lie_below_its_anchor_make_their_hours_dirty() -> None:
    point = PointCoverage("main:1", at("00:00"))
    point.preview(at("07:30"), at("10:29:59"))
    point.preview(at("10:29"), at("10:29:59"))
    point.first_answered(at("10:29"), None, at("10:27"), at("10:30"), RULES)
    assert point.dirty == {hour("07:30"): Mark(at("10:29:59"), None)}
    read = point.next_read(at("10:30"), RULES)
    assert read is not None
    assert read.purpose is Purpose.FORWARD
    forward(point, page(at("10:29")), at("10:30"))
    backfill = point.next_read(at("10:30:01"), RULES)
    assert backfill is not None
    assert backfill.purpose is Purpose.BACKFILL
    reread(point, backfill, at("10:30:01"))
    dirty = point.next_read(at("10:32"), RULES)
    assert dirty == Read(Purpose.DIRTY, at("07:00"), at("08:00"))


# -- dirty hours


def test_a_dirty_hour_is_read_settle_after_its_mark_and_not_before() -> None:
    point = covered("06:00", "09:00")
    point.preview(at("07:30"), at("09:10"))
    assert point.next_read(at("09:12", -1), RULES) is None
    assert point.next_read(at("09:12"), RULES) == Read(Purpose.DIRTY, at("07:00"), at("08:00"))


def test_a_dirty_hour_is_read_only_as_far_as_it_is_covered() -> None:
    point = covered("07:20", "07:50")
    point.preview(at("07:30"), at("07:51"))
    assert point.next_read(at("07:54"), RULES) == Read(Purpose.DIRTY, at("07:20"), at("07:50"))


def test_a_re_read_states_the_whole_requested_range_even_if_it_is_empty() -> None:
    point = covered("06:00", "09:00")
    point.preview(at("07:30"), at("09:10"))
    stated = reread(point, Read(Purpose.DIRTY, at("07:00"), at("08:00")), at("09:12"))
    assert times(stated) == [(at("07:00"), at("08:00"), [])]
    assert not point.dirty


def test_only_a_request_sent_settle_after_the_mark_clears_it() -> None:
    point = covered("06:00", "09:00")
    point.preview(at("07:30"), at("09:10"))
    read = Read(Purpose.DIRTY, at("07:00"), at("08:00"))
    reread(point, read, at("09:12", -1))
    assert point.dirty
    reread(point, read, at("09:12"))
    assert not point.dirty


def test_a_mark_renewed_while_the_read_is_in_flight_stays() -> None:
    point = covered("06:00", "09:00")
    point.preview(at("07:30"), at("09:10"))
    read = Read(Purpose.DIRTY, at("07:00"), at("08:00"))
    point.sent(read)
    assert point.preview(at("07:40"), at("09:12:01"))
    point.reread_answered(read, [(read.begin, at("08:00"), page())], at("09:12"), RULES, 1000)
    assert point.dirty == {hour("07:00"): Mark(at("09:12:01"), None)}


def test_an_older_mark_does_not_make_a_younger_one_older() -> None:
    point = covered("06:00", "09:00")
    point.mark(hour("07:00"), at("09:10"), None)
    point.mark(hour("07:00"), at("09:05"), "incident")
    assert point.dirty == {hour("07:00"): Mark(at("09:10"), "incident")}


def test_a_late_value_does_not_take_an_hour_from_the_incident_that_waits_for_it() -> None:
    point = covered("06:00", "09:00")
    point.mark(hour("07:00"), at("09:10"), "incident")
    point.preview(at("07:30"), at("09:11"))
    assert point.dirty == {hour("07:00"): Mark(at("09:11"), "incident")}
    assert point.owes("incident")


def test_a_re_read_clears_only_hours_that_it_holds_whole() -> None:
    point = covered("06:00", "09:00")
    for clock in ("07:00", "08:00"):
        point.mark(hour(clock), at("09:00"), None)
    reread(point, Read(Purpose.DIRTY, at("07:00"), at("08:30")), at("09:10"))
    assert list(point.dirty) == [hour("08:00")]


def test_a_hole_is_cut_out_of_a_re_read_and_the_pages_join() -> None:
    point = covered("06:00", "09:00")
    read = Read(Purpose.DIRTY, at("07:00"), at("08:00"))
    pages = [
        (at("07:00"), at("07:20"), page(at("07:10"), at("07:20"), cut=True)),
        (at("07:20"), at("08:00"), page(at("07:20"), unreadable=[at("07:40")])),
    ]
    first, second = point.reread_answered(read, pages, at("09:10"), RULES, 2)
    assert times(first) == [(at("07:00"), at("07:20"), [at("07:10")])]
    assert times(second) == [(at("07:20"), at("07:40"), [at("07:20")]), (at("07:40", 1), at("08:00"), [])]
