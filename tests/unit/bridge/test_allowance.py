"""A share of PI's load."""

import pytest

from bridge.allowance import Allowance


def test_what_may_be_sent_grows_with_time_up_to_one_request() -> None:
    allowance = Allowance(0.2)
    allowance.left(100.0)
    allowance.take(1)
    assert [allowance.left(seconds) for seconds in (100.0, 101.0, 102.0, 500.0)] == pytest.approx([0, 0.2, 0.4, 1])


def test_what_was_taken_beyond_it_is_waited_for() -> None:
    allowance = Allowance(0.2)
    allowance.left(100.0)
    allowance.take(1.6)
    assert [allowance.left(seconds) > 0 for seconds in (101.0, 102.0, 104.0)] == [False, False, True]


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    allowance = Allowance(0.2)
    allowance.left(100.0)
    assert allowance.left(50.0) == 1
