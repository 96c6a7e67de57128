"""Where measures of a least delay agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors import consensus

delays = st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("measures", "floor"),
    [
        ([5.0], 5.0),
        ([1.0, 2.0, 9.0], 1.0),
        ([-300.0, 0.1, 0.2, 0.3], 0.1),
        ([-300.0, -299.9, 0.1, 0.2], -300.0),
        ([0.0, 1.0, 1.5, 2.0], 0.0),
        ([0.0, 1.1, 1.5, 2.0], 0.0),
        ([0.0, 2.0, 2.1, 2.2], 2.0),
    ],
)
def test_what_stands_alone_at_the_lower_end_is_passed_over(measures: list[float], floor: float) -> None:
    assert consensus.floor_of(measures) == floor


@given(delays)
def test_a_floor_is_one_of_the_lowest_measures(measures: list[float]) -> None:
    ordered = sorted(measures)
    assert consensus.floor_of(ordered) in ordered[: max(2, len(ordered) // 20 + 1)]


@given(delays, st.floats(-1e4, 1e4))
def test_a_floor_moves_with_the_clock(measures: list[float], by: float) -> None:
    measures = [round(measure, 3) for measure in measures]
    by = float(round(by))
    moved = consensus.floor_of(sorted(measure + by for measure in measures))
    assert abs(moved - consensus.floor_of(sorted(measures)) - by) < 1e-3 or len(measures) >= 4


@pytest.mark.parametrize(
    ("levels", "path"),
    [
        ([], None),
        ([-90.0, -2.0], None),
        ([0.05, 90.0], 0.05),
        ([0.05, 0.2, 90.0], 0.05),
        ([3.0, 30.1, 30.2, 30.3], 30.1),
        ([-90.0, 7.0], 7.0),
    ],
)
def test_the_common_path_is_the_least_that_two_agree_on(levels: list[float], path: float | None) -> None:
    assert consensus.common_path(levels, 1.0) == path


def test_two_peers_tell_nothing_of_how_ways_differ() -> None:
    assert consensus.spread([0.1, 0.1]) == float("inf")
    assert consensus.spread([0.1, -0.2, 0.1, 0.1, 90.0]) < 20
