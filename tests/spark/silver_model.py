"""What silver must hold, in plain Python, and scenes of statements and previews to judge it by. It shares nothing with the jobs.

A scene is what was published about one point. It can be told with the same words in any order, over any topics.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

HOUR = 36_000_000_000
BASE = 472_222 * HOUR
"""A whole hour of 2023, ticks."""


class Content(NamedTuple):
    """Status and value as far as the digest knows them, and what it does not know: a name."""

    value: float | None
    good: bool = True
    name: str | None = None

    @property
    def digested(self) -> tuple[object, ...]:
        return (None if self.value is None else self.value + 0.0, self.good)


Events = dict[tuple[int, int], Content]
"""By instant and ordinal."""


@dataclass(frozen=True)
class Stated:
    """A statement."""

    begin: int
    end: int
    as_of_clock: int
    clock: int
    events: tuple[tuple[tuple[int, int], Content], ...] = ()
    confirms: bool = False
    tag: str = "tag"

    @property
    def as_of(self) -> int:
        """Microseconds."""
        return BASE // 10 + self.as_of_clock * 1_000_000

    @property
    def rank(self) -> tuple[int, int]:
        return self.as_of_clock, self.clock

    def covers(self, at: int) -> bool:
        return self.begin <= at < self.end


@dataclass(frozen=True)
class Heard:
    """A preview."""

    at: int
    ordinal: int
    clock: int
    content: Content


@dataclass(frozen=True)
class Scene:
    """All that was published about a point."""

    statements: tuple[Stated, ...]
    previews: tuple[Heard, ...]

    @property
    def told(self) -> list[Stated | Heard]:
        """All of it, in one list."""
        return [*self.statements, *self.previews]


@dataclass
class Silver:
    """What the tables say of one point."""

    cleaned: dict[tuple[int, int], tuple[Content, str, int]] = field(default_factory=dict)
    """Content, tag, known_time."""
    corrections: dict[tuple[int, int, int, int], tuple[Any, ...]] = field(default_factory=dict)
    """By instant, ordinal, as_of_clock, clock: change, known_time, before_known_time, content after and before."""
    previews: dict[tuple[int, int], tuple[Content, int]] = field(default_factory=dict)
    marks: tuple[int | None, int | None, int, int] | None = None
    """Covered from and to, as_of, as_of_clock."""


def expected(scene: Scene) -> Silver:
    """Silver after all of a scene, whatever the order."""
    silver = Silver()
    stated = sorted({s.rank: s for s in scene.statements if s.begin < s.end}.values(), key=lambda s: s.rank)
    for identity in sorted({identity for s in stated for identity, _ in s.events if s.covers(identity[0])}):
        _event(silver, identity, [s for s in stated if s.covers(identity[0]) and not s.confirms])
    for heard in sorted(scene.previews, key=lambda p: p.clock):
        identity = heard.at, heard.ordinal
        if any(s.covers(heard.at) and s.as_of_clock > heard.clock for s in stated):
            silver.previews.pop(identity, None)
        else:
            silver.previews[identity] = heard.content, heard.clock
    if stated:
        ranges = [s for s in stated if not s.confirms]
        low, high = min((s.begin for s in ranges), default=None), max((s.end for s in ranges), default=None)
        silver.marks = low, high, max(s.as_of for s in stated), max(s.as_of_clock for s in stated)
    return silver


def _event(silver: Silver, identity: tuple[int, int], about: Sequence[Stated]) -> None:
    """The history of one event, statement by statement."""
    before: Content | None = None
    since = 0
    tag = ""
    for number, statement in enumerate(about):
        after = dict(statement.events).get(identity)
        alike = (after is None) == (before is None) and (after is None or before is None or after.digested == before.digested)
        if number == 0 or not alike:
            if number:
                change = "ADDED" if before is None else "REMOVED" if after is None else "CHANGED"
                was = None if before is None else since
                silver.corrections[*identity, *statement.rank] = change, statement.as_of, was, after, before
            since = statement.as_of
        before, tag = after, statement.tag
    if before is not None:
        silver.cleaned[identity] = before, tag, since


# -- scenes ------------------------------------------------------------------------------------------------------------------------

_CONTENTS = (
    *(Content(value) for value in (0.0, -0.0, 1.5, float("inf"))),
    Content(1.5, False),
    *(Content(None, False, name) for name in ("No Data", "Keine Daten")),
)


def scene(chance: random.Random) -> Scene:
    """A point's life: reads that go on, reads of old ranges, confirmations, pieces, repeats, and what was heard meanwhile."""
    clock = chance.randrange(3)
    instants = sorted(BASE + chance.choice((0, 1, 9, HOUR // 2, HOUR - 1)) + HOUR * chance.randrange(3) for _ in range(6))
    statements: list[Stated] = []
    previews: list[Heard] = []
    high = BASE + chance.randrange(HOUR)
    for _ in range(chance.randint(1, 6)):
        for _ in range(chance.randrange(3)):
            clock += 1
            at = chance.choice((*instants, high + chance.randrange(HOUR)))
            previews.append(Heard(at, chance.randrange(2), clock, chance.choice(_CONTENTS)))
        if chance.random() < 0.4:
            begin, high = high, high + chance.randrange(1, HOUR)
            end = high
        else:
            begin = BASE - HOUR + chance.randrange(5 * HOUR)
            end = begin + chance.choice((0, 1, chance.randrange(HOUR), chance.randrange(4 * HOUR)))
        clock += 1
        asked = clock - chance.choice((0, 0, 0, min(clock, 4)))  # a read that was long under way
        cut = begin + (end - begin) // 2 if chance.random() < 0.2 else end
        for low, top in ((begin, cut), (cut, end)) if cut < end else ((begin, end),):
            clock += 1
            statements.append(_read(chance, low, top, asked, clock, [*instants, low, top - 1]))
    repeated = [chance.choice(statements) for _ in range(chance.randrange(2))]
    return Scene((*statements, *repeated), tuple(previews))


def _read(chance: random.Random, begin: int, end: int, as_of_clock: int, clock: int, instants: Iterable[int]) -> Stated:
    if chance.random() < 0.2:
        return Stated(begin, end, as_of_clock, clock, confirms=True)
    events: Events = {}
    for at in sorted({at for at in instants if begin <= at < end}):
        for ordinal in range(chance.choice((0, 0, 1, 1, 2))):
            events[at, ordinal] = chance.choice(_CONTENTS)
    return Stated(begin, end, as_of_clock, clock, tuple(events.items()), tag=chance.choice(("tag", "tag", "new name")))


def plain(chance: random.Random) -> Scene:
    """A point whose reads only ever go on, one of them about two hours."""
    at, clock = BASE + chance.randrange(HOUR), 0
    statements = []
    for _ in range(4):
        end, clock = at + chance.choice((HOUR // 3, 2 * HOUR)), clock + 2
        events = tuple(((at + 10 * n, 0), Content(float(n))) for n in range(3))
        statements.append(Stated(at, end, clock - 1, clock, events))
        at = end
    return Scene(tuple(statements), (Heard(at + 5, 0, clock + 1, Content(9.0)),))


def moved(scene_: Scene, ticks: int) -> Scene:
    """The same scene at another time."""
    return Scene(
        tuple(
            replace(s, begin=s.begin + ticks, end=s.end + ticks, events=tuple(((at + ticks, n), c) for (at, n), c in s.events))
            for s in scene_.statements
        ),
        tuple(replace(p, at=p.at + ticks) for p in scene_.previews),
    )
