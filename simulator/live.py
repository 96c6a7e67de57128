"""The plant at work: opens every stream with its computed past, then writes what is due, once per tick."""

from dataclasses import dataclass
from heapq import heapify, heapreplace

from simulator.computed import BlockCache, ComputedHistory
from simulator.events import Event
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Profile
from simulator.store import MAX_AHEAD_SECONDS, Counts, EventQueue, Stream

QUIET_SECONDS = 30 * 86400
_MOST_SLOTS_SEARCHED = 4096


def open_stream(
    profile: Profile, start: int, history_from: int, counts: Counts, cache: BlockCache, queue: EventQueue | None = None
) -> Stream:
    """The stream of a simulated point at `start`: past computed on demand, snapshot in place, compression test in mid-course."""
    if profile.period is None:
        stream = Stream(profile.point, counts, queue=queue)
        stream.write(profile.quiet_value(start - QUIET_SECONDS * TICKS_PER_SECOND))
        return stream
    slot = profile.slot_at(start) + profile.ahead
    journal = None if queue is None else queue.journal
    stream = Stream(profile.point, counts, ComputedHistory(profile, history_from, slot, cache, journal), queue)
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


@dataclass(slots=True)
class Interface:
    """What ails one interface: a wrong clock, or values it keeps to itself (None if it does not)."""

    offset: int = 0
    drift: float = 0.0
    since: int = 0
    kept: list[tuple[Stream, Event]] | None = None


class Load:
    """The live load of all points. Stopped, values are not sent and not made up for later, as when an interface is shut down."""

    def __init__(self, profiles: list[Profile], streams: dict[int, Stream], start: int, burst_seconds: int = 0) -> None:
        self._profiles = [profile for profile in profiles if profile.period is not None]
        self._streams = streams
        self._burst = burst_seconds * TICKS_PER_SECOND
        self._due: list[tuple[int, int, int, int]] = []
        self._ailing: dict[str, Interface] = {}
        self._now = start
        self.running = False
        self.run(start)

    def run(self, now: int) -> None:
        """Starts with the first event of each point after `now`."""
        if self.running:
            return
        self.running = True
        self._due = []
        for index, profile in enumerate(self._profiles):
            slot = profile.slot_at(now) + profile.ahead + 1
            h = profile.hash_of(slot)
            self._due.append((_due(profile, slot, h), index, slot, h))
        heapify(self._due)

    def stop(self) -> None:
        self.running = False

    # Ailing interfaces, by point source

    def set_clock(self, source: str, offset: float, drift: float) -> None:
        interface = self._ailing.setdefault(source, Interface())
        interface.offset, interface.drift, interface.since = round(offset * TICKS_PER_SECOND), drift, self._now

    def buffer(self, source: str) -> None:
        self._ailing.setdefault(source, Interface()).kept = []

    def deliver(self, source: str, *, newest_first: bool) -> None:
        """Writes what the interface kept. Newest first, all but the newest of a point come late."""
        interface = self._ailing.get(source, Interface())
        kept, interface.kept = interface.kept or [], None
        for stream, event in reversed(kept) if newest_first else kept:
            stream.write(event)

    def _pass(self, stream: Stream, event: Event, now: int, latest: int) -> None:
        """Writes an event unless its interface keeps it, with the stamp of that interface."""
        interface = self._ailing.get(stream.point.source)
        if interface is not None:
            event.ticks += interface.offset + round((now - interface.since) * interface.drift)
            if interface.kept is not None:
                interface.kept.append((stream, event))
                return
        if event.ticks > latest and not stream.point.future:
            stream.reject()
        else:
            stream.write(event)

    def advance(self, now: int, server_now: int | None = None) -> None:
        """Writes every event that is due at `now`, oldest first. With bursts, what was due during one comes at its end.

        `now` is the time at the interfaces. The server rejects what lies more than ten minutes ahead of its own clock.
        """
        due = self._due
        if self._burst:
            now -= now % self._burst
        plain = not self._ailing and server_now in (None, now)
        latest = (now if server_now is None else server_now) + MAX_AHEAD_SECONDS * TICKS_PER_SECOND
        self._now = now
        if not self.running:
            return
        while due and due[0][0] <= now:
            _, index, slot, h = due[0]
            profile = self._profiles[index]
            stream = self._streams[profile.point.point_id]
            for event in profile.events(slot, h):
                if plain:
                    stream.write(event)
                else:
                    self._pass(stream, event, now, latest)
            slot += 1
            h = profile.hash_of(slot)
            heapreplace(due, (_due(profile, slot, h), index, slot, h))


def _due(profile: Profile, slot: int, h: int) -> int:
    """When the event of a slot is written."""
    ticks = profile.ticks_of(slot, h)
    return ticks - profile.ahead * profile.period if profile.ahead and profile.period else ticks
