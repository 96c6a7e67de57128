"""Formula attributes: a function of a point's values, computed when they are read (pi-web-api.md 3.3, 5)."""

import dataclasses
import math

from simulator.changes import Action, Change, Previous
from simulator.events import SYSTEM_STATES, Event
from simulator.profiles import Point
from simulator.store import END, Listener, Stream

_BAD_INPUT = SYSTEM_STATES[255]


class Formula:
    """100 * (A - zero) / span of a numeric point, at the times at which the point has values."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.point: Point = dataclasses.replace(stream.point, point_type="Float64", states=(), units="%", zero=0.0, span=100.0)
        self._relays: dict[Listener, _Relay] = {}

    @property
    def expression(self) -> str:
        return f"100*(A-{self._stream.point.zero:g})/{self._stream.point.span:g}"

    def computed(self, event: Event) -> Event:
        """The result for one value of the input; Bad Input where that is no number."""
        value, point = event.value, self._stream.point
        if not isinstance(value, float | int) or not math.isfinite(value):
            return Event(event.ticks, _BAD_INPUT)
        return Event(event.ticks, 100.0 * (value - point.zero) / point.span, questionable=event.questionable)

    def current(self, now: int) -> Event | None:
        return self._of(self._stream.current(now))

    def recorded(self, first: int, last: int, *, limit: int = END, descending: bool = False) -> list[Event]:
        return [self.computed(event) for event in self._stream.recorded(first, last, limit=limit, descending=descending)]

    def newest(self, last: int) -> Event | None:
        return self._of(self._stream.newest(last))

    def oldest(self, first: int) -> Event | None:
        return self._of(self._stream.oldest(first))

    def _of(self, event: Event | None) -> Event | None:
        return None if event is None else self.computed(event)

    def listen(self, listener: Listener) -> None:
        relay = self._relays[listener] = _Relay(self, listener)
        self._stream.listen(relay)

    def forget(self, listener: Listener) -> None:
        self._stream.forget(self._relays.pop(listener))


class _Relay:
    """Passes on new values only: other data references than PI Point report nothing of what happens to the past (pi-web-api.md 3.3)."""

    def __init__(self, formula: Formula, listener: Listener) -> None:
        self._formula = formula
        self._listener = listener

    def receive(self, stream: Stream, change: Change) -> None:
        if change.action is Action.ADD:
            self._listener.receive(stream, Change(Action.ADD, self._formula.computed(change.event), Previous.NONE))
