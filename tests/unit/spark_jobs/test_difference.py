import pytest

from spark_jobs.difference import Difference, Scope, joined_ranges


@pytest.mark.parametrize(
    ("ranges", "most", "joined"),
    [
        ([], 2, []),
        ([(5, 9), (0, 1)], 2, [(0, 1), (5, 9)]),
        ([(0, 5), (5, 6), (3, 4)], 2, [(0, 6)]),
        ([(0, 1), (3, 4), (9, 10)], 2, [(0, 4), (9, 10)]),
        ([(0, 1), (3, 4), (9, 10)], 1, [(0, 10)]),
    ],
)
def test_ranges_are_joined_where_they_touch_and_the_smallest_gaps_are_given_up(
    ranges: list[tuple[int, int]], most: int, joined: list[tuple[int, int]]
) -> None:
    assert joined_ranges(ranges, most) == joined


def test_a_scope_names_its_ranges_and_points_whatever_these_are_called() -> None:
    scope = Scope("event_time", [(0, 10), (20, 30)], ["it's", "b\\"])
    assert scope.condition("t.") == (
        "((t.`event_time` >= timestamp_micros(0) AND t.`event_time` < timestamp_micros(10)) OR "
        "(t.`event_time` >= timestamp_micros(20) AND t.`event_time` < timestamp_micros(30))) AND t.`point_key` IN ('it\\'s', 'b\\\\')"
    )
    assert scope.overlap("a", "b").startswith("((a < timestamp_micros(10) AND b >= timestamp_micros(0)) OR (")


def test_a_scope_of_nothing_holds_nothing_and_many_points_are_not_listed() -> None:
    assert Scope("event_time", [], []).condition() == "(false) AND `point_key` IN (NULL)"
    assert (
        Scope("event_time", [(0, 10)], None).condition()
        == "((`event_time` >= timestamp_micros(0) AND `event_time` < timestamp_micros(10)))"
    )


def test_a_difference_counts_what_was_written() -> None:
    assert Difference(1, 2, 3).total == 6


def test_a_scope_is_made_wider_and_whole_and_what_then_touches_is_joined() -> None:
    scope = Scope("hour", [(-5, 3), (12, 18), (31, 32)], ["a"])
    assert scope.wider(5) == Scope("hour", [(-10, 23), (26, 37)], ["a"])
    assert scope.in_whole(10).by("day") == Scope("day", [(-10, 20), (30, 40)], ["a"])
