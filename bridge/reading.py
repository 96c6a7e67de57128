"""A shard's reads as a loop: sends what the core wants read, a batch at a time, and tells it what came."""

import asyncio

from bridge.errors import PIRefused, PITooLarge, PIUnavailable, PIUnreadable
from bridge.reads import Reads
from bridge.shard import World

_IDLE_SECONDS = 0.25


async def read(world: World, reads: Reads) -> None:
    """Reads until cancelled."""
    while True:
        asked = reads.next(world.now())
        if asked is None:
            await asyncio.sleep(_IDLE_SECONDS)
            continue
        try:
            answered = await world.pi.batch(asked.addresses)
        except PITooLarge as error:
            reads.too_large(asked, str(error), world.now())
        except (PIUnavailable, PIRefused, PIUnreadable) as error:
            reads.failed(asked, str(error), world.now())
        else:
            reads.answered(asked, answered.contents, world.now(), answered.seconds)
            for purpose, values in reads.take_values_read().items():
                world.monitoring.metrics.read(purpose, values)
