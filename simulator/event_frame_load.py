"""Event frames happening by themselves: one life per slot of time, a function of seed and slot, so yesterday's are the same tomorrow."""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple
from uuid import UUID

from simulator.assets import Assets, Element
from simulator.event_frames import Frame, Frames
from simulator.pitime import TICKS_PER_SECOND, format_ticks
from simulator.profiles import mix

_SECOND = TICKS_PER_SECOND
_MINUTE = 60 * TICKS_PER_SECOND
_PHASES = ("Charge", "React", "Discharge")
_PEOPLE = ("PLANT\\m.huber", "PLANT\\s.lang", "PLANT\\k.øst")
_REMARKS = ("checked on site", "sensor cleaned", "wie besprochen", "see shift book")
_LATE_ONE_IN = 12
_LATE_LEAST_MINUTES = 10


class _Kind(NamedTuple):
    """How often of a hundred, of which template, and how many seconds one lasts."""

    share: int
    template: str
    least_seconds: int
    most_seconds: int


_KINDS = (
    _Kind(30, "High alarm", 30, 1200),
    _Kind(20, "Low alarm", 30, 1200),
    _Kind(20, "Production batch", 600, 3600),
    _Kind(20, "Equipment downtime", 300, 7200),
    _Kind(10, "Maintenance order", 3600, 14_400),
)

Step = Callable[[], None]


class FrameLoad:
    """The lives of all slots: steps waiting for their time. A twelfth of all frames is entered late, long after its start."""

    def __init__(self, frames: Frames, assets: Assets, per_minute: float, seed: int, history_from: int) -> None:
        self._frames = frames
        self._assets = assets
        self._seed = seed
        self._period = round(_MINUTE / per_minute) if per_minute > 0 else 0
        self._equipment = [element for element in assets.by_id.values() if element.streams] if per_minute > 0 else []
        self._slot = history_from // self._period if self._period else 0
        self._waiting: list[tuple[int, int, Step]] = []
        self._planned = 0
        self.running = bool(self._equipment)

    def advance(self, now: int) -> None:
        """Does what is due at `now`, the oldest first."""
        if not self.running:
            return
        while self._slot * self._period <= now:
            self._plan(self._slot)
            self._slot += 1
        while self._waiting and self._waiting[0][0] <= now:
            heappop(self._waiting)[2]()

    def _at(self, at: int, step: Step) -> None:
        self._planned += 1
        heappush(self._waiting, (at, self._planned, step))

    def _plan(self, slot: int) -> None:
        """Puts the steps of the life of a slot into the queue."""
        h = mix(self._seed * 1_000_003 ^ slot)
        dice, kinds = h % 100, iter(_KINDS)
        kind = next(kinds)
        while dice >= kind.share:
            dice -= kind.share
            kind = next(kinds)
        start = slot * self._period + (h >> 8) % self._period
        length = (kind.least_seconds + (h >> 20) % (kind.most_seconds - kind.least_seconds)) * _SECOND
        late = (h >> 32) % _LATE_ONE_IN == 0
        created = start + ((_LATE_LEAST_MINUTES + (h >> 36) % 170) * _MINUTE if late else (h >> 36) % 5 * _SECOND)
        element = self._equipment[(h >> 42) % len(self._equipment)]
        own = self._assets.guid("event frame", self._seed, slot)
        life = _Life(self._frames, own, kind.template, start, start + length, (element,), mix(h))
        for at, step in life.steps(created):
            self._at(at, step)
        if kind.template == "Production batch":
            self._plan_phases(life, created)

    def _plan_phases(self, batch: "_Life", created: int) -> None:
        """The steps of a batch, one after the other, each a child frame."""
        third = (batch.end - batch.start) // len(_PHASES)
        for number, name in enumerate(_PHASES):
            begin = batch.start + number * third
            own = self._assets.guid(batch.own, "phase", number)
            phase = _Life(self._frames, own, "Batch phase", begin, begin + third, batch.elements, mix(batch.chance + number), name, batch)
            for at, step in phase.steps(max(created, begin)):
                self._at(at, step)


class _Life:
    """What will happen to one frame."""

    def __init__(
        self,
        frames: Frames,
        own: UUID,
        template: str,
        start: int,
        end: int,
        elements: tuple[Element, ...],
        chance: int,
        name: str = "",
        parent: "_Life | None" = None,
    ) -> None:
        self._frames = frames
        self.own = own
        self.template = template
        self.start = start
        self.end = end
        self.elements = elements
        self.chance = chance
        self._name = name or _name_of(template, start, elements[0].name)
        self._parent = parent

    def steps(self, created: int) -> Iterator[tuple[int, Step]]:
        """Each step and its time. A frame entered after its end is closed at once."""
        h = self.chance
        yield created, self._create
        closed = max(created, self.end)
        if "alarm" in self.template and h % 3 == 0:
            yield max(created, self.start + (self.end - self.start) // 3), self._escalate
        yield closed, self._close
        if (h >> 8) % 10 < 6:
            yield closed + _SECOND, self._capture
        if (h >> 12) % 10 < 7:
            at = closed + (1 + (h >> 16) % 30) * _MINUTE
            yield at, lambda: self._acknowledge(at)
        if (h >> 24) % 4 == 0:
            noted = closed + (2 + (h >> 28) % 60) * _MINUTE
            yield noted, lambda: self._annotate(noted)

    def _create(self) -> None:
        # The parent may have been forgotten meanwhile: then nobody misses the child either.
        parent = None if self._parent is None else self._parent.frame
        if self._parent is None or parent is not None:
            self._frames.create(self.own, self._name, self.template, self.start, self.elements, parent)

    @property
    def frame(self) -> Frame | None:
        """The frame, unless it is not there: not yet, or no more."""
        return self._frames.by_id.get(self.own)

    def _close(self) -> None:
        if self.frame is not None and self.frame.is_open:
            self._frames.close(self.frame, self.end)

    def _escalate(self) -> None:
        if self.frame is not None:
            self._frames.set_severity(self.frame, "Critical")

    def _capture(self) -> None:
        if self.frame is not None and not self.frame.is_open:
            self._frames.capture(self.frame, self.frame.end)

    def _acknowledge(self, at: int) -> None:
        if self.frame is not None and self.frame.can_be_acknowledged:
            self._frames.acknowledge(self.frame, _PEOPLE[self.chance % len(_PEOPLE)], at)

    def _annotate(self, at: int) -> None:
        if self.frame is not None:
            self._frames.annotate(self.frame, _REMARKS[self.chance % len(_REMARKS)], _PEOPLE[self.chance % len(_PEOPLE)], at)


def _name_of(template: str, start: int, element: str) -> str:
    """Batches are numbered by their time; others are named after what and where, so that names repeat (pi-web-api.md 6.2)."""
    if template == "Production batch":
        return f"Batch {format_ticks(start)[:19].replace(':', '').replace('-', '')}"
    return f"{template} {element}"
