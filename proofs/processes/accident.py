"""What happens to a process at a named point."""

import os
from pathlib import Path


class Accident:
    """Sends the process a signal where it stands, at one passing of a point; before that the mark says where."""

    def __init__(self, point: str, passing: int, signal_number: int, mark: Path) -> None:
        self._point, self._passing, self._signal, self._mark = point, passing, signal_number, mark
        self._passed = 0

    def __call__(self) -> None:
        """The process is at the point."""
        if self.due():
            self.strike()

    def due(self) -> bool:
        """Counts a passing; True, with the mark on the disk, if it is the one."""
        self._passed += 1
        if self._passed != self._passing:
            return False
        with self._mark.open("w", encoding="utf-8") as file:
            file.write(self._point)
            file.flush()
            os.fsync(file.fileno())
        return True

    def strike(self) -> None:
        """Sends the signal."""
        os.kill(os.getpid(), self._signal)
