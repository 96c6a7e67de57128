"""What a WebID names where a stream is asked for: a point, or an attribute of the Asset Framework that shows one (pi-web-api.md 2, 5)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from simulator.api import Refusal
from simulator.events import NO_DATA, Event, float32
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Point
from simulator.store import MAX_AHEAD_SECONDS, Listener


class Readings(Protocol):
    """Where values come from: a stream of the store, or something computed from one."""

    @property
    def point(self) -> Point: ...
    def current(self, now: int) -> Event | None: ...
    def recorded(self, first: int, last: int, *, limit: int = ..., descending: bool = ...) -> list[Event]: ...
    def newest(self, last: int) -> Event | None: ...
    def oldest(self, first: int) -> Event | None: ...
    def listen(self, listener: Listener) -> None: ...
    def forget(self, listener: Listener) -> None: ...


@dataclass(slots=True, eq=False)
class Source:
    """A named stream. Two with the same key are the same stream, whatever WebIDs led to them."""

    key: int | UUID
    name: str
    path: str
    collection: str
    """"points" or "attributes"."""
    encode: Callable[[str], str]
    """The WebID in the type of a letter."""
    readings: Readings | None
    """None for a static attribute, which has a value and no history (pi-web-api.md 5)."""
    point_id: int | None
    """The point whose events are shown as they are, which is what the journal tells of; None for what is computed."""
    units: str = ""
    fixed: Event | None = None
    """The value of a static attribute, or the captured one of an event frame's."""
    span: tuple[int, int] | None = None
    """The range of an event frame: what a request without times means (pi-web-api.md 2.2)."""

    @property
    def attribute(self) -> str:
        return "" if isinstance(self.key, int) else str(self.key)

    def history(self) -> Readings:
        """Where recorded values come from. Refuses static attributes with 409 (pi-web-api.md 2.5)."""
        if self.readings is None:
            raise Refusal(409, f"The attribute '{self.path}' is static: its data reference does not support this operation.")
        return self.readings


def value_at(stream: Readings, ticks: int, now: int) -> Event:
    """The value of a stream at an instant: interpolated between its neighbours, or the one before where it steps."""
    before = stream.newest(ticks)
    if before is None or (not stream.point.future and ticks > now + MAX_AHEAD_SECONDS * TICKS_PER_SECOND):
        return Event(ticks, NO_DATA)
    value = before.value
    if before.ticks < ticks and not stream.point.step and isinstance(value, float | int):
        after = stream.oldest(ticks)
        if after is not None and isinstance(after.value, float | int):
            share = (ticks - before.ticks) / (after.ticks - before.ticks)
            value = value + (after.value - value) * share
            if stream.point.point_type == "Int32":
                value = round(value)
            elif stream.point.point_type == "Float32":
                value = float32(value)
    return Event(ticks, value, questionable=before.questionable, substituted=before.substituted)
