"""Digests of what was stated of a point, by span: they tell whether a re-read found anything new (design 3.2). Pure.

A span is what will be read together at the next age, or the part of it that is stated yet: digests add up. What was read at every age needs
none. So a point keeps some twenty spans, however many hours wait to be read again.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from bridge.digests import digest_of
from bridge.ranges import Range, part
from schemas.digest import EMPTY, add

MAX_SPANS = 64
"""Beyond this the oldest are given up: what they spoke of is stated in full when it is read again."""


class Cells(NamedTuple):
    """What is read together, where digests are needed."""

    of: Callable[[int], tuple[int, int] | None]
    """Begin and end of the cell that holds an instant; None where no digest is needed."""
    lowest: int
    """Below this instant, and only there, none is."""


class Span(NamedTuple):
    """What the ledger says of [begin, end), as a digest."""

    begin: int
    end: int
    digest: int


class Sums:
    """The spans of one point, in order of time, without overlap."""

    __slots__ = ("_packed",)

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._packed = array("q", [number for span in spans for number in span])

    @property
    def spans(self) -> list[Span]:
        """All of them."""
        packed = self._packed
        return [Span(packed[at], packed[at + 1], packed[at + 2]) for at in range(0, len(packed), 3)]

    def stated(self, begin: int, end: int, pages: Sequence[Sequence[Range]], cells: Cells) -> list[list[Range]]:
        """Takes note of what the pages of a read of [begin, end) state. Answers it as it is to be published.

        Where a page's samples have the digest of what was stated before of the very same range, it is confirmed. A range that an instant
        was left out of has no digest.
        """
        if begin == end:
            return [[stated._replace(digest=EMPTY) for stated in ranges] for ranges in pages]
        spans = self.spans
        within = [span for span in spans if begin <= span.begin and span.end <= end]
        edges = sorted({edge for span in within for edge in span[:2]} | set(_edges(begin, end, cells)))
        pieces = [[piece for stated in ranges for piece in _pieces(stated, edges)] for ranges in pages]
        together = [piece for page in pieces for piece in page]
        same = [span for span in within if _sum(together, span.begin, span.end) == span.digest]
        new = [*(s for s in spans if s.end <= begin or end <= s.begin), *(Span(p.begin, p.end, p.digest or EMPTY) for p in together)]
        self._keep(_joined(sorted(new), cells))
        for hole in _holes(begin, end, together):
            self.tear(*hole)
        return [_runs(page, same) if page else list(ranges) for page, ranges in zip(pieces, pages, strict=True)]

    def tear(self, begin: int, end: int) -> None:
        """[begin, end) was left out of what was stated: what touches it has no digest any more."""
        self._keep([span for span in self.spans if span.end < begin or end < span.begin])

    def _keep(self, spans: list[Span]) -> None:
        self._packed = array("q", [number for span in spans[-MAX_SPANS:] for number in span])


def _edges(begin: int, end: int, cells: Cells) -> Iterable[int]:
    """Where cells begin and end within [begin, end)."""
    at = max(begin, cells.lowest)
    while at < end and (cell := cells.of(at)) is not None:
        yield from (edge for edge in cell if begin < edge < end)
        at = cell[1]


def _pieces(stated: Range, edges: Sequence[int]) -> list[Range]:
    """The range cut at the edges, each piece with its digest."""
    if stated.begin == stated.end:
        return []
    borders = [stated.begin, *(edge for edge in edges if stated.begin < edge < stated.end), stated.end]
    parts = [part(stated, low, high) for low, high in pairwise(borders)]
    return [piece._replace(digest=digest_of(piece.samples)) for piece in parts]


def _sum(pieces: Sequence[Range], begin: int, end: int) -> int | None:
    """Digest of [begin, end) out of pieces that fill it; None if they do not."""
    digest, filled = EMPTY, 0
    for piece in pieces:
        if begin <= piece.begin and piece.end <= end:
            digest, filled = add(digest, piece.digest or EMPTY), filled + piece.end - piece.begin
    return digest if filled == end - begin else None


def _holes(begin: int, end: int, pieces: Sequence[Range]) -> list[tuple[int, int]]:
    """What of [begin, end) no piece holds."""
    borders = [begin, *(border for piece in pieces for border in piece[:2]), end]
    return [(low, high) for low, high in zip(borders[::2], borders[1::2], strict=True) if low < high]


def _joined(spans: Iterable[Span], cells: Cells) -> list[Span]:
    """Neighbours in one cell as one span; without those that no cell holds."""
    joined: list[Span] = []
    cell: tuple[int, int] | None = None
    for span in spans:
        if cell is not None and joined[-1].end == span.begin and span.begin < cell[1] and span.end <= cell[1]:
            joined[-1] = Span(joined[-1].begin, span.end, add(joined[-1].digest, span.digest))
        elif (cell := cells.of(span.begin)) is not None:
            joined.append(span)
    return joined


def _runs(pieces: Sequence[Range], same: Sequence[Span]) -> list[Range]:
    """Neighbouring pieces as one range each, those that lie in a span that is the same apart from the others."""
    runs: list[Range] = []
    for piece in pieces:
        confirmed = any(span.begin <= piece.begin and piece.end <= span.end for span in same)
        last = runs[-1] if runs else None
        if last is not None and last.end == piece.begin and last.confirmed is confirmed:
            digest = add(last.digest or EMPTY, piece.digest or EMPTY)
            runs[-1] = Range(last.begin, piece.end, [*last.samples, *piece.samples], digest, confirmed)
        else:
            runs.append(piece._replace(confirmed=confirmed))
    return runs
