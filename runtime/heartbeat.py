"""Tells that an event loop turns."""

import asyncio
import time
from collections.abc import Callable

BEAT_SECONDS = 0.5


async def beat(turned: Callable[[float], None], delayed: Callable[[float], None]) -> None:
    """Tells `turned` the monotonic time of each turn, and `delayed` by how many seconds it came late; until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        turned(time.monotonic())
        due = loop.time() + BEAT_SECONDS
        await asyncio.sleep(BEAT_SECONDS)
        delayed(max(0.0, loop.time() - due))
