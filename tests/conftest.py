from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
import structlog

from console.stack import Stack, running

# What a shell starts in its background ignores Ctrl-C, and so does all that this starts, such as the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """What a test runs in this process may send logs to the test's own stderr, which nobody can write to later."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One local stack for the whole session, for tests marked `integration` or `spark`; its topics are the tests' to name."""
    with running(tmp_path_factory.mktemp("stack")) as started:
        yield started
