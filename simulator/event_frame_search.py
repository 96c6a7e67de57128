"""Which event frames a search finds: the search modes, their rules, and the filters (pi-web-api.md 6.1)."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from simulator.api import Refusal, Request
from simulator.asset_templates import is_a
from simulator.catalogue import wildcard
from simulator.event_frames import OPEN, SEVERITIES, Frame
from simulator.listing import in_order

_BETWEEN: dict[str, Callable[[Frame, int, int], bool]] = {
    "StartInclusive": lambda frame, start, end: start <= frame.start <= end,
    "EndInclusive": lambda frame, start, end: start <= frame.end <= end,
    "Inclusive": lambda frame, start, end: start <= frame.start and frame.end <= end,
    "Overlapped": lambda frame, start, end: frame.start <= end and frame.end >= start,
    "InProgress": lambda frame, start, end: start <= frame.start <= end and frame.end == OPEN,
}


class _From(NamedTuple):
    """A mode that goes one way from one time: it finds what lies beyond it, and answers in the order in which it gets there."""

    backward: bool
    time_of: Callable[[Frame], int]
    only_open: bool = False


_FROM = {
    f"{way}{name}": _From(way == "Backward", time_of, only_open)
    for way in ("Backward", "Forward")
    for name, time_of, only_open in (
        ("FromStartTime", lambda frame: frame.start, False),
        ("FromEndTime", lambda frame: frame.end, False),
        ("InProgress", lambda frame: frame.start, True),
    )
}
SORT_FIELDS: dict[str, Callable[[Frame], object]] = {
    "Name": lambda frame: (frame.name.lower(), frame.start),
    "StartTime": lambda frame: frame.start,
    "EndTime": lambda frame: frame.end,
    "ID": lambda frame: str(frame.id),
}


def search(request: Request, found: Sequence[Frame]) -> list[Frame]:
    """The frames of `found` that the request's times and filters let through, in the order it asks for."""
    # None is the word for a mode nobody has set: nothing can be searched by it.
    mode = request.query.choice("searchMode", "Overlapped", (*_BETWEEN, *_FROM))
    kept = filtered(request, found)
    if mode in _FROM:
        return _beyond(request, kept, _FROM[mode], mode)
    end = request.time("endTime", "*")
    start = request.time("startTime", "*-8h", relative_to=end)
    if start > end:
        raise Refusal(400, "The parameter 'startTime' must be less than or equal to 'endTime'.")
    inside = _BETWEEN[mode]
    return in_order(request, [frame for frame in kept if inside(frame, start, end)], SORT_FIELDS)


def _beyond(request: Request, found: list[Frame], mode: _From, name: str) -> list[Frame]:
    for parameter in ("endTime", "sortField", "sortOrder"):
        if request.query.all(parameter):
            raise Refusal(400, f"The parameter '{parameter}' cannot be specified with the search mode '{name}'.")
    start = request.time("startTime", "*-8h")
    kept = [
        frame
        for frame in found
        if (mode.time_of(frame) <= start if mode.backward else mode.time_of(frame) >= start) and (frame.is_open or not mode.only_open)
    ]
    return sorted(kept, key=mode.time_of, reverse=mode.backward)


def filtered(request: Request, found: Sequence[Frame]) -> list[Frame]:
    query = request.query
    name, element = wildcard(query.one("nameFilter")), wildcard(query.one("referencedElementNameFilter"))
    template, element_template = query.one("templateName"), query.one("referencedElementTemplateName")
    category = query.one("categoryName")
    severities = {_severity(text) for text in query.all("severity")}
    tests: list[Callable[[Frame], bool]] = []
    if name is not None:
        tests.append(lambda frame: bool(name.match(frame.name)))
    if element is not None:
        tests.append(lambda frame: any(element.match(one.name) for one in frame.elements))
    if template:
        tests.append(lambda frame: is_a(frame.template, template))
    if element_template:
        tests.append(lambda frame: any(is_a(one.template, element_template) for one in frame.elements))
    if category:
        tests.append(lambda frame: category.lower() in [own.lower() for own in frame.categories])
    if severities:
        tests.append(lambda frame: frame.severity in severities)
    if query.one("canBeAcknowledged") is not None:
        wanted_can = query.boolean("canBeAcknowledged", True)
        tests.append(lambda frame: frame.can_be_acknowledged == wanted_can)
    if query.one("isAcknowledged") is not None:
        wanted_is = query.boolean("isAcknowledged", True)
        tests.append(lambda frame: frame.is_acknowledged == wanted_is)
    return [frame for frame in found if all(test(frame) for test in tests)]


def _severity(text: str) -> str:
    for severity in SEVERITIES:
        if severity.lower() == text.lower():
            return severity
    raise Refusal(400, f"The parameter 'severity' must be one of {', '.join(SEVERITIES)}, not '{text}'.")
