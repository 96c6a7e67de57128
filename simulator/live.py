"""The plant at work: opens every stream with its computed past, then writes what is due, once per tick."""

from heapq import heapify, heapreplace

from simulator.computed import BlockCache, ComputedHistory
from simulator.events import Event
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Profile
from simulator.store import Counts, Stream

QUIET_SECONDS = 30 * 86400
_MOST_SLOTS_SEARCHED = 4096


def open_stream(profile: Profile, start: int, history_from: int, counts: Counts, cache: BlockCache) -> Stream:
    """The stream of a simulated point at `start`: past computed on demand, snapshot in place, compression test in mid-course."""
    if profile.period is None:
        stream = Stream(profile.point, counts)
        stream.write(profile.quiet_value(start - QUIET_SECONDS * TICKS_PER_SECOND))
        return stream
    slot = profile.slot_at(start)
    stream = Stream(profile.point, counts, ComputedHistory(profile, history_from, slot, cache))
    archived, passed = _behind(profile, slot, history_from)
    stream.resume(archived, passed)
    for event in profile.events(slot, profile.hash_of(slot)):
        stream.write(event)
    stream.live = True
    return stream


def _behind(profile: Profile, slot: int, history_from: int) -> tuple[Event | None, list[Event]]:
    """The last event archived before `slot`, and those compression threw away since then."""
    passed: list[Event] = []
    after, h = profile.hash_of(slot), profile.hash_of(slot - 1)
    for earlier in range(slot - 1, slot - 1 - _MOST_SLOTS_SEARCHED, -1):
        before = profile.hash_of(earlier - 1)
        events = profile.events(earlier, h)
        if events[-1].ticks < history_from:
            break
        if profile.kept(before, h, after):
            return events[-1], passed[::-1]
        passed += events
        after, h = h, before
    return None, []


class Load:
    """The live load of all points. Stopped, values are not sent and not made up for later, as when an interface is shut down."""

    def __init__(self, profiles: list[Profile], streams: dict[int, Stream], start: int) -> None:
        self._profiles = [profile for profile in profiles if profile.period is not None]
        self._streams = streams
        self._due: list[tuple[int, int, int, int]] = []
        self.running = False
        self.run(start)

    def run(self, now: int) -> None:
        """Starts with the first event of each point after `now`."""
        if self.running:
            return
        self.running = True
        self._due = []
        for index, profile in enumerate(self._profiles):
            slot = profile.slot_at(now) + 1
            h = profile.hash_of(slot)
            self._due.append((profile.ticks_of(slot, h), index, slot, h))
        heapify(self._due)

    def stop(self) -> None:
        self.running = False

    def advance(self, now: int) -> None:
        """Writes every event that is due at `now`, oldest first."""
        due = self._due
        if not self.running:
            return
        while due and due[0][0] <= now:
            _, index, slot, h = due[0]
            profile = self._profiles[index]
            stream = self._streams[profile.point.point_id]
            for event in profile.events(slot, h):
                stream.write(event)
            slot += 1
            h = profile.hash_of(slot)
            heapreplace(due, (profile.ticks_of(slot, h), index, slot, h))
