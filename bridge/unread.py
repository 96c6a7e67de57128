"""Previews of a point that the archive has not been read for yet. Pure: instants are PI's ticks.

A point may collect a hundred of them in an hour before it is read, and a large plant has 100,000 points: sixteen bytes each.
"""

from array import array
from collections.abc import Callable, Iterator

_NONE = array("q")
"""Shared by all points of which nothing waits; never added to."""


class Unread:
    """The instant of each preview, and when it came, in the order in which they came."""

    __slots__ = ("_packed",)

    def __init__(self) -> None:
        self._packed = _NONE

    def __len__(self) -> int:
        return len(self._packed) // 2

    def __iter__(self) -> Iterator[tuple[int, int]]:
        packed = self._packed
        return zip(packed[::2], packed[1::2], strict=True)

    def add(self, ticks: int, came: int) -> None:
        """Takes note of one."""
        if self._packed is _NONE:
            self._packed = array("q")
        self._packed.append(ticks)
        self._packed.append(came)

    def keep(self, wanted: Callable[[int, int], bool]) -> None:
        """Drops those that are not wanted, by instant and arrival."""
        self._packed = array("q", [number for preview in self if wanted(*preview) for number in preview]) or _NONE
