"""Frames whose sequence is not the one that was to come, and the incidents that tell of them. Pure.

Whoever meets the same oddity gives its incident the same id, so that it is one incident, whoever tells of it first.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast

from schemas import wire
from schemas.records import Incident


@dataclass(frozen=True)
class Oddity:
    """A frame whose sequence is not the one that was to come."""

    topic: str
    partition: int
    offset: int
    """Of the frame."""
    expected: int
    found: int

    @property
    def kind(self) -> Literal["SEQUENCE_HOLE", "SEQUENCE_REPEATED"]:
        """A hole, or a sequence that was there before."""
        return "SEQUENCE_HOLE" if self.found > self.expected else "SEQUENCE_REPEATED"

    @property
    def incident_id(self) -> str:
        """The same whenever the same oddity is met again."""
        word = "hole" if self.found > self.expected else "repeated"
        return f"{word}-{self.topic}-{self.partition}-{self.offset}-{self.expected}-{self.found}"

    @property
    def text(self) -> str:
        """What was found, in a sentence."""
        where = f"{self.topic} partition {self.partition}"
        if self.found > self.expected:
            last = self.found - 1
            missing = f"sequence {self.expected}" if last == self.expected else f"sequences {self.expected} to {last}"
            return f"{where} lacks {missing} before offset {self.offset}"
        return f"{where} has sequence {self.found} at offset {self.offset}, where {self.expected} was to come"

    def incident(self, source: str, now: int) -> Incident:
        """The incident, opened; `now` in microseconds."""
        nothing: dict[str, Any] = {field["name"]: None for field in wire.raw_schema("incident")["fields"]}
        said = {
            "source": source,
            "incident_id": self.incident_id,
            "kind": self.kind,
            "state": "OPENED",
            "shard": self.partition,
            "opened_time": now,
            "from_time": now,
            "points": 0,
            "point_keys": [],
            "detail": self.text,
            "topic": self.topic,
            "partition": self.partition,
            "from_offset": self.offset,
            "to_offset": self.offset + 1,
            "from_sequence": self.expected,
            "to_sequence": self.found,
        }
        return cast(Incident, nothing | said)
