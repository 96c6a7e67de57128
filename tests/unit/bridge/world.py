"""Points, values and answers to test with. Times of day are times on 2024-01-01, UTC, as ticks."""

from collections.abc import Sequence
from typing import Any

from bridge import pitime
from bridge.coverage import Page, PointCoverage, Range, Rules, ticks_of
from schemas.records import Sample
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND
from tests.unit.schemas import frames

SECOND, MINUTE, HOUR = TICKS_PER_SECOND, 60 * TICKS_PER_SECOND, TICKS_PER_HOUR
RULES = Rules(
    settle=2 * MINUTE,
    seal_previews=100,
    seal_min=5 * MINUTE,
    seal_max=HOUR,
    quiet=6 * HOUR,
    blind_margin=2 * HOUR,
    slice=24 * HOUR,
)


def at(clock: str, more: int = 0) -> int:
    """Ticks of a time of day, such as 09:30 or 09:30:01.5."""
    clock = clock if clock.count(":") == 2 else clock + ":00"
    return pitime.parse(f"2024-01-01T{clock}Z") + more


def hour(clock: str) -> int:
    """Number of the hour that holds a time of day."""
    return at(clock) // HOUR


def sample(ticks: int, value: float = 1.0, ordinal: int = 0, **fields: object) -> Sample:
    """A good floating-point sample."""
    number: dict[str, object] = {"ticks": ticks % 10, "ordinal": ordinal, "value_type": "DOUBLE", "value_double": value}
    return frames.sample(ticks // 10, **(number | fields))


def item(when: int | str, value: object = 1.5, **fields: object) -> dict[str, Any]:
    """A value object as PI Web API writes it."""
    text = when if isinstance(when, str) else pitime.text_of(when)
    flags = {"Good": True, "Questionable": False, "Substituted": False, "Annotated": False}
    return {"Timestamp": text, "Value": value, "UnitsAbbreviation": "", **flags, **fields}


def page(*ticks: int, cut: bool = False, unreadable: Sequence[int] = ()) -> Page:
    """An answer with a sample at each instant."""
    return Page([sample(t) for t in sorted(ticks)], list(unreadable), cut)


def times(ranges: Sequence[Range]) -> list[tuple[int, int, list[int]]]:
    """Ranges with the instants of their samples."""
    return [(r.begin, r.end, [ticks_of(s) for s in r.samples]) for r in ranges]


def covered(low: str, high: str, start: str | None = None, as_of: str | None = None) -> PointCoverage:
    """A point that is covered from `low` (its start unless told) to `high`, read forward at `as_of` (a settle after `high` unless told)."""
    point = PointCoverage("main:1", at(low if start is None else start), at(low), at(high))
    point.as_of = at(high) + RULES.settle if as_of is None else at(as_of)
    return point
