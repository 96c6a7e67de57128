from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator import server
from simulator.journal import Journal
from simulator.settings import Settings
from tests.simulator.transcripts.traps import COUNT, traps_in
from tests.simulator.world import Hand, Sim, StartSimulator

_SECTIONS = pytest.StashKey[dict[str, str]]()
_TRAPS = pytest.StashKey[set[int]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Notes which section each replayed exchange was written from, and which traps have tests named after them."""
    stash = session.config.stash
    stash[_SECTIONS], stash[_TRAPS] = {}, set()
    for item in session.items:
        if item.path.parent == Path(__file__).parent:
            stash[_TRAPS] |= traps_in(item.name)
            exchange = item.callspec.params.get("exchange") if hasattr(item, "callspec") else None
            if exchange is not None:
                stash[_SECTIONS][item.nodeid] = exchange.section


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line: how many exchanges were answered as recorded, of how many sections, and how many traps tests are named after."""
    sections, traps = config.stash.get(_SECTIONS, {}), config.stash.get(_TRAPS, set())
    passed = {report.nodeid for report in terminalreporter.getreports("passed")}
    held = [section for node, section in sections.items() if node in passed]
    if sections and passed:
        terminalreporter.write_line(
            f"simulator: {len(held)} of {len(sections)} exchanges answered as recorded, from {len(set(sections.values()))} sections of "
            f"pi-web-api.md; {len(traps)} of its {COUNT} traps have tests named after them"
        )


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
