"""The compression test: is a previous snapshot archived or thrown away? (pi-web-api.md 8.2)"""

import math

from simulator.events import Event, State


class SwingingDoor:
    """The corridor from the last archived event within which values need not be archived, because a line through them says as much.

    A door with `deviation` None is always open: every previous snapshot is archived.
    """

    __slots__ = ("_anchor", "_high", "_low", "deviation", "max_ticks", "step")

    def __init__(self, deviation: float | None, max_ticks: int, *, step: bool) -> None:
        self.deviation = deviation
        self.max_ticks = max_ticks
        self.step = step
        self._anchor: Event | None = None
        self._low = -math.inf
        self._high = math.inf

    def restart(self, archived: Event) -> None:
        """`archived` is now the last archived event."""
        self._anchor = archived
        self._low = -math.inf
        self._high = math.inf

    def narrow(self, passed: Event) -> None:
        """`passed` was thrown away; later lines must still pass within the deviation of it."""
        anchor, deviation = self._anchor, self.deviation
        if anchor is None or deviation is None or isinstance(passed.value, State | str) or isinstance(anchor.value, State | str):
            return
        elapsed = passed.ticks - anchor.ticks
        if elapsed > 0:
            rise = passed.value - anchor.value
            self._low = max(self._low, (rise - deviation) / elapsed)
            self._high = min(self._high, (rise + deviation) / elapsed)

    def keeps(self, snapshot: Event, new: Event) -> bool:
        """Whether `snapshot` must be archived now that `new` follows it.

        If so the caller archives it and calls `restart(snapshot)`; if not, the door has narrowed.
        """
        anchor, deviation = self._anchor, self.deviation
        if anchor is None or deviation is None:
            return True
        # Two events at one instant were both wanted by their writer: neither may be lost to a line of no length.
        if new.ticks == snapshot.ticks or snapshot.ticks <= anchor.ticks:
            return True
        if new.ticks - anchor.ticks > self.max_ticks or _flags(snapshot) != _flags(anchor):
            return True
        held, now = anchor.value, snapshot.value
        if isinstance(now, State | str) or isinstance(held, State | str):
            return type(now) is not type(held) or now != held
        if self.step:
            return not abs(now - held) <= deviation
        if isinstance(new.value, State | str) or _flags(new) != _flags(snapshot):
            return True
        self.narrow(snapshot)
        slope = (new.value - held) / (new.ticks - anchor.ticks)
        return not self._low <= slope <= self._high


def _flags(event: Event) -> tuple[bool, bool, bool]:
    return event.questionable, event.substituted, event.annotated
