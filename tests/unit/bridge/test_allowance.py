"""A share of PI's load."""

from bridge.allowance import Allowance


def test_what_may_be_sent_grows_with_time_up_to_a_limit() -> None:
    allowance = Allowance(2.0, 10)
    allowance.left(100.0)
    allowance.take(1)
    assert [allowance.left(seconds) for seconds in (100.0, 100.5, 102.0, 500.0)] == [0, 1, 4, 10]


def test_what_was_taken_beyond_it_is_waited_for() -> None:
    allowance = Allowance(2.0, 10)
    allowance.left(100.0)
    allowance.take(5)
    assert [allowance.left(seconds) >= 1 for seconds in (101.0, 102.0, 102.5)] == [False, False, True]


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    allowance = Allowance(2.0, 10)
    allowance.left(100.0)
    assert allowance.left(50.0) == 1
