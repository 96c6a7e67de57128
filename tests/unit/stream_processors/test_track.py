"""The line along a clock's floors: level, drift, steps, and what is neither."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_processors.track import MIN_PERIODS, MOST_PPM, Track


def track(*floors: float, period_seconds: int = 60) -> Track:
    made = Track(60, period_seconds)
    for period, floor in enumerate(floors):
        made.add(1000 + period, floor)
    return made


def test_a_line_is_believed_from_five_floors_on() -> None:
    assert not track(*[0.1] * (MIN_PERIODS - 1)).known
    assert track(*[0.1] * MIN_PERIODS).known


def test_the_level_is_the_least_floor_that_others_confirm() -> None:
    made = track(0.30, 0.11, 0.25, 0.10, 0.40, 0.12)
    assert made.level == 0.10


def test_one_period_whose_queue_never_emptied_does_not_move_the_line() -> None:
    made = track(*[0.1] * 20, 25.0, *[0.1] * 5)
    assert made.at(1026) == pytest.approx(0.1)
    assert (made.moves, made.waiting) == (0, [])


@pytest.mark.parametrize(("step", "needed"), [(-90.0, 2), (90.0, 4)])
def test_a_step_is_one_when_enough_periods_agree_on_it(step: float, needed: int) -> None:
    before = [0.1] * 20
    assert track(*before, *[0.1 + step] * (needed - 1)).moves == 0
    moved = track(*before, *[0.1 + step] * needed)
    assert moved.moves == 1
    assert [moved.level, moved.step] == pytest.approx([0.1 + step, step])


def test_a_queue_that_grows_is_restless_and_no_step() -> None:
    made = track(*[0.1] * 20, *(5.0 + 4 * n for n in range(12)))
    assert (made.moves, made.restless) == (0, True)
    made.add(1032, 0.1)
    assert not made.restless
    assert made.at(1033) == pytest.approx(0.1)


def test_a_line_is_not_drawn_on_through_a_long_silence_and_what_comes_after_it_is_no_step() -> None:
    made = track(*(20.0 - 0.003 * n + 0.0002 * (n % 3) for n in range(60)))
    assert made.slope < -0.002
    assert made.at(1059 + 3600) == made.at(1059 + 60) > 19.5
    for period in range(4):
        made.add(1059 + 3600 + period, 25.0)
    assert (made.moves, made.step) == (1, 0.0)


def test_the_first_line_has_made_no_step() -> None:
    assert track(*[90.0] * 20).step == 0.0
    assert track(0.1, 0.1, 0.1, *[90.0] * 4).step == 0.0


@pytest.mark.parametrize("ppm", [200.0, -200.0, 50.0, 1000.0])
def test_drift_is_found_within_its_error(ppm: float) -> None:
    chance = np.random.default_rng(1)
    made = track(*(0.1 + ppm * 60e-6 * n + float(chance.exponential(0.02)) for n in range(60)))
    drift = made.drift()
    assert drift is not None
    assert abs(drift[0] - ppm) < 4 * drift[1] < 40
    assert made.at(1059) == pytest.approx(0.1 + ppm * 60e-6 * 59, abs=0.05)


def test_drift_is_told_when_half_of_the_window_is_known() -> None:
    assert track(*[0.1] * 29).drift() is None
    assert track(*[0.1] * 30).drift() == pytest.approx((0.0, 0.0), abs=0.1)


def test_no_clock_drifts_by_more_than_clocks_can() -> None:
    assert track(*(0.25 * n for n in range(12))).slope == 0.0
    assert MOST_PPM < 0.25 / 60 * 1e6


def test_scatter_alone_has_no_slope() -> None:
    chance = np.random.default_rng(7)
    slopes = [track(*chance.exponential(2.0, 60).tolist()).slope for _ in range(20)]
    assert sum(slope == 0.0 for slope in slopes) >= 15


def test_the_window_forgets() -> None:
    made = track(*[0.1] * 200)
    assert len(made.floors) == 60


def test_a_step_off_a_short_line_is_none() -> None:
    assert track(*[0.1] * 19, *[90.0] * 6).step == 0.0
    assert track(*[0.1] * 20, *[90.0] * 6).step == pytest.approx(89.9)


def test_a_line_is_moved_whole() -> None:
    made = track(*(0.1 + 0.01 * n for n in range(30)))
    at = made.at(1040)
    made.rebase(5.0)
    assert made.at(1040) == pytest.approx(at + 5.0)
    made.add(1030, 5.4)
    assert made.moves == 0


@settings(max_examples=60)
@given(st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=120))
def test_any_floors_leave_a_finite_line_and_bounded_memory(floors: list[float]) -> None:
    made = track(*floors)
    assert np.isfinite([made.level, made.slope, made.scale, made.half_width(), made.tolerance()]).all()
    assert len(made.floors) <= 60
    assert len(made.waiting) <= 10
