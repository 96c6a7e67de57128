"""What a demo plants for the processors to find, what they found, and what of it they did not. Pure; times are microseconds since 1970."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.records import ClockSkew, Incident, LateCause, LateSamples, QualityFinding

CAUSES: tuple[LateCause, ...] = ("BEHIND_COVERAGE", "BUFFERED_INTERFACE")
"""Why planted values are late; there must be some of each."""
SKEW_TOLERANCE_SECONDS = 2.0
"""An estimate that is off by more has not found the clock."""


class Preview(NamedTuple):
    """A live value that PI announced by itself: whose, when it was, when it came."""

    point_key: str
    event_time: int
    received_time: int


class Planted(NamedTuple):
    """A value that comes late on purpose, and why."""

    point_key: str
    event_time: int
    cause: LateCause


def kept_back(previews: Iterable[Preview], keys: Set[str], begin: int, end: int, incidents: Iterable[Incident]) -> list[Preview]:
    """Which of these previews an interface with these points kept back in [begin, end]; without what was stamped in an incident of ours."""
    blind = [(incident["from_time"], incident["to_time"]) for incident in incidents]
    return [
        preview
        for preview in previews
        if preview.point_key in keys
        and begin <= preview.event_time <= end
        and not any(first <= preview.event_time and (last is None or preview.event_time <= last) for first, last in blind)
    ]


@dataclass
class Findings:
    """Findings as consumers of the processors' topics see them: each counts once, however often it was told."""

    late: dict[tuple[str, int, int, int, int], LateSamples] = field(default_factory=dict)
    """By point, frame and first instant."""
    clocks: dict[str, ClockSkew] = field(default_factory=dict)
    """The newest of each clock group."""
    failing: set[tuple[str, str]] = field(default_factory=set)
    """Quality checks that fail now, and at what."""

    def take_late(self, found: LateSamples) -> None:
        """Takes a record of `late`."""
        place = found["point_key"], found["shard"], found["epoch"], found["sequence"], found["first_event_time"]
        self.late[place] = found

    def take_clock(self, found: ClockSkew) -> None:
        """Takes a record of `skew`."""
        self.clocks[found["clock_group"]] = found

    def take_quality(self, found: QualityFinding) -> None:
        """Takes a record of `quality`."""
        change = self.failing.add if found["state"] == "FAILED" else self.failing.discard
        change((found["quality_check"], found["scope"]))

    def copy(self) -> "Findings":
        """The same, as it is now."""
        return Findings(dict(self.late), dict(self.clocks), set(self.failing))

    def late_found(self) -> dict[str, int]:
        """Values that came late, by cause."""
        counts = Counter[str]()
        for found in self.late.values():
            counts[found["cause"]] += found["samples"]
        return dict(sorted(counts.items()))

    def skew_seconds(self) -> dict[str, float]:
        """What has to be added to the timestamps of each clock group, as estimated: positive if its clock is behind ours."""
        known = ((group, clock["offset_ours_seconds"]) for group, clock in self.clocks.items())
        return {group: round(offset, 3) for group, offset in sorted(known) if offset is not None}

    def skewed(self) -> list[str]:
        """Clock groups whose clock is said to be wrong."""
        return sorted(group for group, clock in self.clocks.items() if clock["state"] == "SKEWED")


def news(before: Findings, after: Findings) -> list[str]:
    """What was found since, a sentence each."""
    states = {group: clock["state"] for group, clock in before.clocks.items()}
    told = [clock["detail"] for group, clock in after.clocks.items() if clock["state"] != states.get(group)]
    earlier = before.late_found()
    more = {cause: count - earlier.get(cause, 0) for cause, count in after.late_found().items()}
    told += [f"{count} values came late: {cause}" for cause, count in more.items() if count]
    return told + [f"{scope} fails {check}" for check, scope in sorted(after.failing - before.failing)]


def not_found(planted: Iterable[Planted], findings: Findings, any_cause: bool) -> list[Planted]:
    """What was planted and is in no finding about its point, its instant and its cause, or any."""
    ranges = defaultdict[str, list[LateSamples]](list)
    for found in findings.late.values():
        ranges[found["point_key"]].append(found)
    return [
        value
        for value in planted
        if not any(
            found["first_event_time"] <= value.event_time <= found["last_event_time"] and (any_cause or found["cause"] == value.cause)
            for found in ranges[value.point_key]
        )
    ]


def complaints(planted: Sequence[Planted], clocks: Mapping[str, float], findings: Findings, any_cause: bool = False) -> list[str]:
    """What was not planted as it should be, or not found, a sentence each; `clocks`: seconds to be added to the timestamps of groups."""
    counts = Counter(value.cause for value in planted)
    said = [f"no value was planted that is late by {cause}" for cause in CAUSES if not counts[cause]]
    missed = not_found(planted, findings, any_cause)
    for cause, count in sorted(Counter(value.cause for value in missed).items()):
        first = next(value for value in missed if value.cause == cause)
        said.append(f"of {counts[cause]} values late by {cause}, {count} were not found: {first.point_key} at {first.event_time} µs")
    for group, seconds in clocks.items():
        clock = findings.clocks.get(group)
        if clock is None or clock["state"] != "SKEWED":
            said.append(f"the clock of {group}, off by {seconds:+g} s, was {'not judged' if clock is None else clock['state']}")
        elif (offset := clock["offset_ours_seconds"]) is None or abs(offset - seconds) > SKEW_TOLERANCE_SECONDS:
            said.append(f"the clock of {group} was estimated at {offset} s in place of {seconds:+g} s")
    return said
