"""`python -m proofs.processes POINT PASSING SIGNAL MARK [ARGUMENT ...]`: the bridge, which a signal hits at a named point."""

import sys
from pathlib import Path

from bridge import cli
from proofs.processes.accident import Accident
from proofs.processes.defects import DEFECTS
from proofs.processes.points import POINTS


def main(point: str, passing: str, signal_number: str, mark: str, *arguments: str) -> int:
    """Arms the point, then runs the bridge's command line; answers its exit code."""
    (POINTS | DEFECTS)[point].arm(Accident(point, int(passing), int(signal_number), Path(mark)))
    return cli.main(list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
