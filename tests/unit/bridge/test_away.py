"""Ranges whose archive was away, and how a point goes on without them."""

from bridge.away import Away, Aways
from bridge.coverage import PointCoverage
from bridge.rules import Purpose, Read
from tests.unit.bridge.answering import reread
from tests.unit.bridge.world import HOUR, RULES, at, covered, hour

DAY = 24 * HOUR


def refused(point: PointCoverage, read: Read, now: int, times: int) -> bool:
    """So many answers in a row that the archive of the read is away; True if the last one set it aside."""
    return [point.archive_away(read, now, RULES) for _ in range(times)][-1]


def test_neighbours_are_one_range() -> None:
    aways = Aways()
    aways = aways.add(10, 20, 5)
    aways = aways.add(30, 40, 6)
    aways = aways.add(20, 30, 7)
    assert aways.ranges == (Away(10, 40, 7),)


def test_what_was_answered_is_cut_out() -> None:
    aways = Aways((Away(10, 40, 7),))
    aways = aways.answered(20, 30)
    assert [away[:2] for away in aways.ranges] == [(10, 20), (30, 40)]
    aways = aways.answered(0, 50)
    assert aways.ranges == ()


def test_back_fill_passes_a_range_whose_archive_stays_away_and_the_ledger_says_nothing_of_it() -> None:
    point = covered("06:00", "09:00", start="00:00")
    read = Read(Purpose.BACKFILL, at("03:00"), at("06:00"))
    assert not refused(point, read, at("09:10"), RULES.away_failures - 1)
    assert point.low == at("06:00")
    assert refused(point, read, at("09:10"), 1)
    assert point.low == at("03:00")
    assert [away[:2] for away in point.aways.ranges] == [(at("03:00"), at("06:00"))]
    assert not point.sums.spans
    below = point.next_read(at("09:11"), RULES)
    assert below == Read(Purpose.BACKFILL, at("00:00"), at("03:00"))


def test_a_slice_that_fails_so_is_tried_as_a_short_one_first() -> None:
    point = covered("06:00", "09:00", start="00:00")
    point._slice_factor = 64
    refused(point, Read(Purpose.BACKFILL, at("03:00"), at("06:00")), at("09:10"), 1)
    assert point._slice_factor == 1


def test_a_range_beside_one_that_is_set_aside_is_set_aside_at_once() -> None:
    point = covered("06:00", "09:00", start="00:00")
    point.aways = point.aways.add(at("06:00"), at("07:00"), at("23:00"))
    assert refused(point, Read(Purpose.BACKFILL, at("03:00"), at("06:00")), at("09:10"), 1)


def test_it_is_asked_for_once_a_day_and_stated_when_it_answers() -> None:
    point = covered("00:00", "09:00")
    refused(point, Read(Purpose.AGED, at("03:00"), at("06:00")), at("09:10"), RULES.away_failures)
    assert point.next_read(at("09:11"), RULES) is None
    point.as_of = at("09:10") + DAY
    read = point.next_read(at("09:10") + DAY, RULES)
    assert read == Read(Purpose.AWAY, at("03:00"), at("06:00"))
    assert refused(point, read, at("09:10") + DAY, 1)
    assert point.next_read(at("09:11") + DAY, RULES) is None
    stated = reread(point, read, at("09:10") + 2 * DAY, at("04:00"))
    assert [(r.begin, r.end, len(r.samples)) for r in stated] == [(at("03:00"), at("06:00"), 1)]
    assert not point.aways.ranges


def test_a_dirty_hour_whose_archive_is_away_holds_up_no_other_and_its_incident_waits() -> None:
    point = covered("00:00", "09:00")
    point.mark(hour("07:00"), at("09:01"), "lost")
    point.mark(hour("03:00"), at("09:01"), None)
    newest = point.next_read(at("09:10"), RULES)
    assert newest == Read(Purpose.DIRTY, at("07:00"), at("08:00"), "lost")
    assert refused(point, newest, at("09:10"), RULES.away_failures)
    assert point.next_read(at("09:10"), RULES) == Read(Purpose.DIRTY, at("03:00"), at("04:00"))
    assert point.owes("lost")
    del point.dirty[hour("03:00")]
    point.as_of = at("09:10") + DAY
    again = point.next_read(at("09:10") + DAY, RULES)
    assert again == Read(Purpose.AWAY, at("07:00"), at("08:00"))
    reread(point, again, at("09:10") + DAY)
    assert not point.owes("lost")


def test_what_is_owed_to_an_incident_stays_owed_where_another_read_found_the_archive_away() -> None:
    point = covered("00:00", "09:00")
    point.mark(hour("05:00"), at("09:05"), "lost")
    assert refused(point, Read(Purpose.AGED, at("03:00"), at("06:00")), at("09:06"), RULES.away_failures)
    assert point.next_read(at("09:10"), RULES) is None
    assert point.owes("lost")


def test_a_forward_read_goes_on_trying() -> None:
    point = covered("00:00", "09:00")
    assert not refused(point, Read(Purpose.FORWARD, at("09:00"), None), at("20:00"), 20)
    assert point.high == at("09:00")
