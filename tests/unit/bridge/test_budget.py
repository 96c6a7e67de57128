import pytest

from bridge.budget import DENIED_PAUSE_SECONDS, Budget


def test_one_second_of_requests_may_go_at_once_and_the_rest_at_the_rate() -> None:
    budget, now, sent = Budget(20.0), 100.0, 0
    while now < 110.0:
        pause_seconds = budget.pause_seconds(now)
        if pause_seconds == 0:
            budget.sent(now)
            sent += 1
        now += pause_seconds
    assert sent == pytest.approx(20 + 200, abs=1)


def test_a_budget_of_less_than_one_request_a_second_lets_one_go_at_a_time() -> None:
    budget = Budget(0.1)
    budget.sent(0.0)
    assert budget.pause_seconds(0.0) == pytest.approx(10.0)
    assert budget.pause_seconds(10.0) == 0.0


@pytest.mark.parametrize(
    ("status", "wish", "pause"), [(429, 7.0, 7.0), (429, None, 1.0), (401, None, DENIED_PAUSE_SECONDS), (503, 9.0, 0.0)]
)
def test_pi_is_left_alone_when_it_asks_for_that(status: int, wish: float | None, pause: float) -> None:
    budget = Budget(20.0)
    budget.answered(status, wish, 50.0)
    assert budget.pause_seconds(50.0) == pause
    assert budget.pause_seconds(50.0 + pause) == 0.0
