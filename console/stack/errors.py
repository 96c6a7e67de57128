"""What can go wrong with the local stack: each error says what happened, to which object, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class StackError(Exception):
    """Something the local stack needs is not to be had. `exit_code` is the process's: 3, a dependency is unavailable."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class Stopping(StackError):
    """The stack is being stopped, and whatever was still starting gives up. Never the first cause of a failure."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was given up because the stack is being stopped.")


class ArtifactRefused(StackError):
    """A file came with other bytes than the lock records. The file is not kept."""

    def __init__(self, name: str, *, expected: str, found: str, hint: str) -> None:
        super().__init__(f"Artifact {name} is not the one in the lock: expected SHA-256 {expected}, found {found}.", hint)
        self.name = name
        self.expected = expected
        self.found = found


class ArtifactsUnavailable(StackError):
    """Files of the lock could not be fetched: no network, no mirror, or no Java runtime."""


class PortBusy(StackError):
    """A port that was asked for by number, or every port tried, is in use."""


class ChildDied(StackError):
    """A child process ended without being asked to. The message ends with the last lines of its log."""

    def __init__(self, name: str, exit_code_of_child: int, log_path: Path, tail: Sequence[str]) -> None:
        how = f"exit code {exit_code_of_child}"
        if exit_code_of_child > 128:
            how += f", which means signal {exit_code_of_child - 128}"
        lines = "\n".join(f"  {line}" for line in tail) or "  (the log is empty)"
        super().__init__(f"The process {name} ended by itself with {how}.", f"Its log is {log_path} and ends with:\n{lines}")
        self.name = name
        self.exit_code_of_child = exit_code_of_child
        self.log_path = log_path
        self.tail = tuple(tail)
