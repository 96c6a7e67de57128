"""What is usual, learnt in one byte a bin."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors import delays


def histogram(*seconds: float) -> np.ndarray[Any, Any]:
    made = np.zeros((1, delays.BINS), np.uint8)
    for each in seconds:
        delays.learn(made, np.array([0]), np.array([round(each * 1e6)]))
    return made


@pytest.mark.parametrize(("seconds", "number"), [(-5, 0), (0, 0), (0.9, 0), (1, 1), (1.99, 1), (2, 2), (3600, 12), (1e9, delays.BINS - 1)])
def test_a_bin_ends_at_a_power_of_two_seconds(seconds: float, number: int) -> None:
    assert delays.bins_of(np.array([round(seconds * 1e6)]))[0] == number


def test_one_of_twenty_does_not_count_and_two_do() -> None:
    assert delays.usual(histogram(*[0.5] * 19, 3000.0)) == (np.array([4e6]), np.array([20]))
    assert delays.usual(histogram(*[0.5] * 18, 3000.0, 3000.0))[0] == 4 * 4096e6


@pytest.mark.parametrize(("seconds", "end"), [(0.5, 1), (10, 16), (32, 64), (300, 512)])
def test_what_always_takes_the_same_is_within_less_than_twice_of_it(seconds: float, end: float) -> None:
    made = histogram(*[seconds] * 20)
    assert delays.within(made) == (np.array([end * 1e6]), np.array([20]))
    assert delays.usual(made)[0] == 4 * end * 1e6


def test_memory_fades_by_halves_and_follows_what_is_usual_now() -> None:
    made = histogram(*[0.5] * 1000, *[100.0] * 200)
    assert delays.usual(made)[0] == 4 * 128e6
    assert made.sum() < 500


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=240))
def test_what_is_usual_is_no_less_than_what_95_in_100_do_not_exceed(seconds: list[float]) -> None:
    usual, count = delays.usual(histogram(*seconds))
    assert count[0] == len(seconds)
    assert (
        usual[0] / 4e6 >= np.quantile(seconds, 0.95, method="inverted_cdf") * (1 - 1e-6) or usual[0] == 4 * 2.0 ** (delays.BINS - 1) * 1e6
    )
