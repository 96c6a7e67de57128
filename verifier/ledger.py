"""The coverage ledger of one point: which statement holds at each instant, and what no statement covers. Pure."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

from verifier.events import Event
from verifier.frames import Frame, Place, Series, Statement


class Claim(NamedTuple):
    """A statement with the samples that it was published with, and the frame that carried it."""

    statement: Statement
    clock: int
    place: Place
    series: int
    """Its index in the frame."""
    events: list[Event]

    @property
    def rank(self) -> tuple[int, int]:
        """Its place in the order of overruling."""
        return self.statement.as_of_clock, self.clock

    @property
    def text(self) -> str:
        dataset, partition, offset = self.place
        return f"statement {dataset}/{partition} offset {offset} series {self.series}"


class Span(NamedTuple):
    """[begin, end), and the claim that holds there."""

    begin: int
    end: int
    claim: Claim

    def events(self) -> list[Event]:
        """The samples that hold in the span."""
        if self.begin <= self.claim.statement.begin and self.claim.statement.end <= self.end:
            return self.claim.events
        return [event for event in self.claim.events if self.begin <= event.ticks < self.end]


def claims_of(frames: Iterable[Frame]) -> dict[str, list[Claim]]:
    """All statements by point key."""
    claims: dict[str, list[Claim]] = {}
    for frame in frames:
        for index, series in enumerate(frame.series):
            if series.statement is not None:
                claims.setdefault(series.point_key, []).append(claim_of(frame, index, series, series.statement))
    return claims


def claim_of(frame: Frame, index: int, series: Series, statement: Statement) -> Claim:
    return Claim(statement, frame.clock, frame.place, index, series.events)


def holding(claims: Iterable[Claim]) -> Iterator[Span]:
    """The spans in order of time, each with the claim of the greatest rank there. A range without width holds nothing."""
    waiting = sorted((c for c in claims if c.statement.begin < c.statement.end), key=lambda claim: claim.statement.begin)
    edges = sorted({edge for claim in waiting for edge in (claim.statement.begin, claim.statement.end)})
    alive: list[tuple[int, int, int]] = []
    following, open_span = 0, None
    for begin, end in pairwise(edges):
        while following < len(waiting) and waiting[following].statement.begin <= begin:
            as_of_clock, clock = waiting[following].rank
            heappush(alive, (-as_of_clock, -clock, following))
            following += 1
        while alive and waiting[alive[0][2]].statement.end <= begin:
            heappop(alive)
        claim = waiting[alive[0][2]] if alive else None
        if open_span is not None and (claim is not open_span.claim):
            yield open_span
            open_span = None
        if claim is not None:
            open_span = Span(begin, end, claim) if open_span is None else open_span._replace(end=end)
    if open_span is not None:
        yield open_span


def stated_before(claim: Claim, claims: Iterable[Claim]) -> tuple[list[Event], list[tuple[int, int]]]:
    """What held in a claim's range before it: the samples, and the parts of which nothing was stated."""
    begin, end = claim.statement.begin, claim.statement.end
    earlier = [
        c for c in claims if c.statement.kind != "CONFIRMED" and c.rank < claim.rank and c.statement.begin < end and begin < c.statement.end
    ]
    events = [event for span in holding(earlier) for event in span.events() if begin <= event.ticks < end]
    return events, uncovered(begin, end, earlier)


def uncovered(begin: int, end: int, claims: Iterable[Claim], beside: Iterable[tuple[int, int]] = ()) -> list[tuple[int, int]]:
    """The parts of [begin, end) that neither a claim nor a range `beside` covers."""
    gaps, at = [], begin
    for low, high in sorted([*((claim.statement.begin, claim.statement.end) for claim in claims), *beside]):
        if low >= end:
            break
        if at < low < high:
            gaps.append((at, low))
        if low < high:
            at = max(at, high)
    if at < end:
        gaps.append((at, end))
    return gaps
