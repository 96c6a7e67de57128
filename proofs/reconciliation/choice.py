"""Which rows are damaged, and where that has to show: chosen by chance, with an order of overruling of its own (`console.proof`)."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from console.proof import Held, Row, Statement, holding, ticks_of
from schemas.times import TICKS_PER_HOUR, hour_of

Place = tuple[str, int, int, int]
Event = tuple[Place, int, int]
"""A sample of bronze: its statement's place, ticks, ordinal."""
Spot = tuple[str, int]
"""A point and an hour, counted from 1970."""
_PLACE = ("kafka_topic", "kafka_partition", "kafka_offset", "series_index")


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong, and what has to be found."""

    kind: str
    spots: frozenset[Spot]
    finding: str
    """Empty: nothing, since what is damaged holds nowhere."""
    samples: frozenset[Event] = frozenset()
    """Rows of pi_timeseries that go."""
    values: frozenset[Event] = frozenset()
    """Rows of pi_timeseries whose number changes."""
    statements: frozenset[Place] = frozenset()
    """Rows of pi_coverage that go."""
    events: frozenset[tuple[str, int, int]] = frozenset()
    """Rows of pi_timeseries_cleaned that go: point, ticks, ordinal."""


@dataclass
class Choice:
    """Draws damages whose spots do not touch, out of what bronze holds."""

    statements: Mapping[str, Sequence[Statement]]
    rows: Mapping[Place, Sequence[Row]]
    chance: random.Random
    taken: set[Spot] = field(default_factory=set)
    """Spots that a damage shows at."""

    def __post_init__(self) -> None:
        self.held = {key: holding(statements) for key, statements in self.statements.items()}
        self._spans: dict[Place, list[tuple[str, Held]]] = defaultdict(list)
        for key, spans in self.held.items():
            for span in spans:
                self._spans[span.statement.place].append((key, span))
        ends = [span for spans in self.held.values() for span in spans]
        self.hours = range(hour_of(min(span.begin for span in ends)) + 1, hour_of(max(span.end for span in ends)))
        """Whole hours that damage is done in."""
        self._places = sorted(self._spans)
        self.chance.shuffle(self._places)

    def draw(self, count: int, make: Callable[["Choice", Place], Damage | None]) -> list[Damage]:
        """So many damages of a kind. Raises LookupError if there is not as much to damage."""
        drawn: list[Damage] = []
        for place in self._places:
            if len(drawn) == count:
                break
            damage = make(self, place)
            if damage is not None and not damage.spots & self.taken:
                self.taken |= damage.spots
                drawn.append(damage)
        if len(drawn) < count:
            raise LookupError(f"only {len(drawn)} of {count} damages could be made")
        return drawn

    def spots(self, place: Place) -> frozenset[Spot]:
        """Where a statement holds; nothing if that reaches beyond the hours."""
        found = {(key, hour) for key, span in self._spans[place] for hour in range(hour_of(span.begin), hour_of(span.end - 1) + 1)}
        return frozenset(found) if all(hour in self.hours for _, hour in found) else frozenset()

    def covers(self, key: str, hour: int) -> bool:
        """True if a point's statements are about all of an hour, and the first instant of the next."""
        begin, end = hour * TICKS_PER_HOUR, (hour + 1) * TICKS_PER_HOUR + 1
        return sum(max(0, min(span.end, end) - max(span.begin, begin)) for span in self.held[key]) == end - begin

    def holding_rows(self, place: Place) -> list[Row]:
        """Samples of a statement that hold."""
        return [row for row in self.rows.get(place, []) if any(span.begin <= row[0] < span.end for _, span in self._spans[place])]

    def overruled(self) -> list[Place]:
        """Statements with samples that hold nowhere."""
        everything = [one.place for statements in self.statements.values() for one in statements]
        return sorted(place for place in everything if place not in self._spans and self.rows.get(place))

    def leaves_a_hole(self, place: Place) -> bool:
        """True if nothing else is stated about any part of where a statement holds."""
        for key, span in self._spans[place]:
            others = holding(one for one in self.statements[key] if one.place != place)
            if any(one.begin < span.end and span.begin < one.end for one in others):
                return False
        return True


def sample_gone(choice: Choice, place: Place) -> Damage | None:
    """One sample of many is missing."""
    rows, spots = choice.holding_rows(place), choice.spots(place)
    if len(rows) < 2 or not spots:
        return None
    row = choice.chance.choice(rows)
    return Damage("sample gone", spots, "MISSING", samples=frozenset({(place, row[0], row[1])}))


def samples_gone(choice: Choice, place: Place) -> Damage | None:
    """All samples of a statement are missing."""
    rows, spots = choice.rows.get(place, []), choice.spots(place)
    if not rows or not spots:
        return None
    return Damage("samples gone", spots, "MISSING", samples=frozenset((place, ticks, ordinal) for ticks, ordinal, _ in rows))


def statement_gone(choice: Choice, place: Place) -> Damage | None:
    """A statement is missing, and nothing else is stated about its range."""
    spots = choice.spots(place)
    if not spots or not choice.leaves_a_hole(place):
        return None
    return Damage("statement gone", spots, "HOLE", statements=frozenset({place}))


def value_altered(choice: Choice, place: Place) -> Damage | None:
    """One number is another."""
    rows = [row for row in choice.holding_rows(place) if row[2].kind == "double"]
    spots = choice.spots(place)
    if not rows or not spots:
        return None
    row = choice.chance.choice(rows)
    return Damage("value altered", spots, "ALTERED", values=frozenset({(place, row[0], row[1])}))


def silver_event_gone(choice: Choice, place: Place) -> Damage | None:
    """Bronze is whole, silver lacks an event."""
    rows, spots = choice.holding_rows(place), choice.spots(place)
    if not rows or len(spots) != 1:
        return None
    ((key, _),) = spots
    row = choice.chance.choice(rows)
    return Damage("silver event gone", spots, "SILVER_DIFFERS", events=frozenset({(key, row[0], row[1])}))


def harmless(choice: Choice, count: int) -> list[Damage]:
    """Samples of statements that hold nowhere: nothing may be found."""
    places = choice.overruled()
    if len(places) < count:
        raise LookupError(f"only {len(places)} of {count} statements are overruled altogether")
    first = [(place, *choice.rows[place][0][:2]) for place in choice.chance.sample(places, count)]
    return [Damage("overruled sample gone", frozenset(), "", samples=frozenset({event})) for event in first]


# -- rows --------------------------------------------------------------------------------------------------------------------------


def timeseries_edit(damages: Iterable[Damage]) -> Callable[[pa.Table], pa.Table]:
    """What becomes of the rows of pi_timeseries."""
    gone = {event for damage in damages for event in damage.samples}
    altered = {event for damage in damages for event in damage.values}

    def edit(table: pa.Table) -> pa.Table:
        names = _events(table)
        numbers = table.column("value_double").to_pylist()
        changed = [float(number == 0.0) if name in altered else number for name, number in zip(names, numbers, strict=True)]
        at = table.schema.get_field_index("value_double")
        edited = table.set_column(at, table.schema.field(at), pa.array(changed, pa.float64()))
        return edited.filter(pa.array([name not in gone for name in names]))

    return edit


def coverage_edit(damages: Iterable[Damage]) -> Callable[[pa.Table], pa.Table]:
    """What becomes of the rows of pi_coverage."""
    gone = {place for damage in damages for place in damage.statements}
    return lambda table: table.filter(pa.array([place not in gone for place in zip(*_columns(table, _PLACE), strict=True)]))


def cleaned_edit(damages: Iterable[Damage]) -> Callable[[pa.Table], pa.Table]:
    """What becomes of the rows of pi_timeseries_cleaned."""
    gone = {event for damage in damages for event in damage.events}

    def edit(table: pa.Table) -> pa.Table:
        names = zip(*_columns(table, ("point_key",)), _ticks(table), *_columns(table, ("ordinal",)), strict=True)
        return table.filter(pa.array([name not in gone for name in names]))

    return edit


def _events(table: pa.Table) -> list[Event]:
    """Identity of each row; previews have coordinates that no statement has."""
    places = zip(*_columns(table, _PLACE), strict=True)
    return list(zip(places, _ticks(table), *_columns(table, ("ordinal",)), strict=True))


def _columns(table: pa.Table, names: Sequence[str]) -> list[list[Any]]:
    return [table.column(name).to_pylist() for name in names]


def _ticks(table: pa.Table) -> list[int]:
    micros = table.column("event_time").cast(pa.int64()).to_pylist()
    return [ticks_of(micro, rest) for micro, rest in zip(micros, table.column("ticks").to_pylist(), strict=True)]
