"""When a data server's event queue counts as stuck, what that holds back, and what is read again when it moves."""

from bridge.event_queue import EventQueue
from bridge.rules import Purpose, Read
from tests.unit.bridge.answering import forward
from tests.unit.bridge.world import HOUR, RULES, SECOND, at, covered, hour, incarnation, moment, page, point, sample, times

SETTLE = RULES.settle


def queue(begin: str = "09:00") -> EventQueue:
    return EventQueue(quiet=6 * HOUR, stuck_previews=3, now=at(begin))


def look(
    looked_at: EventQueue, sent: str, *instants: str, heard: tuple[str, ...] = (), before: str = "09:00", in_one_go: bool = True
) -> bool:
    """A forward page with these items, after previews that were heard at their times; True if that changed the judgement.

    `in_one_go`: the first item of the page was heard too, and nothing came unheard since.
    """
    for instant in heard:
        looked_at.preview(at(instant))
    told = [(at(instant), at(instant)) for instant in heard]
    told = [(at(instants[0]), 0), *told] if in_one_go else told
    looked_at.page(page(*map(at, instants)), told, at(before), at(sent) - SETTLE)
    return looked_at.judge(at(sent))


def test_previews_without_a_trace_in_the_archive_mean_that_it_is_stuck() -> None:
    stuck = queue()
    assert not look(stuck, "09:10", "08:59", "09:03", heard=("09:03",))  # what it displaced is there
    assert stuck.archived_until == at("09:03")
    assert not look(stuck, "09:20", "09:12", heard=("09:11", "09:12"), before="09:08")
    assert look(stuck, "09:30", "09:25", heard=("09:25",), before="09:18")
    assert stuck.stuck


def test_previews_younger_than_settle_say_nothing_yet() -> None:
    assert not look(queue(), "09:10", "08:59", heard=("09:08:01", "09:08:30", "09:09", "09:09:30"))


def test_an_archived_event_proves_that_all_is_archived_that_came_before_the_value_after_it() -> None:
    proved = queue()
    look(proved, "09:20", "09:05", "09:10", heard=("09:05", "09:07", "09:10"))
    assert proved.archived_until == at("09:07")


def test_events_at_one_instant_prove_nothing_for_the_newest_of_them_may_be_on_its_way() -> None:
    unproved = queue()
    look(unproved, "09:20", "09:02", "09:02", "09:10", heard=("09:10",))
    assert unproved.archived_until == at("09:00")


def test_an_archived_event_proves_nothing_if_something_may_have_come_unheard_after_it() -> None:
    unproved = queue()
    look(unproved, "09:20", "08:50", "09:10", heard=("09:10",), in_one_go=False)
    assert unproved.archived_until == at("09:00")
    look(unproved, "09:20", "08:50", "09:05", "09:10", heard=("09:05", "09:10"), in_one_go=False)
    assert unproved.archived_until == at("09:10")


def test_a_preview_before_which_something_may_have_come_unheard_is_none_without_a_trace() -> None:
    for in_one_go in (True, False):
        looked_at = queue()
        look(looked_at, "09:20", "08:50", heard=("09:02", "09:03", "09:04"), in_one_go=in_one_go)
        assert looked_at.stuck is in_one_go


def test_a_snapshot_alone_proves_nothing() -> None:
    unproved = queue()
    look(unproved, "09:20", "09:10", heard=("09:05", "09:10"))
    assert unproved.archived_until == at("09:00")


def test_one_server_whose_archive_moves_is_well_although_a_point_of_it_is_discarded_by_compression() -> None:
    well = queue()
    assert not look(well, "09:20", "09:17", heard=("09:11", "09:12"), before="09:01")
    assert not look(well, "09:20", "09:12", "09:17", heard=("09:12", "09:17"), before="09:01")
    assert not look(well, "09:25", "09:22", heard=("09:21", "09:22"), before="09:18")
    assert not well.stuck


def test_it_is_well_again_when_the_archive_has_caught_up() -> None:
    stuck = queue()
    assert look(stuck, "09:10", "08:59", heard=("09:02", "09:03", "09:04", "09:05"), before="09:00")
    assert not look(stuck, "09:11", "08:59", "09:02", "09:05", heard=("09:03",))
    assert look(stuck, "09:12", "09:04", "09:05", heard=("09:05",))
    assert not stuck.stuck


def test_a_server_of_which_nothing_comes_any_more_is_not_stuck_for_ever() -> None:
    stuck = queue()
    look(stuck, "09:10", "08:59", heard=("09:02", "09:03", "09:04"))
    assert not stuck.judge(at("15:04"))
    assert stuck.judge(at("15:05"))


def test_the_next_owner_takes_it_for_stuck_until_the_archive_moves() -> None:
    inherited = EventQueue(quiet=6 * HOUR, stuck_previews=3, now=at("10:00"), archived_until=at("09:00"), stuck=True)
    assert not inherited.judge(at("10:30"))
    assert inherited.stuck
    assert look(inherited, "10:40", "10:20", "10:30", heard=("10:30",))
    assert not inherited.stuck


def test_while_it_is_stuck_a_page_that_ends_before_what_was_heard_is_not_enough() -> None:
    inherited = EventQueue(quiet=6 * HOUR, stuck_previews=3, now=at("10:00"), archived_until=at("09:00"), stuck=True)
    heard = [(at("10:10"), at("10:10")), (at("10:20"), at("10:20"))]
    before, after = (page(*map(at, instants), cut=True) for instants in (("09:05", "09:10"), ("09:05", "10:10", "10:20")))
    assert inherited.wants_more(before, heard)
    assert not inherited.wants_more(before, [])
    assert not inherited.wants_more(before._replace(cut=False), heard)
    assert not inherited.wants_more(after, heard)
    inherited.page(after, heard, at("09:00"), at("10:25"))
    assert inherited.judge(at("10:26"))
    assert not inherited.wants_more(before, heard)


# -- what it holds back


def test_the_end_stays_below_what_came_after_the_archive_stopped() -> None:
    held = covered("08:00", "09:00")
    held.archived_until = at("09:15")
    held.preview(at("09:20"), at("09:20"))
    assert times(forward(held, page(at("09:10"), at("09:30")), sent=at("12:00"))) == [(at("09:00"), at("09:10"), [])]


def test_hours_that_were_marked_since_are_neither_read_nor_cleared_while_it_is_stuck() -> None:
    held = covered("06:00", "09:00")
    held.mark(hour("07:00"), at("09:10"), None)
    held.archived_until = at("09:05")
    assert held.next_read(at("09:30"), RULES) is None
    held.reread_answered(Read(Purpose.DIRTY, at("07:00"), at("08:00")), [(at("07:00"), at("08:00"), page())], at("09:30"), RULES, 100)
    assert hour("07:00") in held.dirty
    held.archived_until = None
    assert held.next_read(at("09:30"), RULES) is not None


def test_a_debt_to_an_incident_is_not_paid_while_it_is_stuck() -> None:
    held = covered("06:00", "09:00")
    held.blinded(at("09:05"), at("09:20"), at("09:20"), "lost", 0)
    held.archived_until = at("09:10")
    assert held.next_read(at("09:30"), RULES) is None
    held.archived_until = at("09:20")
    read = held.next_read(at("09:30"), RULES)
    assert read is not None
    assert read.purpose is Purpose.BLIND


def test_an_incident_opens_for_all_points_of_the_server_and_closes_when_they_were_read_again() -> None:
    bridge = incarnation(1, 2)
    other = point(3, server="other", point_key="other:3")
    bridge.points["other:3"] = other
    for one in bridge.points.values():
        bridge.coverage[one.point_key] = covered("06:00", "09:00", as_of="09:59")
    looked_at = bridge.event_queues.of(bridge.points["main:1"], moment("10:00"))
    for n in range(101):
        bridge.previews([(bridge.points["main:1"], [sample(at("10:00", n * SECOND))])], "CHANNEL", moment("10:01"))
    looked_at.page(page(at("10:01")), bridge.coverage["main:1"].heard, at("09:59"), at("10:08"))
    bridge.event_queues.judge(at("10:10"), moment("10:10"))
    (opened,) = bridge.incidents.take_changed()
    assert (opened["kind"], opened["state"], opened["point_keys"]) == ("EVENT_QUEUE_STUCK", "OPENED", ["main:1", "main:2"])
    assert bridge.state.stuck_queues == {"main": at("10:00")}
    assert [bridge.coverage[key].archived_until for key in ("main:1", "main:2", "other:3")] == [at("10:00"), at("10:00"), None]

    looked_at.archived_until = at("10:20")
    bridge.event_queues.judge(at("10:30"), moment("10:30"))
    assert bridge.state.stuck_queues == {}
    assert bridge.coverage["main:2"].archived_until is None
    assert bridge.coverage["main:2"].owes(opened["incident_id"])
    assert hour("08:00") in bridge.coverage["main:2"].dirty
    assert bridge.incidents.take_changed()[0]["state"] == "REPAIRED"


def test_what_a_read_found_is_no_evidence_of_when_it_came() -> None:
    bridge = incarnation(1)
    bridge.coverage["main:1"] = covered("06:00", "09:00")
    bridge.previews([(bridge.points["main:1"], [sample(at("10:00"))])], "READ", moment("10:01"))
    bridge.previews([(bridge.points["main:1"], [sample(at("10:05"))])], "CHANNEL", moment("10:05"))
    assert bridge.coverage["main:1"].heard == [(at("10:05"), at("10:05"))]


def test_what_came_one_after_the_other_begins_with_the_item_at_the_covered_end_while_that_was_heard() -> None:
    told = covered("08:00", "09:00")
    told.preview(at("09:10"), at("09:10"))
    told.preview(at("09:20"), at("09:20"))
    forward(told, page(at("09:10"), at("09:20")), sent=at("10:00"))
    assert told.heard == [(at("09:20"), 0)]
    told.preview(at("10:05"), at("10:05"))
    assert told.heard == [(at("09:20"), 0), (at("10:05"), at("10:05"))]
    told.blinded(at("10:06"), at("10:10"), at("10:10"), None, 0)
    assert told.heard == []
    told.preview(at("10:12"), at("10:12"))
    assert told.heard == [(at("10:12"), at("10:12"))]


def test_what_a_read_found_came_unheard_and_ends_what_came_one_after_the_other() -> None:
    told = covered("08:00", "09:00")
    told.preview(at("09:10"), at("09:10"))
    told.preview(at("09:15"), at("09:16"), heard=False)
    told.preview(at("09:20"), at("09:20"))
    assert told.heard == [(at("09:20"), at("09:20"))]


def test_a_take_over_holds_the_points_of_a_stuck_server_from_the_first_moment() -> None:
    before = incarnation(1)
    before.state.stuck_queues = {"main": at("09:00")}
    heir = incarnation(1, left=[("shard", before.state.record())])
    assert heir.covering(heir.points["main:1"]).archived_until == at("09:00")
    assert heir.state.stuck_queues == {"main": at("09:00")}


def test_what_a_queue_held_before_a_take_over_is_read_again_although_it_was_noticed_after_it() -> None:
    before = incarnation(1)
    before.coverage["main:1"] = covered("06:00", "09:00", as_of="09:59")
    looked_at = before.event_queues.of(before.points["main:1"], moment("08:00"))
    look(looked_at, "09:10", "08:40", "08:50", heard=("08:50",))
    before.event_queues.judge(at("09:10"), moment("09:10"))
    assert before.state.stuck_queues == {}

    heir = incarnation(1, left=[("shard", before.state.record())])
    heir.coverage["main:1"] = covered("06:00", "10:00", as_of="09:59")
    inherited = heir.event_queues.of(heir.points["main:1"], moment("10:00"))
    assert (inherited.archived_until, inherited.stuck) == (at("08:50"), False)
    look(inherited, "10:40", "10:20", heard=tuple(f"10:{10 + n // 10}:{n % 10:02}" for n in range(100)))
    assert inherited.stuck
    inherited.archived_until = at("10:50")
    heir.event_queues.judge(at("11:00"), moment("11:00"))
    assert hour("08:00") in heir.coverage["main:1"].dirty
