"""How two lists of events of one point differ, told apart as lost, invented, doubled and wrong. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from verifier.events import Event, content_text, event_text, time_text

NEAR = 10_000
"""An event with the same content at most so many ticks (1 ms) away is the same one with a wrong time."""


class Difference(NamedTuple):
    """One event that is not as it should be."""

    check: str
    ticks: int
    """The instant in the archive; where it has none, that of the sample."""
    text: str


def differences(expected: Sequence[Event], found: Sequence[Event]) -> list[Difference]:
    """What it takes to get from the events found to those expected, in order of time; empty if they agree."""
    if expected == found:
        return []
    there: dict[int, list[Event]] = defaultdict(list)
    for event in found:
        there[event.ticks].append(event)
    result: list[Difference] = []
    missing: list[Event] = []
    surplus: list[Event] = []
    wanted: dict[int, list[Event]] = defaultdict(list)
    for event in expected:
        wanted[event.ticks].append(event)
    for ticks in sorted(wanted.keys() | there.keys()):
        if wanted[ticks] != there[ticks]:
            _instant(wanted[ticks], there[ticks], result, missing, surplus)
    _wrong_times(result, missing, surplus)
    result += [Difference("V1", event.ticks, f"lost: {event_text(event)}") for event in missing]
    contents = {(event.ticks, event.content) for event in expected}
    for event in surplus:
        what = "doubled" if (event.ticks, event.content) in contents else "invented"
        result.append(Difference("V2", event.ticks, f"{what}: {event_text(event)}"))
    return sorted(result, key=lambda difference: difference.ticks)


def _instant(expected: list[Event], found: list[Event], result: list[Difference], missing: list[Event], surplus: list[Event]) -> None:
    """Pairs the events of one instant: the very same, then the same in another place, then others in the same place."""
    left, rest = list(expected), []
    for event in found:
        if event in left:
            left.remove(event)
        else:
            rest.append(event)
    for event in list(rest):
        twin = next((other for other in left if other.content == event.content), None)
        if twin is not None:
            left.remove(twin)
            rest.remove(event)
            text = f"wrong ordinal {event.ordinal} in place of {twin.ordinal}: {event_text(twin)}"
            result.append(Difference("V3", twin.ticks, text))
    for event in list(rest):
        other = next((other for other in left if other.ordinal == event.ordinal), None)
        if other is not None:
            left.remove(other)
            rest.remove(event)
            text = f"wrong: {content_text(event.content)} in place of {event_text(other)}"
            result.append(Difference("V3", other.ticks, text))
    missing += left
    surplus += rest


def _wrong_times(result: list[Difference], missing: list[Event], surplus: list[Event]) -> None:
    """Pairs what is missing with what is too much, where only the time is a little off."""
    by_content: dict[object, list[Event]] = defaultdict(list)
    for event in surplus:
        by_content[event.content].append(event)
    for event in list(missing):
        near = min(by_content[event.content], key=lambda other: abs(other.ticks - event.ticks), default=None)
        if near is not None and abs(near.ticks - event.ticks) <= NEAR:
            by_content[event.content].remove(near)
            missing.remove(event)
            surplus.remove(near)
            result.append(Difference("V3", event.ticks, f"wrong time {time_text(near.ticks)} in place of {event_text(event)}"))
