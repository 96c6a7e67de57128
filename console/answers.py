"""Processes of ours that answer with one JSON object, the last line of stdout, and tell of their progress on stderr, which is passed on."""

import json
import signal
import subprocess
import sys
from typing import Any, NamedTuple


class NoAnswer(Exception):
    """A process ended without an answer; it has said why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"ended with exit code {exit_code}")
        self.exit_code = exit_code


class Answer(NamedTuple):
    """What a process answered."""

    result: dict[str, Any]
    exit_code: int


def answer_of(*module: str) -> Answer:
    """The answer of `python -m` with these words. Raises NoAnswer, KeyboardInterrupt once the process has ended by it."""
    code, output = run(*module)
    if not output:
        raise NoAnswer(code)
    return Answer(json.loads(output.splitlines()[-1]), code)


def run(*module: str) -> tuple[int, str]:
    """Exit code and output of `python -m` with these words. Raises KeyboardInterrupt once the process has ended by it."""
    command = [sys.executable, "-m", *module]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module, arguments apart
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child too, which decides
    try:
        output, _ = process.communicate()
    finally:
        signal.signal(signal.SIGINT, before)
        if process.poll() is None:  # told to end meanwhile
            process.terminate()
            process.wait()
    if process.returncode == 130:
        raise KeyboardInterrupt
    return process.returncode, output
