"""What happens to a job at a named point: Spark's driver and the Python that leads it are killed at one blow."""

import os
import signal
from contextlib import suppress

import psutil

from proofs.processes.accident import Accident


class DriverAccident(Accident):
    """Kills the process where it stands, and Spark's driver, its child, right before: that would end in order if it saw Python end."""

    def strike(self) -> None:
        """Kills."""
        kill_with_children(os.getpid())


def kill_with_children(pid: int) -> None:
    """`kill -9` of all below a process, then of itself."""
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    os.kill(pid, signal.SIGKILL)
