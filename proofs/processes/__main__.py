"""`python -m proofs.processes POINT PASSING SIGNAL MARK [ARGUMENT ...]`: the bridge, which a signal hits at a named point."""

import os
import sys
from pathlib import Path

from bridge import cli
from proofs.processes.defects import DEFECTS
from proofs.processes.points import POINTS


class Accident:
    """Sends the process a signal where it stands, at one passing of a point; before that the mark says where."""

    def __init__(self, point: str, passing: int, signal_number: int, mark: Path) -> None:
        self._point, self._passing, self._signal, self._mark = point, passing, signal_number, mark
        self._passed = 0

    def __call__(self) -> None:
        """The process is here."""
        self._passed += 1
        if self._passed == self._passing:
            self.write(self._point)
            os.kill(os.getpid(), self._signal)

    def write(self, text: str) -> None:
        """Brings the mark to the disk."""
        with self._mark.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def main(point: str, passing: str, signal_number: str, mark: str, *arguments: str) -> int:
    """Arms the point, then runs the bridge's command line; answers its exit code."""
    (POINTS | DEFECTS)[point].arm(Accident(point, int(passing), int(signal_number), Path(mark)))
    return cli.main(list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
