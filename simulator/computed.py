"""History before the start of the simulator: computed when somebody asks, so a hundred thousand points with months of it take no memory."""

from bisect import bisect_left
from collections import OrderedDict
from operator import attrgetter

from simulator.events import Event
from simulator.journal import Journal
from simulator.profiles import Profile

# About 25 archived events: small enough that an hour of a slow point costs little more than that hour.
_SLOTS_PER_BLOCK = 128
_ticks_of = attrgetter("ticks")


class BlockCache:
    """The blocks read last, with their JSON, up to about `max_events` events. What falls out is computed again."""

    def __init__(self, max_events: int = 300_000) -> None:
        self._blocks: OrderedDict[tuple[int, int], list[Event]] = OrderedDict()
        self._max_events = max_events
        self._events = 0

    def get(self, key: tuple[int, int]) -> list[Event] | None:
        block = self._blocks.get(key)
        if block is not None:
            self._blocks.move_to_end(key)
        return block

    def put(self, key: tuple[int, int], block: list[Event]) -> None:
        self._blocks[key] = block
        self._events += len(block)
        while self._events > self._max_events and len(self._blocks) > 1:
            self._events -= len(self._blocks.popitem(last=False)[1])


class ComputedHistory:
    """What the archive of one point holds with `first <= ticks < end`. `end` is the begin of a slot.

    The journal is told of each block when it is first computed, so before anybody can have seen any of it.
    """

    __slots__ = ("_cache", "_journal", "_period", "_profile", "_told", "end", "first")

    def __init__(self, profile: Profile, first: int, end_slot: int, cache: BlockCache, journal: Journal | None = None) -> None:
        assert profile.period is not None
        self._profile = profile
        self._period = profile.period
        self._cache = cache
        self._journal = journal
        self._told: dict[int, int] = {}
        self.first = first
        self.end = end_slot * profile.period

    def edges(self, first: int, end: int) -> list[int]:
        """Where [first, end) is best cut so that each piece lies in one block, or wholly outside: strictly inside it, ascending."""
        length = _SLOTS_PER_BLOCK * self._period
        low, high = max(first, self.first), min(end, self.end)
        if low >= high:
            return []
        inner = range((low // length + 1) * length, high, length)
        return [edge for edge in (self.first, *inner, self.end) if first < edge < end]

    def events(self, first: int, end: int) -> list[Event]:
        """The archived events of [first, end), a piece cut at `edges`."""
        first, end = max(first, self.first), min(end, self.end)
        if first >= end:
            return []
        number = first // (_SLOTS_PER_BLOCK * self._period)
        block = self._block(number)
        return block[bisect_left(block, first, key=_ticks_of) : bisect_left(block, end, key=_ticks_of)]

    def _block(self, number: int) -> list[Event]:
        key = (self._profile.point.point_id, number)
        block = self._cache.get(key)
        if block is None:
            block = self._profile.archived(number * _SLOTS_PER_BLOCK, (number + 1) * _SLOTS_PER_BLOCK)
            if self._journal is not None:
                self._tell(self._journal, number, block)
            self._cache.put(key, block)
        return block

    def _tell(self, journal: Journal, number: int, block: list[Event]) -> None:
        """Gives the events of a block their ids: the same each time the block is computed."""
        length = _SLOTS_PER_BLOCK * self._period
        first, end = max(number * length, self.first), min((number + 1) * length, self.end)
        events = block[bisect_left(block, first, key=_ticks_of) : bisect_left(block, end, key=_ticks_of)]
        first_id = self._told.get(number)
        if first_id is None:
            first_id = self._told[number] = journal.next_ids(len(events))
            journal.history(self._profile.point.point_id, first, end, events, first_id)
        for position, event in enumerate(events):
            event.id = first_id + position
