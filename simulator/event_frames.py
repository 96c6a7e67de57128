"""Event frames: what there is of them and everything that can happen to one (pi-web-api.md 6). Each change is told to the journal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from simulator.asset_templates import BY_NAME, chain, designs_of
from simulator.assets import Assets, Attribute, Element, template_of
from simulator.events import Event
from simulator.journal import Journal
from simulator.pitime import TICKS_PER_SECOND
from simulator.sources import value_at
from simulator.store import Stream

OPEN = 253_402_300_800 * TICKS_PER_SECOND - 1
"""9999-12-31T23:59:59.9999999Z: the end of what has not ended (pi-web-api.md 6.2)."""
SEVERITIES = ("None", "Information", "Warning", "Minor", "Major", "Critical")
MOST_FRAMES = 20_000


class Annotation(NamedTuple):
    id: UUID
    name: str
    value: str
    by: str
    at: int


@dataclass(slots=True, eq=False)
class Frame:
    """One event frame. The first of `elements` is its primary one."""

    id: UUID
    name: str
    template: str
    start: int
    elements: tuple[Element, ...] = ()
    end: int = OPEN
    severity: str = "None"
    parent: "Frame | None" = None
    children: list["Frame"] = field(default_factory=list)
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    annotations: list[Annotation] = field(default_factory=list)
    has_captured: bool = False
    captured: dict[str, Event] | None = None
    attributes: tuple[Attribute, ...] | None = None

    @property
    def is_open(self) -> bool:
        return self.end == OPEN

    @property
    def is_acknowledged(self) -> bool:
        return bool(self.acknowledged_by)

    @property
    def can_be_acknowledged(self) -> bool:
        return BY_NAME[self.template].can_be_acknowledged

    @property
    def categories(self) -> list[str]:
        return list(dict.fromkeys(name for template in chain(self.template) for name in template.categories))


class Frames:
    """All event frames. Beyond `MOST_FRAMES` the oldest closed one of the top is forgotten with its children."""

    def __init__(self, assets: Assets, journal: Journal | None) -> None:
        self._assets = assets
        self._journal = journal
        self._past = True
        self.by_id: dict[UUID, Frame] = {}
        self._by_name: dict[str, list[Frame]] = {}

    @property
    def top(self) -> list[Frame]:
        """Those with no parent, in the order of their creation."""
        return [frame for frame in self.by_id.values() if frame.parent is None]

    def named(self, name: str) -> Frame | None:
        """The first of the top with that upper-cased name."""
        found = self._by_name.get(name)
        return found[0] if found else None

    # What happens to them

    def create(self, own: UUID, name: str, template: str, start: int, elements: Sequence[Element], parent: Frame | None = None) -> Frame:
        """A new open one."""
        frame = Frame(own, name, template, start, tuple(elements), severity=BY_NAME[template].severity, parent=parent)
        self.by_id[own] = frame
        if parent is not None:
            parent.children.append(frame)
        else:
            self._by_name.setdefault(name.upper(), []).append(frame)
        self._tell("create", frame)
        if len(self.by_id) > MOST_FRAMES:
            self._forget_oldest()
        return frame

    def close(self, frame: Frame, at: int) -> None:
        frame.end = max(at, frame.start)
        self._tell("close", frame)

    def acknowledge(self, frame: Frame, by: str, at: int) -> None:
        """Once acknowledged it stays as it was acknowledged first."""
        if not frame.is_acknowledged:
            frame.acknowledged_by, frame.acknowledged_at = by, at
            self._tell("acknowledge", frame)

    def set_severity(self, frame: Frame, severity: str) -> None:
        frame.severity = severity
        self._tell("severity", frame)

    def annotate(self, frame: Frame, text: str, by: str, at: int) -> None:
        number = len(frame.annotations) + 1
        own = self._assets.guid(frame.id, "annotation", number)
        frame.annotations.append(Annotation(own, f"Annotation {number}", text, by, at))
        self._tell("annotate", frame)

    def capture(self, frame: Frame, now: int) -> None:
        """Freezes the values of its attributes as they are."""
        frame.has_captured = True
        frame.captured = None if self._past else self._values(frame, now)
        self._tell("capture", frame)

    def _values(self, frame: Frame, now: int) -> dict[str, Event]:
        at = min(frame.end, now)
        found = {}
        for attribute in self.attributes_of(frame):
            fixed = attribute.fixed if attribute.readings is None else value_at(attribute.readings, at, now)
            if fixed is not None:
                found[attribute.name] = fixed
        return found

    def captured(self, frame: Frame) -> dict[str, Event]:
        """The frozen values by attribute name, if there are any. Those from before the start are worked out when first read."""
        if frame.has_captured and frame.captured is None:
            frame.captured = self._values(frame, frame.end)
        return frame.captured or {}

    def _forget_oldest(self) -> None:
        oldest = next((frame for frame in self.by_id.values() if frame.parent is None and not frame.is_open), None)
        if oldest is None:
            return
        waiting = [oldest]
        for frame in waiting:
            self._tell("forget", frame)
            del self.by_id[frame.id]
            waiting += frame.children
        same = self._by_name[oldest.name.upper()]
        same.remove(oldest)
        if not same:
            del self._by_name[oldest.name.upper()]

    # What they look like

    def attributes_of(self, frame: Frame) -> tuple[Attribute, ...]:
        if frame.attributes is None:
            stream = measured(frame.elements)
            found = []
            for design in designs_of(frame.template):
                template = template_of(frame.template, design)
                if design.value is not None:
                    found.append(self._assets.static_attribute(frame.id, design, template))
                elif stream is not None:
                    shown = self._assets.point_attribute(frame.id, design.name, stream)
                    shown.design, shown.template = design, template
                    found.append(shown)
            frame.attributes = tuple(found)
        return frame.attributes

    def _tell(self, action: str, frame: Frame) -> None:
        if self._journal is not None and not self._past:
            self._journal.event_frame(action, facts_of(frame))

    def begin(self) -> None:
        """Ends the past: what there is by now is told as it is, and from now on whatever happens."""
        self._past = False
        for frame in self.by_id.values():
            self._tell("past", frame)


def measured(elements: Sequence[Element]) -> Stream | None:
    """The point that an event frame about those elements shows: the first number of the first of them that has one."""
    numbers = [s for element in elements for s in element.streams if s.point.units and not s.point.states and not s.point.future]
    return numbers[0] if numbers else None


def facts_of(frame: Frame) -> dict[str, Any]:
    """The whole frame, for the journal and the control port. Times are ticks; `end` is null while it is open."""
    return {
        "ef": str(frame.id),
        "name": frame.name,
        "template": frame.template,
        "parent": None if frame.parent is None else str(frame.parent.id),
        "elements": [str(element.id) for element in frame.elements],
        "start": frame.start,
        "end": None if frame.is_open else frame.end,
        "severity": frame.severity,
        "acknowledged_by": frame.acknowledged_by or None,
        "acknowledged_at": frame.acknowledged_at if frame.is_acknowledged else None,
        "annotations": len(frame.annotations),
        "captured": frame.has_captured,
    }
