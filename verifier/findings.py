"""What the checks found: of each a count and the smallest example. Pure."""

from collections import Counter
from dataclasses import dataclass, field

RULES = {
    "V1": "every archived event of a covered range is in the statement that holds there, in Kafka and in bronze",
    "V2": "nothing else is there: no event is invented, none is there twice",
    "V3": "value, status, unit and time are equal, to the last bit and tick",
    "V4": "no range is covered without a read that served it",
    "V5": "sequences are dense and clocks are unique and grow",
    "V6": "bronze has each committed sample once, and none that is not committed",
    "V7": "silver is the archive in what is covered, event by event, and the open previews are those not overruled",
    "V8": "each disconnect has an incident that covers it, and each incident closes",
    "V9": "count and digest of each statement are those of its samples; of each confirmation, of what was stated before it",
    "V10": "every preview was really served, and is overruled only by reads that came after it",
}
"""Each check, and what holds where it finds nothing."""


@dataclass
class Findings:
    """Counts by check. What was merely not to be seen yet is `outstanding`, and no failure unless everything was said to be settled."""

    settled: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    outstanding: Counter[str] = field(default_factory=Counter)
    examined: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    _examples: dict[str, tuple[tuple[object, ...], str]] = field(default_factory=dict)

    def fail(self, check: str, example: str, count: int = 1, order: tuple[str, int] = ("", 0)) -> None:
        """Counts a failure. The example with the smallest `order` (point, instant) and then the shortest text is kept."""
        self.counts[check] += count
        rank = (*order, len(example), example)
        if check not in self._examples or rank < self._examples[check][0]:
            self._examples[check] = rank, example

    def leave(self, check: str, what: str, example: str, count: int = 1, order: tuple[str, int] = ("", 0)) -> None:
        """Counts what nobody could have seen yet: a failure of `check` if everything is settled."""
        if self.settled:
            self.fail(check, f"{example} ({what.replace('_', ' ')})", count, order)
        else:
            self.outstanding[what] += count

    def skip(self, check: str, reason: str) -> None:
        """Notes that a check, or a part of it, was not made."""
        self.skipped.setdefault(check, []).append(reason)

    def example(self, check: str) -> str | None:
        """The smallest example of a check's failures."""
        return self._examples[check][1] if check in self._examples else None

    @property
    def clean(self) -> bool:
        """True if no check failed."""
        return not self.counts.total()
