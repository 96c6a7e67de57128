"""Which rescans have every hour read again that is not as it should be. Pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from schemas.records import MAX_NAMES

MAX_RESCANS = 24
"""Each is a job that every shard takes part in: rather a few hours more than many of them."""
_BLOCK_HOURS = (1, 6, 24, 24 * 7)


class Rescan(NamedTuple):
    """Points, and the hours [first, last), counted from 1970, that are to be read again."""

    points: tuple[str, ...]
    """All points, if there are none."""
    first: int
    last: int


def planned(hours: Mapping[str, Collection[int]], most: int = MAX_RESCANS) -> list[Rescan]:
    """Rescans of at least these hours of these points, the newest first: points with the same hours share one.

    Where there would be more than `most`, hours are rounded to longer blocks; in the end one range has all points.
    """
    if not any(hours.values()):
        return []
    for block in _BLOCK_HOURS:
        together: dict[tuple[int, int], list[str]] = {}
        for key in sorted(hours):
            for run in _runs({hour // block for hour in hours[key]}):
                together.setdefault((run[0] * block, run[1] * block), []).append(key)
        if sum(-(-len(keys) // MAX_NAMES) for keys in together.values()) <= most:
            return [
                Rescan(tuple(keys[at : at + MAX_NAMES]), *span)
                for span, keys in sorted(together.items(), reverse=True)
                for at in range(0, len(keys), MAX_NAMES)
            ]
    everything = {hour for of_point in hours.values() for hour in of_point}
    return [Rescan((), min(everything), max(everything) + 1)]


def _runs(numbers: Collection[int]) -> Iterable[tuple[int, int]]:
    """Begin and end of each unbroken run."""
    begins = sorted(number for number in numbers if number - 1 not in numbers)
    ends = sorted(number + 1 for number in numbers if number + 1 not in numbers)
    return zip(begins, ends, strict=True)
