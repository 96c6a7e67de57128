"""Being told to stop: SIGTERM and Ctrl-C."""

import asyncio
import signal


class Told:
    """Listens from now on, in the running event loop."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        """Set when one of them came."""
        self._signals: list[signal.Signals] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._told, number)

    def _told(self, number: signal.Signals) -> None:
        self._signals.append(number)
        self.stop.set()

    @property
    def exit_code(self) -> int:
        """Of a process that ended as it was told."""
        return 130 if signal.SIGINT in self._signals else 0
