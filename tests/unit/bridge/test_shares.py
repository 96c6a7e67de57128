"""One budget for all processes of a deployment: their parts add up, however many there are and whatever they own."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge import run
from bridge.budget import Budget, Part, part_of
from bridge.slots import Slots
from schemas.config import Load
from tests.unit.bridge.test_budget import Fixed
from tests.unit.bridge.world import config

SHARDS = 12
REPLICAS = [(0.0, [12]), (60.0, [4, 4, 4]), (120.0, [6, 6, 0]), (180.0, [5, 7, 0]), (240.0, [0, 12, 0])]
"""From when on how many shards each process owns."""


@pytest.mark.parametrize("load", [Load(), Load(requests_per_second=6.0, concurrency=12), Load(requests_per_second=0.5, concurrency=1)])
def test_parts_add_up_to_what_is_configured_but_for_one_request_of_each(load: Load) -> None:
    for _, owned in REPLICAS:
        parts = [part_of(load, shards, SHARDS) for shards in owned]
        idle = owned.count(0)
        assert sum(part.requests_per_second for part in parts) <= load.requests_per_second + idle * 0.2 + 1e-9
        working = sum(part.concurrency for part in parts if part.concurrency > 1)
        assert working <= load.concurrency
        assert all(part.concurrency >= 1 and part.requests_per_second > 0 for part in parts)
    assert part_of(load, SHARDS, SHARDS) == (load.requests_per_second, load.concurrency)


def sent_by(budgets: list[Budget], load: Load) -> list[float]:
    """Moments at which processes that ask as much as they may do so, while shards move from one to the other."""
    sent, changes, step = [], list(REPLICAS), 0.05
    for tick in range(int(300 / step)):
        now = tick * step
        if changes and now >= changes[0][0]:
            for budget, owned in zip(budgets, changes.pop(0)[1], strict=False):
                budget.share(part_of(load, owned, SHARDS).requests_per_second, now)
        for budget in budgets:
            while budget.pause_seconds(now) == 0:
                budget.sent(now)
                sent.append(now)
    return sent


def most_in(sent: list[float], seconds: float) -> int:
    """The largest number of requests in so many seconds."""
    most = begin = 0
    for end, at in enumerate(sent):
        while sent[begin] < at - seconds:
            begin += 1
        most = max(most, end - begin + 1)
    return most


@pytest.mark.parametrize("rate", [2.0, 20.0])
def test_however_shards_move_all_processes_together_keep_the_configured_rate(rate: float) -> None:
    load = Load(requests_per_second=rate)
    budgets = [Budget(rate, Fixed()) for _ in range(3)]
    for budget in budgets[1:]:
        budget.share(part_of(load, 0, SHARDS).requests_per_second, 0.0)
    sent = sent_by(budgets, load)
    for seconds in (1.0, 10.0, 60.0):
        spare = 3 + 2 * 0.2 * seconds  # one request of each, and what processes without shards may ask
        assert most_in(sent, seconds) <= rate * seconds + rate + spare
    assert len(sent) >= 0.95 * rate * 300, "and they use it"


def test_a_part_that_grows_hands_out_nothing_at_once() -> None:
    budget = Budget(20.0, Fixed())
    budget.share(1.0, 0.0)
    budget.share(20.0, 0.0)
    budget.sent(0.0)
    assert budget.pause_seconds(0.0) > 0


async def most_inside(slots: Slots, workers: int, seconds: float = 0.05) -> int:
    """How many are inside at once, at most."""
    inside = most = 0

    async def work() -> None:
        nonlocal inside, most
        for _ in range(3):
            async with slots:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(seconds / 10)
                inside -= 1

    await asyncio.gather(*(work() for _ in range(workers)))
    return most


async def test_slots_hold_however_often_their_number_changes() -> None:
    slots = Slots(4)
    for most in (4, 1, 3, 2, 6, 6, 1, 4):
        slots.resize(most)
        assert await most_inside(slots, 8) == most


async def test_fewer_slots_hold_as_soon_as_those_inside_have_left() -> None:
    slots = Slots(3)
    async with slots, slots:
        slots.resize(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), slots:
                pass
    assert await most_inside(slots, 4) == 1


async def test_who_gives_up_waiting_takes_no_slot_along() -> None:
    slots = Slots(2)
    async with slots, slots:
        slots.resize(1)
        waiting = [asyncio.create_task(slots.__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    slots.resize(2)
    assert await most_inside(slots, 5) == 2


async def test_a_bridge_takes_the_part_of_the_shards_that_it_owns(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Part] = []

    class Owned:
        """A shard that does nothing."""

        def __init__(self, *_: Any) -> None:
            self.tenure = SimpleNamespace(revoked=lambda: None, lost=lambda: None)

        async def keep(self) -> None:
            await asyncio.sleep(60)

        def stir(self) -> None: ...

    monkeypatch.setattr(run, "OwnedShard", Owned)
    world = SimpleNamespace(config=config(shards=4, drain_seconds=0.01), codec=None, pi=SimpleNamespace(share=taken.append))
    bridge = run.Bridge(cast(Any, world))
    for shard in (0, 1, 2):
        bridge.assigned(shard)
    await bridge.revoked(1)
    bridge.lost(2)
    assert [part.requests_per_second for part in taken] == [0.2, 5.0, 10.0, 15.0, 10.0, 5.0]
    assert [part.concurrency for part in taken] == [1, 1, 2, 3, 2, 1]
    for task in bridge._tasks.values():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
