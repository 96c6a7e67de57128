"""What a demo tells while it runs: a live screen on a terminal, else lines; always on stderr."""

import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from console.screen import FLOWING, Happened, State, line_of, screen_of

_MOST_LINES = 100
_PICTURES_A_SECOND = 4.0


class Teller(Protocol):
    """Takes lines from any thread, and states from the main one."""

    def __call__(self, line: str) -> None:
        """Something happened."""

    def show(self, state: State) -> None:
        """So it stands; the teller knows by itself how long it has lasted, and what happened."""


class Lines:
    """A line for what happens, and one for each state while values flow, with the seconds since the start."""

    def __init__(self, began: float) -> None:
        self._began = began

    def __call__(self, line: str) -> None:
        sys.stderr.write(f"{time.monotonic() - self._began:7.1f} s  {line}\n")
        sys.stderr.flush()

    def show(self, state: State) -> None:
        """Writes the state if values flow."""
        if state.phase == FLOWING:
            self(line_of(state))


class Screen:
    """The newest state and what happened last, on the terminal."""

    def __init__(self, began: float, console: Console) -> None:
        self._began, self._console = began, console
        self._happened = deque[Happened](maxlen=_MOST_LINES)
        self._state = State()
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        with self._lock:
            self._happened.append(Happened(time.monotonic() - self._began, line))

    def show(self, state: State) -> None:
        """Takes the state for the next picture."""
        with self._lock:
            self._state = state

    def picture(self) -> RenderableType:
        """The screen as it is now."""
        with self._lock:
            state = replace(self._state, seconds=time.monotonic() - self._began, happened=tuple(self._happened))
        return screen_of(state, self._console.height)


@contextmanager
def telling(began: float) -> Iterator[Teller]:
    """A screen if stderr is a terminal that can show one, which stands as it was last when the block is left; else lines."""
    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Lines(began)
        return
    screen = Screen(began, console)
    with Live(console=console, get_renderable=screen.picture, refresh_per_second=_PICTURES_A_SECOND, redirect_stdout=False):
        yield screen
