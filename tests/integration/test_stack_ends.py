"""`python -m console.stack` ends with nothing left running, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

pytestmark = pytest.mark.integration

MARK = "PIBRIDGE_TEST_MARK"
END_SECONDS = 15.0


class Command:
    """`python -m console.stack`, in a terminal's place: all that it starts inherits a mark in its environment."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        self.mark = uuid4().hex
        self.errors_path = directory / "stderr"
        with self.errors_path.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "console.stack", "--dir", str(directory / "stack"), *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | environment | {MARK: self.mark},
            )

    def addresses(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors()
        return dict(json.loads(line))

    def errors(self) -> str:
        return self.errors_path.read_text()

    def processes(self) -> list[psutil.Process]:
        """All that bear the mark, this command's own process among them."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def wait_until_something_starts(self) -> None:
        deadline = time.monotonic() + 60
        while len(self.processes()) < 2:
            assert time.monotonic() < deadline, self.errors()
            time.sleep(0.02)

    def wait_until_nothing_is_left(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < deadline, f"still running: {left}"
            time.sleep(0.1)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        for process in self.processes():
            process.kill()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    started = Command(tmp_path)
    yield started
    started.close()


def test_kill_9_of_the_command_leaves_no_process(command: Command) -> None:
    processes = command.addresses()["process_ids"]
    assert {"kafka", "registry"} <= processes.keys()
    assert set(processes.values()) < {process.pid for process in command.processes()}
    command.process.kill()
    command.process.wait()
    command.wait_until_nothing_is_left(END_SECONDS)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_in_time_and_leaves_no_process(command: Command, number: int, code: int) -> None:
    command.addresses()
    began = time.monotonic()
    command.process.send_signal(number)
    assert command.process.wait(END_SECONDS) == code
    assert time.monotonic() - began < END_SECONDS
    command.wait_until_nothing_is_left(0.5)
    assert "Traceback" not in command.errors()


@pytest.mark.parametrize("seconds", [0.0, 0.7, 2.0, 4.0])
def test_ctrl_c_while_the_servers_start_leaves_no_process(command: Command, seconds: float) -> None:
    command.wait_until_something_starts()
    time.sleep(seconds)
    command.process.send_signal(signal.SIGINT)
    assert command.process.wait(END_SECONDS) == 130
    command.wait_until_nothing_is_left(0.5)
    assert "Traceback" not in command.errors()


def test_kill_9_while_the_servers_start_leaves_no_process(command: Command) -> None:
    command.wait_until_something_starts()
    command.process.kill()
    command.process.wait()
    command.wait_until_nothing_is_left(END_SECONDS)


def test_a_server_that_dies_ends_the_command_with_its_log(command: Command) -> None:
    os.kill(command.addresses()["process_ids"]["registry"], signal.SIGKILL)
    assert command.process.wait(END_SECONDS) == 3
    assert "The process registry ended by itself" in command.errors()
    command.wait_until_nothing_is_left(0.5)


def test_without_a_network_and_with_an_empty_cache_the_command_says_what_to_do(tmp_path: Path) -> None:
    settings = tmp_path / "ivysettings.xml"
    settings.write_text(
        '<ivysettings><settings defaultResolver="none"/><resolvers><filesystem name="none">'
        f'<artifact pattern="{tmp_path}/none/[artifact]-[revision].[ext]"/></filesystem></resolvers></ivysettings>'
    )
    command = Command(tmp_path, PIBRIDGE_CACHE=str(tmp_path / "cache"), PIBRIDGE_IVY_SETTINGS=str(settings))
    try:
        assert command.process.wait(60) == 3
        last = command.errors().splitlines()[-1]
        assert "could not be fetched" in last
        assert "Connect this machine to the network" in last
        command.wait_until_nothing_is_left(0.5)
    finally:
        command.close()
