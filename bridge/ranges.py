"""What an answer holds and what may be stated of it: ranges of a point's archive with their samples. Pure: instants are PI's ticks."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

from bridge.samples import Sample


class Page(NamedTuple):
    """One answer: samples in order of time, from `begin` on, and whether it was cut at the page limit."""

    samples: list[Sample]
    unreadable: list[int]
    """Instants at which an item could not be understood."""
    cut: bool

    def newest(self, default: int) -> int:
        """The newest instant that it holds, readable or not."""
        return max([*(sample.ticks for sample in self.samples[-1:]), *self.unreadable], default=default)

    def newest_up_to(self, bound: int, default: int) -> int:
        """The newest instant up to `bound` that it holds, readable or not, but at least `default`."""
        at = bisect_right(self.samples, bound, key=ticks_of)
        readable = (sample.ticks for sample in self.samples[max(at - 1, 0) : at])
        return max([default, *readable, *(ticks for ticks in self.unreadable if ticks <= bound)])


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
    """Instant of a sample, to sort and search by."""
    return sample.ticks


def between(samples: list[Sample], begin: int, end: int | None) -> list[Sample]:
    """Those of the samples, which come in order of time, that lie in [begin, end); in [begin, ...) without an end."""
    first = bisect_left(samples, begin, key=ticks_of)
    last = len(samples) if end is None else bisect_left(samples, end, key=ticks_of)
    return samples if last - first == len(samples) else samples[first:last]


def part(of: Range, begin: int, end: int) -> Range:
    """The part of a range that lies in [begin, end)."""
    if begin <= of.begin and of.end <= end:
        return of
    return Range(max(begin, of.begin), min(end, of.end), between(of.samples, begin, end))


def cut_around(begin: int, end: int, page: Page) -> list[Range]:
    """The page's samples in [begin, end) as ranges that leave out the instants that could not be understood."""
    holes = sorted({ticks for ticks in page.unreadable if begin <= ticks < end})
    ranges = []
    for low, high in zip([begin, *(hole + 1 for hole in holes)], [*holes, end], strict=True):
        if low < high or not holes:
            ranges.append(Range(low, high, between(page.samples, low, high)))
    return ranges
