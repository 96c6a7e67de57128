from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from simulator import server
from simulator.journal import Journal
from simulator.settings import Settings
from tests.simulator.world import Hand, Sim, StartSimulator


@pytest.fixture
async def start_simulator() -> AsyncIterator[StartSimulator]:
    """Starts simulators with the settings given; their own tick is a minute, so that the test ticks.

    `journaled` keeps a journal in memory.
    """
    open_sims: list[Sim] = []

    async def start(*, journaled: bool = False, **settings: Any) -> Sim:
        clock = Hand()
        journal = Journal(clock) if journaled else None
        wanted = Settings(**({"points": 200, "rate_per_second": 50.0, "tick_seconds": 60.0} | settings))
        running = await server.start(wanted, clock, journal)
        sim = Sim(running, clock, aiohttp.ClientSession())
        open_sims.append(sim)
        return sim

    yield start
    for sim in open_sims:
        await sim.session.close()
        await sim.running.stop()


@pytest.fixture
async def sim(start_simulator: StartSimulator) -> Sim:
    return await start_simulator()


@pytest.fixture
async def still(start_simulator: StartSimulator) -> Sim:
    """Live points whose load is off, so that only the test writes."""
    sim = await start_simulator()
    sim.running.load.stop()
    return sim
