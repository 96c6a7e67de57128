"""What an answer holds and what may be stated of it: ranges of a point's archive with their samples. Pure: instants are PI's ticks."""

from bisect import bisect_left
from typing import NamedTuple

from schemas.records import Sample


class Page(NamedTuple):
    """One answer: samples in order of time, from `begin` on, and whether it was cut at the page limit."""

    samples: list[Sample]
    unreadable: list[int]
    """Instants at which an item could not be understood."""
    cut: bool


class Range(NamedTuple):
    """What may be stated: in [begin, end) the point has exactly these samples."""

    begin: int
    end: int
    samples: list[Sample]
    digest: int | None = None
    """Of the samples, where it is known already."""
    confirmed: bool = False
    """This is what was stated of the range before."""


def ticks_of(sample: Sample) -> int:
    """Instant of a sample in ticks."""
    return sample["event_time"] * 10 + sample["ticks"]


def part(of: Range, begin: int, end: int) -> Range:
    """The part of a range that lies in [begin, end)."""
    if begin <= of.begin and of.end <= end:
        return of
    first, last = (bisect_left(of.samples, at, key=ticks_of) for at in (begin, end))
    return Range(max(begin, of.begin), min(end, of.end), of.samples[first:last])


def cut_around(begin: int, end: int, page: Page) -> list[Range]:
    """The page's samples in [begin, end) as ranges that leave out the instants that could not be understood."""
    holes = sorted({ticks for ticks in page.unreadable if begin <= ticks < end})
    ranges = []
    for low, high in zip([begin, *(hole + 1 for hole in holes)], [*holes, end], strict=True):
        if low < high or not holes:
            ranges.append(Range(low, high, [s for s in page.samples if low <= ticks_of(s) < high]))
    return ranges
