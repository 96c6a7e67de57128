"""Child processes that end with us: on order, on Ctrl-C, on a crash and at `kill -9`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from console.stack.errors import ChildDied, StackError, Stopping

GUARD = Path(__file__).with_name("guard.py")
TAIL_LINES = 20
TAIL_BYTES = 65536
POLL_SECONDS = 0.05
DEFAULT_GRACE_SECONDS = 5.0


class Child:
    """A running command with a log file, watched by a guard process that stops it when this process is gone.

    `pid` is the command's own process id, not the guard's. Standard output and error go to the end of the log file.
    """

    def __init__(self, name: str, guard: subprocess.Popen[bytes], channel: socket.socket, pid: int, log_path: Path, log_start: int) -> None:
        self.name = name
        self.pid = pid
        self.log_path = log_path
        self._guard = guard
        self._channel = channel
        self._log_start = log_start

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        grace_seconds: float = DEFAULT_GRACE_SECONDS,
        guard_holds: Sequence[int] = (),
    ) -> Child:
        """The command, running. `environment` replaces ours; `grace_seconds` is what it gets between SIGTERM and SIGKILL if we vanish.

        `guard_holds`: file descriptors that the guard keeps open until the command is gone (a lock, say).
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        held = (theirs.fileno(), *guard_holds)
        with theirs, log_path.open("ab") as log:
            log_start = log.tell()
            guard = subprocess.Popen(  # noqa: S603 - what the caller asks for
                [sys.executable, "-I", "-S", GUARD, ",".join(map(str, held)), str(grace_seconds), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env=environment,
                pass_fds=held,
                start_new_session=True,
            )
        with ours.makefile("rb") as reader:
            first = reader.readline()
        if not first:
            ours.close()
            raise ChildDied(name, guard.wait(), log_path, tail(log_path, TAIL_LINES, log_start))
        return cls(name, guard, ours, int(first), log_path, log_start)

    @property
    def exit_code(self) -> int | None:
        """None while it runs; 128 + n if signal n ended it."""
        return self._guard.poll()

    @property
    def alive(self) -> bool:
        return self.exit_code is None

    def check(self) -> None:
        """Raises ChildDied unless it runs."""
        code = self.exit_code
        if code is not None:
            raise ChildDied(self.name, code, self.log_path, self.tail())

    def log(self) -> str:
        """What it has written since it was started."""
        with self.log_path.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def tail(self, lines: int = TAIL_LINES) -> list[str]:
        """The last lines it has written since it was started, oldest first."""
        return tail(self.log_path, lines, self._log_start)

    def stop(self, grace_seconds: float = DEFAULT_GRACE_SECONDS) -> None:
        """Ends the command and all that it started: SIGTERM, and after the grace SIGKILL. Returns when nothing is left of it."""
        if self.alive:
            try:
                self._channel.sendall(b"%f\n" % grace_seconds)
            except OSError:  # the guard is just ending, because its command did
                self._channel.close()
            try:
                self._guard.wait(grace_seconds + 5)
            except subprocess.TimeoutExpired:
                self._guard.kill()  # on Linux the command goes with it
                self._guard.wait()
        self._channel.close()


def tail(log_path: Path, lines: int, start: int = 0) -> list[str]:
    with log_path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()[-lines:]


class Children:
    """All child processes of one stack. Threads may start children at the same time; after `stop` none starts any more."""

    def __init__(self, guards_hold: Sequence[int] = ()) -> None:
        self._lock = threading.Lock()
        self._children: list[Child] = []
        self._stopping = threading.Event()
        self._guards_hold = guards_hold

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log_path: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        grace_seconds: float = DEFAULT_GRACE_SECONDS,
    ) -> Child:
        """As Child.start. Raises Stopping when the stack is being stopped."""
        with self._lock:
            if self._stopping.is_set():
                raise Stopping(f"The start of {name}")
            child = Child.start(
                name,
                command,
                log_path=log_path,
                environment=environment,
                directory=directory,
                grace_seconds=grace_seconds,
                guard_holds=self._guards_hold,
            )
            self._children.append(child)
            return child

    def __iter__(self) -> Iterator[Child]:
        return iter(tuple(self._children))

    def pause(self, what: str, seconds: float = POLL_SECONDS) -> None:
        """Sleeps, unless the stack is being stopped: then it raises Stopping at once, naming what was given up."""
        if self._stopping.wait(seconds):
            raise Stopping(what)

    def wait_until(self, ready: Callable[[], bool], child: Child, what: str, timeout_seconds: float) -> None:
        """Returns when `ready()` is true. Raises ChildDied, Stopping, or StackError after the time-out."""
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            child.check()
            if time.monotonic() > deadline:
                lines = "\n".join(f"  {line}" for line in child.tail())
                raise StackError(
                    f"{what} did not come about within {timeout_seconds:g} s.", f"The log of {child.name} is {child.log_path}:\n{lines}"
                )
            self.pause(what)

    def finish(self, child: Child, timeout_seconds: float, watch: Callable[[], None] = lambda: None) -> int:
        """The exit code of a child that is expected to end by itself; it is forgotten then. `watch` is called at each look."""
        deadline = time.monotonic() + timeout_seconds
        try:
            while child.alive:
                if time.monotonic() > deadline:
                    raise StackError(
                        f"The process {child.name} had not ended after {timeout_seconds:g} s.", f"Its log is {child.log_path}."
                    )
                watch()
                self.pause(child.name)
        finally:
            self.stop_one(child)
        code = child.exit_code
        assert code is not None
        return code

    def stop_one(self, child: Child, grace_seconds: float = DEFAULT_GRACE_SECONDS) -> None:
        """Stops a child and forgets it."""
        child.stop(grace_seconds)
        with self._lock:
            if child in self._children:
                self._children.remove(child)

    def check(self) -> None:
        """Raises ChildDied for the first child that has ended without being asked to."""
        for child in tuple(self._children):
            child.check()

    def stop(self, grace_seconds: float = DEFAULT_GRACE_SECONDS) -> None:
        """Stops every child, all at the same time. Returns when nothing is left of them; none can be started afterwards."""
        self._stopping.set()
        with self._lock:
            children = tuple(self._children)
        if children:
            with ThreadPoolExecutor(len(children)) as pool:
                list(pool.map(lambda child: child.stop(grace_seconds), children))
