"""Frames of a topic's partition have dense sequences: what a batch holds is compared with what was landed before. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.oddities import Oddity

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True)
class Expected:
    """What comes next on a partition."""

    sequence: int
    unreadable: int = 0
    """Records since the last frame that could not be read: they may have been the frames that are missing."""


@dataclass
class Followed:
    """Outcome of a batch."""

    expected: dict[Place, Expected]
    """For the next batch."""
    oddities: list[Oddity] = field(default_factory=list)
    explained: list[Oddity] = field(default_factory=list)
    """Holes that unreadable records lie in, each of which is a dead letter."""


def follow(before: Mapping[Place, Expected], seen: Mapping[Place, Iterable[tuple[int, int | None]]]) -> Followed:
    """Walk through a batch: `seen` holds offset and sequence of each record of a partition, None where it could not be read.

    A partition that nothing is expected of begins with whatever comes. Behind an oddity one goes on from the frame that showed it.
    """
    outcome = Followed(dict(before))
    for place, records in seen.items():
        expected = before.get(place)
        unreadable = 0 if expected is None else expected.unreadable
        for offset, sequence in sorted(records, key=lambda record: record[0]):
            if sequence is None:
                unreadable += 1
                continue
            if expected is not None and sequence != expected.sequence:
                oddity = Oddity(*place, offset, expected.sequence, sequence)
                explained = 0 < sequence - expected.sequence <= unreadable
                (outcome.explained if explained else outcome.oddities).append(oddity)
            expected, unreadable = Expected(sequence + 1), 0
        if expected is not None:
            outcome.expected[place] = Expected(expected.sequence, unreadable)
    return outcome


def as_json(expected: Mapping[Place, Expected]) -> dict[str, dict[str, list[int]]]:
    """By topic and partition: the sequence, and how many records could not be read since."""
    found: dict[str, dict[str, list[int]]] = {}
    for (topic, partition), one in sorted(expected.items()):
        found.setdefault(topic, {})[str(partition)] = [one.sequence, one.unreadable]
    return found


def from_json(text: Mapping[str, Mapping[str, Any]]) -> dict[Place, Expected]:
    """The opposite of `as_json`."""
    return {(topic, int(partition)): Expected(*one) for topic, partitions in text.items() for partition, one in partitions.items()}
