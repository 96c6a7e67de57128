"""A live screen where there is a terminal, lines where there is none; whatever ends it, the terminal is as it was."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.screen import FLOWING, Rate, Stage, State
from console.telling import Lines, telling

ROOT = Path(__file__).parents[3]
TELLS = """
import sys, time
from console.screen import FLOWING, Rate, Stage, State
from console.telling import telling

with telling(time.monotonic()) as tell:
    tell("first preview in Kafka")
    tell.show(State(phase=FLOWING, share=0.5, stages=(Stage("processors", (Rate("late", 0.0, 7),)),), points=12))
    time.sleep(float(sys.argv[1]))
sys.stdout.write('{"result": "proved"}')
"""
SHOWN, HIDDEN = b"\x1b[?25h", b"\x1b[?25l"
"""The cursor."""


def begun(seconds: float, **environment: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process that tells something for so long, with a terminal as stderr; and the terminal's other end."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", TELLS, str(seconds)]
    settings = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30", **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, cwd=ROOT, env={**os.environ, **settings})
    os.close(theirs)
    return process, ours


def read_until(terminal: int, words: bytes | None = None) -> bytes:
    """What comes to the terminal until these words, or until nobody writes there any more."""
    came, deadline = b"", time.monotonic() + 30
    while words is None or words not in came:
        assert time.monotonic() < deadline, came
        try:
            some = os.read(terminal, 65536)
        except OSError:  # Linux' way to say that the other end is closed
            break
        if not some:
            break
        came += some
    return came


def test_on_a_terminal_there_is_a_screen_and_stdout_has_the_result_alone() -> None:
    process, terminal = begun(0.6)
    came = read_until(terminal)
    output, _ = process.communicate(timeout=240)
    assert (process.returncode, output) == (0, b'{"result": "proved"}')
    for words in (FLOWING, "0 of 12 points", "what just happened", "first preview in Kafka"):
        assert words.encode() in came
    assert came.count(b"what just happened") > 1, "it was drawn again"
    assert came.index(HIDDEN) < came.rindex(SHOWN)
    os.close(terminal)


def test_ctrl_c_ends_the_screen_and_gives_the_cursor_back() -> None:
    process, terminal = begun(60)
    came = read_until(terminal, b"first preview in Kafka")
    process.send_signal(signal.SIGINT)
    came += read_until(terminal)
    process.communicate(timeout=240)
    assert b"KeyboardInterrupt" in came, "it is passed on"
    assert came.rindex(SHOWN) > came.rindex(HIDDEN)
    os.close(terminal)


def test_a_terminal_that_cannot_go_back_gets_lines() -> None:
    process, terminal = begun(0, TERM="dumb")
    came = read_until(terminal)
    process.communicate(timeout=240)
    assert HIDDEN not in came
    assert b" s  first preview in Kafka" in came
    os.close(terminal)


def test_without_a_terminal_there_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with telling(time.monotonic()) as tell:
        assert isinstance(tell, Lines)
        tell("first preview in Kafka")
        tell.show(State(phase="waiting for the archive"))
        tell.show(State(phase=FLOWING, stages=(Stage("processors", (Rate("late", 3.0, 7),)),)))
    shown = capsys.readouterr()
    first, second = shown.err.splitlines()
    assert first.endswith(" s  first preview in Kafka")
    assert " s  late 3/s | PI to Kafka –" in second
    assert shown.out == ""
