"""`python -m proofs.driver DEFECT POINT PASSING MARK [ARGUMENT ...]`: a Spark job with a defect, or killed at a named point, or both.

An empty DEFECT or POINT is none.
"""

import signal
import sys
from pathlib import Path

from proofs.driver.accident import DriverAccident
from proofs.driver.defects import DEFECTS
from proofs.driver.points import POINTS
from spark_jobs import cli


def main(defect: str, point: str, passing: str, mark: str, *arguments: str) -> int:
    """Patches and arms, then runs the jobs' command line; answers its exit code."""
    if defect:
        DEFECTS[defect]()
    if point:
        POINTS[point].arm(DriverAccident(point, int(passing), signal.SIGKILL, Path(mark)))
    return cli.main(list(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
