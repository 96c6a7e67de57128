"""Where several measures of a least delay agree. Pure; all in seconds.

A delay is never less than the way takes, and may be any amount more: of many measures the least ones are right, unless something else put
them there, such as a point whose values are stamped by hand. What stands alone at the lower end is therefore passed over.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

_ALONE_SECONDS = 1.0
_ALONE_SPREADS = 3.0
_MOST = 20
"""At most one in so many is passed over, but one where there are four."""


def floor_of(ordered: Sequence[float]) -> float:
    """The least of measures in rising order that others confirm."""
    count = len(ordered)
    middle = ordered[count // 2]
    for at in range(max(1, count // _MOST) if count >= 4 else 0):
        if ordered[at + 1] - ordered[at] <= max(_ALONE_SECONDS, _ALONE_SPREADS * (middle - ordered[at + 1])):
            return ordered[at]
    return ordered[max(1, count // _MOST) if count >= 4 else 0]


def common_path(levels: Sequence[float], within: float) -> float | None:
    """The least delay that two at least agree on within `within`, else the least; None without levels that are not below zero."""
    ordered = sorted(level for level in levels if level >= 0)
    for one, other in pairwise(ordered):
        if other - one <= within:
            return one
    return ordered[0] if ordered else None


def spread(deviations: Sequence[float]) -> float:
    """What four in five of the deviations do not exceed; infinite for less than three, which tell nothing."""
    return float(np.quantile(np.abs(deviations), 0.8)) if len(deviations) >= 3 else float("inf")
