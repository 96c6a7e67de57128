"""`python -m stream_processors`."""

import signal
import sys


def _begin() -> int:
    """Runs a command. As the first process of a container it would ignore SIGTERM until told otherwise: here, before the slow imports."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from stream_processors.cli import main

    return main()


sys.exit(_begin())
