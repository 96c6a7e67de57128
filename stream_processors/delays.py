"""What is usual for a point, learnt in bounded memory: a histogram of seconds by powers of two, one byte a bin. Pure.

Bin 0 holds what is below a second, bin b what is below 2 ** b seconds. A row is halved when a bin is nearly full, so that it remembers the
last 250 to 500 observations of what is most frequent, and forgets the rest by halves. One observation a minute and point: hours of late
values that come in one go count once, like any other minute.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

BINS = 24
_FULL = 250
_SHARE = 0.95
_MARGIN = 4


def bins_of(micros: Array) -> Array:
    """The bin of each duration; what is below zero counts as nothing."""
    exponents = np.frexp(np.maximum(micros, 0) / 1e6)[1]
    return np.clip(exponents, 0, BINS - 1)


def learn(histogram: Array, rows: Array, micros: Array) -> None:
    """Counts a duration for each of these rows, which must differ from one another."""
    bins = bins_of(micros)
    histogram[rows, bins] += 1
    full = rows[histogram[rows, bins] >= _FULL]
    if full.size:
        histogram[full] >>= 1


def within(histogram: Array) -> tuple[Array, Array]:
    """Of each row: the upper end of the bin that 95 % do not exceed, microseconds; and how many observations there are.

    What always takes the same is less than that, and twice as much is not.
    """
    sums = histogram.cumsum(axis=1, dtype=np.int32)
    totals = sums[:, -1]
    reached = (sums >= _SHARE * totals[:, None]).argmax(axis=1)
    return np.exp2(reached) * 1e6, totals


def usual(histogram: Array) -> tuple[Array, Array]:
    """The same, 4 times as long: what is longer is not usual.

    Exceeded by 6 of a million delays that are exponential, and never by those spread evenly over a batch interval.
    """
    ends, totals = within(histogram)
    return _MARGIN * ends, totals
