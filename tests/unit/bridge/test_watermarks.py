"""Which data is read once more at which age, and what remembers it."""

from bridge.watermarks import Due, Watermarks, ages_of
from tests.unit.bridge.world import HOUR, MINUTE, at

DAY = 24 * HOUR
AGES = ages_of((7200.0, 86_400.0, 604_800.0))


def test_data_is_read_in_whole_cells_that_grow_with_the_age() -> None:
    assert [(age.ticks, age.cell) for age in AGES] == [(2 * HOUR, HOUR), (DAY, 3 * HOUR), (7 * DAY, 21 * HOUR)]


def test_an_hour_is_due_when_it_is_two_hours_old() -> None:
    marks = Watermarks(AGES, at("08:00"))
    assert marks.due(at("06:00"), at("12:00"), at("09:00", -1), DAY, AGES) is None
    assert marks.due(at("06:00"), at("12:00"), at("09:00"), DAY, AGES) == Due(at("06:00"), at("07:00"), at("09:00"))


def test_what_was_older_than_an_age_when_the_point_was_first_seen_is_not_read_at_that_age() -> None:
    marks = Watermarks(AGES, at("08:00"))
    assert marks.due(at("00:00"), at("06:00"), at("08:00"), DAY, AGES) is None


def test_an_hour_is_read_once_at_an_age_and_again_at_the_next() -> None:
    marks = Watermarks(AGES, at("08:00"))
    marks.read(at("06:00"), at("07:00"), at("06:00"), at("09:00"), AGES)
    assert marks.due(at("06:00"), at("07:00"), at("09:00") + DAY - 3 * HOUR, DAY, AGES) is None
    due = marks.due(at("06:00"), at("07:00"), at("09:00") + DAY, DAY, AGES)
    assert due is not None
    assert (due.begin, due.end) == (at("06:00"), at("07:00"))


def test_many_hours_are_one_read_but_no_more_than_told_and_a_whole_cell_at_least() -> None:
    marks = Watermarks(AGES[:1], at("08:00"))
    for longest, end in ((DAY, "16:00"), (3 * HOUR, "09:00"), (10 * MINUTE, "07:00")):
        due = marks.due(at("06:00"), at("20:00"), at("18:00"), longest, AGES[:1])
        assert due is not None
        assert due.end == at(end)


def test_the_part_of_an_hour_that_is_covered_is_read_and_the_rest_when_it_is_covered_too() -> None:
    marks = Watermarks(AGES[:1], at("08:00"))
    due = marks.due(at("06:00"), at("06:20"), at("09:00"), DAY, AGES[:1])
    assert due is not None
    assert (due.begin, due.end) == (at("06:00"), at("06:20"))
    marks.read(due.begin, due.end, at("06:00"), at("09:00"), AGES[:1])
    assert marks.due(at("06:00"), at("06:20"), at("09:30"), DAY, AGES[:1]) is None
    due = marks.due(at("06:00"), at("08:00"), at("10:00"), DAY, AGES[:1])
    assert due is not None
    assert (due.begin, due.end) == (at("06:20"), at("08:00"))


def test_what_is_stated_for_the_first_time_when_it_is_old_is_not_read_again() -> None:
    marks = Watermarks(AGES, at("08:00"))
    marks.read(at("06:00"), at("07:00"), at("06:00"), at("09:00") + 8 * DAY, AGES)
    marks.read(at("07:00"), at("07:00") + 20 * DAY, at("06:00"), at("08:00") + 20 * DAY, AGES)  # a point that changed after 20 days
    assert marks.due(at("07:00"), at("07:00") + 20 * DAY, at("08:00") + 20 * DAY, 64 * DAY, AGES) is None


def test_the_longest_overdue_age_goes_first() -> None:
    marks = Watermarks(AGES, at("08:00"))
    due = marks.due(at("06:00"), at("23:00"), at("12:00") + DAY, DAY, AGES)
    assert due is not None
    assert due.since == at("09:00")


def test_watermarks_fall_from_age_to_age_whatever_was_restored() -> None:
    marks = Watermarks()
    marks.restore(AGES, {AGES[0].ticks: at("01:00"), AGES[1].ticks: at("03:00")}, at("10:00"))
    assert list(marks.marks) == [at("03:00"), at("03:00"), at("10:00") - 7 * DAY]


def test_cells_end_at_watermarks_and_there_is_none_below_the_last() -> None:
    marks = Watermarks()
    marks.restore(AGES, {AGES[0].ticks: at("07:20"), AGES[1].ticks: at("02:00"), AGES[2].ticks: at("01:00")}, 0)
    assert marks.cell(at("08:30"), AGES) == (at("08:00"), at("09:00"))
    assert marks.cell(at("07:30"), AGES) == (at("07:20"), at("08:00"))
    assert marks.cell(at("07:10"), AGES) == (at("06:00"), at("07:20"))
    assert marks.cell(at("00:59"), AGES) is None
