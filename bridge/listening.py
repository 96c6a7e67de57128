"""A shard's channels as tasks: one for each ear that the core wants kept."""

import asyncio

from bridge.channel import Channel
from bridge.hearing import Ear, Hearing
from bridge.shard import World

_LOOK_SECONDS = 0.5
"""New points that appear within so long share channels."""


async def listen(world: World, hearing: Hearing) -> None:
    """Keeps the channels of a shard until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        refused = asyncio.Event()

        async def keep(ear: Ear) -> None:
            await Channel(world.pi, world.config.pi, ear, world.now).run()
            hearing.refused(ear, world.now())
            refused.set()

        while True:
            for ear in hearing.new_ears(world.now()):
                tasks.create_task(keep(ear))
            refused.clear()
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await refused.wait()
            except TimeoutError:
                pass
