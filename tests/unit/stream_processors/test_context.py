"""The reader of what is known beside frames: whatever goes wrong in it reaches whoever waits for it."""

import asyncio
from typing import Any

import pytest

from schemas.topics import POINTS
from stream_processors.context import Context
from tests.unit.stream_processors.test_worker import CONFIG


class Told:
    """Cannot use what it is told."""

    def point(self, number: int, point: Any) -> None:
        raise KeyError(f"shard {number}")


def test_an_error_of_whoever_is_told_is_not_lost_in_the_event_loop() -> None:
    told: Any = Told()

    async def tell() -> None:
        context = Context(CONFIG, told, told)
        context._take(0, [(POINTS, 3, {})], [])
        await asyncio.wait_for(context.failure, 1)

    with pytest.raises(KeyError, match="shard 3"):
        asyncio.run(tell())


def test_an_error_that_nobody_thought_of_ends_the_thread_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Context) -> None:
        raise ValueError("no such setting")

    monkeypatch.setattr(Context, "_reader", broken)
    told: Any = Told()

    async def read() -> None:
        context = Context(CONFIG, told, told)
        context.start()
        try:
            await asyncio.wait_for(context.failure, 5)
        finally:
            await context.stop()

    with pytest.raises(ValueError, match="no such setting"):
        asyncio.run(read())
