import random

import pytest

from bridge.budget import DENIED_PAUSE_SECONDS, MAX_WISH_SECONDS, Budget, wish_seconds


class Fixed:
    """Chance that is always the same."""

    def __init__(self, number: float = 0.0) -> None:
        self._number = number

    def random(self) -> float:
        return self._number


def test_one_second_of_requests_may_go_at_once_and_the_rest_at_the_rate() -> None:
    budget, now, sent = Budget(20.0, Fixed()), 100.0, 0
    while now < 110.0:
        pause_seconds = budget.pause_seconds(now)
        if pause_seconds == 0:
            budget.sent(now)
            sent += 1
        now += pause_seconds
    assert sent == pytest.approx(20 + 200, abs=1)


def test_a_budget_of_less_than_one_request_a_second_lets_one_go_at_a_time() -> None:
    budget = Budget(0.1, Fixed())
    budget.sent(0.0)
    assert budget.pause_seconds(0.0) == pytest.approx(10.0)
    assert budget.pause_seconds(10.0) == 0.0


@pytest.mark.parametrize(
    ("status", "wish", "pause"),
    [
        (429, 7.0, 7.0),
        (503, 9.0, 9.0),
        (429, None, 1.0),
        (503, None, 1.0),
        (429, 0.0, 1.0),
        (429, 1e300, MAX_WISH_SECONDS),
        (401, None, DENIED_PAUSE_SECONDS),
        (500, 9.0, 0.0),
        (200, 9.0, 0.0),
    ],
)
def test_trap_8_pi_is_left_alone_when_it_asks_for_that(status: int, wish: float | None, pause: float) -> None:
    budget = Budget(20.0, Fixed())
    budget.answered(status, wish, 50.0)
    assert budget.pause_seconds(50.0) == pause
    assert budget.pause_seconds(50.0 + pause) == 0.0


def test_trap_8_those_who_were_sent_away_together_do_not_come_back_together_and_none_too_early() -> None:
    pauses = set()
    for seed in range(50):
        budget = Budget(20.0, random.Random(seed))
        budget.answered(429, 10.0, 0.0)
        pauses.add(budget.pause_seconds(0.0))
    assert len(pauses) == 50
    assert all(10.0 <= pause <= 15.0 for pause in pauses)


def test_trap_8_without_a_wish_the_pauses_double_up_to_a_limit_and_a_success_ends_that() -> None:
    budget, now, pauses = Budget(20.0, Fixed()), 0.0, []
    for _ in range(8):
        budget.answered(503, None, now)
        pauses.append(budget.pause_seconds(now))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    budget.answered(207, None, now)
    budget.answered(503, None, now)
    assert budget.pause_seconds(now) == 1


def test_trap_8_requests_that_were_on_their_way_together_are_one_reason_to_pause() -> None:
    budget = Budget(20.0, Fixed())
    for _ in range(4):
        budget.answered(429, None, 0.0)
    assert budget.pause_seconds(0.0) == 1.0
    budget.answered(429, None, 1.0)
    assert budget.pause_seconds(1.0) == 2.0


@pytest.mark.parametrize("later", [(429, None), (429, 1.0), (503, None), (401, None), (207, None)])
def test_trap_8_no_later_answer_shortens_a_pause_that_pi_asked_for(later: tuple[int, float | None]) -> None:
    budget = Budget(20.0, Fixed())
    budget.answered(429, 60.0, 0.0)
    budget.answered(*later, 1.0)
    assert budget.pause_seconds(1.0) == 59.0


DATE = "Mon, 01 Jan 2024 10:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("7", None, 7.0),
        ("0", None, 0.0),
        ("9" * 400, None, MAX_WISH_SECONDS),
        ("Mon, 01 Jan 2024 10:00:07 GMT", DATE, 7.0),
        ("Mon, 01 Jan 2024 09:00:00 GMT", DATE, 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", DATE, MAX_WISH_SECONDS),
        ("Mon, 01 Jan 2024 10:00:07 GMT", None, None),
        ("Mon, 01 Jan 2024 10:00:07 -0000", DATE, None),
        ("Mon, 99 Jan 2024 10:00:07 GMT", DATE, None),
        (None, DATE, None),
        ("", None, None),
        ("soon", DATE, None),
        ("-5", None, None),
        ("7, 9", None, None),
        ("٧", None, None),
        ("1.5", None, None),
    ],
)
def test_trap_8_a_wish_is_seconds_or_an_instant_on_the_servers_own_clock(
    header: str | None, date: str | None, seconds: float | None
) -> None:
    assert wish_seconds(header, date) == seconds
