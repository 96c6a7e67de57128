"""Frames of two topics in one order, whichever comes first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire import WireError
from stream_processors import order as order_module
from stream_processors.assess import Dataset
from stream_processors.decode import Decoded
from stream_processors.order import Order, Waiting

LIVE: Dataset = "live"
RECORDED: Dataset = "recorded"


def waiting(dataset: Any, clock: int | None, came: float = 0.0) -> Waiting:
    frame: Any = {"clock": clock}
    samples: Any = None
    decoded = None if clock is None else Decoded(frame, samples)
    return Waiting(dataset, 0, decoded, None if decoded else WireError("garbage"), b"12345", (dataset, clock), came)


def ended(order: Order, *datasets: Any) -> None:
    for dataset in datasets:
        order.read_to_end(dataset, True, 0.0)


def given_out(order: Order, now: float) -> list[Any]:
    found = []
    while (one := order.next(now)) is not None:
        found.append(one.token)
    return found


def test_the_frame_that_was_made_first_goes_first_whatever_came_first() -> None:
    order = Order()
    for dataset, clock in ((RECORDED, 4), (LIVE, 1), (LIVE, 3), (RECORDED, 7), (LIVE, 9)):
        order.add(waiting(dataset, clock))
    assert given_out(order, 0.0) == [(LIVE, 1), (LIVE, 3), (RECORDED, 4), (RECORDED, 7)]
    assert len(order) == 1, "whether recorded has an earlier one than 9 is not known"


def test_an_order_without_clocks_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "_turn", lambda _: 0)
    with pytest.raises(AssertionError):
        test_the_frame_that_was_made_first_goes_first_whatever_came_first()


def test_a_topic_that_was_read_to_its_end_is_not_waited_for() -> None:
    order = Order()
    order.add(waiting(LIVE, 1, came=1.0))
    assert given_out(order, 2.0) == []
    ended(order, RECORDED)
    assert given_out(order, 2.0) == [(LIVE, 1)]


def test_what_was_fetched_together_is_waited_for() -> None:
    order = Order()
    ended(order, RECORDED)
    order.add(waiting(LIVE, 2, came=5.0))
    assert given_out(order, 5.01) == []
    order.add(waiting(RECORDED, 1, came=5.02))
    assert given_out(order, 5.03) == [(RECORDED, 1)]


def test_a_topic_that_had_a_frame_just_now_is_not_at_its_end_until_that_is_told_again() -> None:
    order = Order()
    ended(order, RECORDED, LIVE)
    order.add(waiting(RECORDED, 1))
    order.add(waiting(LIVE, 2))
    assert given_out(order, 1.0) == [(RECORDED, 1)]
    order.read_to_end(RECORDED, False, 1.0)
    assert given_out(order, 1.5) == []
    order.read_to_end(RECORDED, True, 2.0)
    assert given_out(order, 2.1) == [(LIVE, 2)]


def test_a_transaction_that_somebody_left_open_is_not_waited_for_for_ever() -> None:
    order = Order()
    order.add(waiting(LIVE, 1, came=10.0))
    assert given_out(order, 14.9) == []
    assert given_out(order, 15.0) == [(LIVE, 1)]


def test_garbage_has_its_turn_behind_the_frame_before_it() -> None:
    order = Order()
    for dataset, clock in ((LIVE, 5), (LIVE, None), (LIVE, 6), (RECORDED, 7)):
        order.add(waiting(dataset, clock))
    assert given_out(order, 0.0) == [(LIVE, 5), (LIVE, None), (LIVE, 6)]


def test_at_the_end_nothing_waits_and_nothing_is_on_its_way() -> None:
    order = Order()
    assert not order.at_end(9.0)
    ended(order, LIVE, RECORDED)
    assert order.at_end(9.0)
    order.add(waiting(LIVE, 1))
    assert not order.at_end(9.0)
    assert (order.oldest, order.waiting_bytes) == (0.0, 5)
    order.next(9.0)
    assert (order.oldest, order.waiting_bytes) == (None, 0)
    assert not order.at_end(9.0), "that it was read to its end is to be told again"


@given(st.lists(st.sampled_from([LIVE, RECORDED]), max_size=30), st.randoms(use_true_random=False))
def test_however_two_topics_are_told_their_frames_are_given_out_by_clock(made: list[str], chance: Any) -> None:
    topics: dict[Any, list[int]] = {dataset: [clock for clock, one in enumerate(made) if one == dataset] for dataset in (LIVE, RECORDED)}
    order, found, now = Order(), [], 0.0
    while any(topics.values()):
        dataset = chance.choice([name for name, clocks in topics.items() if clocks])
        order.add(waiting(dataset, topics[dataset].pop(0), now))
        for name, clocks in topics.items():
            order.read_to_end(name, not clocks, now)
        now += 0.1
        found += given_out(order, now)
    found += given_out(order, now + 1)
    assert [clock for _, clock in found] == list(range(len(made)))
