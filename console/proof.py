"""The demo's proof: what the lakehouse holds against what the archive holds, event by event and bit by bit. Pure.

It reads PI's JSON and the rows of bronze by itself, with nothing of the bridge: one misreading must not stand on both sides.
"""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FLOATS = ("Float16", "Float32", "Float64")
_WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class Statement(NamedTuple):
    """A statement as bronze has it: [begin, end) in ticks, its place in the order of overruling, and where its samples lie."""

    begin: int
    end: int
    as_of_clock: int
    clock: int
    place: tuple[str, int, int, int]
    """Kafka topic, partition, offset, and index of the series: samples name the same."""


class Event(NamedTuple):
    """Value and status of an event, comparable bit by bit."""

    kind: str
    value: object
    state: int | None
    flags: tuple[bool, bool, bool, bool]
    """Good, questionable, substituted, annotated."""


Row = tuple[int, int, Event]
"""Ticks, ordinal, event."""


class Held(NamedTuple):
    """A range and the statement that holds in it."""

    begin: int
    end: int
    statement: Statement


@dataclass
class Verdict:
    """Counts, and the first example of each."""

    lost: int = 0
    invented: int = 0
    wrong: int = 0
    duplicates: int = 0
    compared: int = 0
    """Archived events in the covered ranges."""
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """True if nothing is lost, invented, wrong or doubled."""
        return not (self.lost or self.invented or self.wrong or self.duplicates)

    def note(self, what: str, example: str, count: int = 1) -> None:
        """Counts a difference."""
        setattr(self, what, getattr(self, what) + count)
        self.examples.setdefault(what, example)


def ticks_of(micros: int, ticks: int) -> int:
    """An instant as bronze writes it, in ticks."""
    return micros * 10 + ticks


def holding(statements: Iterable[Statement]) -> list[Held]:
    """Which statement holds where: at each instant the one with the greatest (as_of_clock, clock). In order of time, without overlap."""
    free: list[Held] = []
    for statement in sorted(statements, key=lambda s: (s.as_of_clock, s.clock), reverse=True):
        begin = statement.begin
        for held in sorted(free, key=lambda h: h.begin):
            if held.end <= begin:
                continue
            if held.begin >= statement.end:
                break
            if begin < held.begin:
                free.append(Held(begin, held.begin, statement))
            begin = max(begin, held.end)
        if begin < statement.end:
            free.append(Held(begin, statement.end, statement))
    return sorted(free, key=lambda h: h.begin)


def compare(
    key: str, held: Sequence[Held], rows: dict[tuple[str, int, int, int], list[Row]], truth: Sequence[tuple[int, Event]], verdict: Verdict
) -> None:
    """Compares one point: the rows of the statements that hold, with the archive's events in the same ranges."""
    stated: Counter[tuple[int, int]] = Counter()
    values: dict[tuple[int, int], Event] = {}
    for span in held:
        for ticks, ordinal, event in rows.get(span.statement.place, []):
            if span.begin <= ticks < span.end:
                stated[ticks, ordinal] += 1
                values.setdefault((ticks, ordinal), event)
    expected = {place: event for place, event in numbered(truth) if _inside(place[0], held)}
    verdict.compared += len(expected)
    for place, count in stated.items():
        if count > 1:
            verdict.note("duplicates", f"{key} at {text(place)}: {count} times", count - 1)
        if place not in expected:
            verdict.note("invented", f"{key} at {text(place)}: {values[place]}")
        elif values[place] != expected[place]:
            verdict.note("wrong", f"{key} at {text(place)}: {values[place]}, and the archive has {expected[place]}")
    for place in expected.keys() - stated.keys():
        verdict.note("lost", f"{key} at {text(place)}: {expected[place]}")


def numbered(truth: Sequence[tuple[int, Event]]) -> list[tuple[tuple[int, int], Event]]:
    """The archive's events with the ordinal of each at its instant."""
    numbers: Counter[int] = Counter()
    placed = []
    for ticks, event in truth:
        placed.append(((ticks, numbers[ticks]), event))
        numbers[ticks] += 1
    return placed


def _inside(ticks: int, held: Sequence[Held]) -> bool:
    low, high = 0, len(held)
    while low < high:
        middle = (low + high) // 2
        if held[middle].end <= ticks:
            low = middle + 1
        else:
            high = middle
    return low < len(held) and held[low].begin <= ticks


def text(place: tuple[int, int]) -> str:
    """An instant and ordinal, for people."""
    moment = _EPOCH + timedelta(microseconds=place[0] // 10)
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}{place[0] % 10}Z" + (f" (event {place[1] + 1} there)" if place[1] else "")


def archived(point_type: str, value: Any, flags: tuple[bool, bool, bool, bool]) -> Event:
    """An event as the archive has it, from PI's JSON. Raises ValueError for what the simulator never writes."""
    if isinstance(value, dict):
        kind = "state" if value["IsSystem"] else "digital"
        return Event(kind, None if kind == "state" else value["Name"], value["Value"], flags)
    if isinstance(value, str) and point_type not in _FLOATS:
        return Event("string", value, None, flags)
    if point_type in _FLOATS:
        number = _WORDS[value] if isinstance(value, str) else float(value)
        return Event("double", struct.pack(">d", number), None, flags)
    if isinstance(value, int) and not isinstance(value, bool):
        return Event("long", value, None, flags)
    raise ValueError(f"a value that this proof does not know: {value!r} of type {point_type}")


def landed(row: dict[str, Any]) -> Row:
    """An event as bronze has it: columns of pi_timeseries, event_time in microseconds."""
    kind: str = row["value_type"].lower()
    value: object = None
    state = None
    match kind:
        case "double":
            value = struct.pack(">d", row["value_double"])
        case "long":
            value = row["value_long"]
        case "string":
            value = row["value_string"]
        case "digital":
            value, state = row["value_string"], row["digital_code"]
        case "none":
            kind, state = "state", row["system_state"]
    flags = (row["good"], row["questionable"], row["substituted"], row["annotated"])
    return ticks_of(row["event_time"], row["ticks"]), row["ordinal"], Event(kind, value, state, flags)
