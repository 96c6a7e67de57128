from pathlib import Path

import pytest

from tests.unit.bridge.traps import COUNT, NOT_OURS, traps_in

_TRAPS = pytest.StashKey[set[int]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Notes which traps have tests named after them."""
    here = Path(__file__).parent
    session.config.stash[_TRAPS] = {trap for item in session.items if item.path.parent == here for trap in traps_in(item.name)}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line: how many traps have tests of the bridge named after them."""
    if traps := config.stash.get(_TRAPS, set()):
        terminalreporter.write_line(
            f"bridge: {len(traps)} of the {COUNT} traps of pi-web-api.md have tests named after them; {len(NOT_OURS)} do not concern it yet"
        )
