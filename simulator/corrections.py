"""What people and late interfaces do to the past, as far back as history reaches: late values, edits, deletions, so many per second."""

import random

from simulator.events import Event
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Profile
from simulator.store import Stream

_KINDS = ("late", "edit", "delete")


class Corrections:
    """Each kind comes at random moments of its own rate. How far back is log-uniform: mostly minutes, sometimes hours or days."""

    def __init__(
        self,
        profiles: list[Profile],
        streams: dict[int, Stream],
        rates: tuple[float, float, float],
        seed: int,
        start: int,
        history_from: int,
    ) -> None:
        self._pairs = [
            (profile, streams[profile.point.point_id]) for profile in profiles if profile.period is not None and not profile.point.future
        ]
        self._rates = dict(zip(_KINDS, rates, strict=True))
        self._random = random.Random(seed)  # noqa: S311 - for disorder, not for secrets
        self._history_from = history_from
        self._made = 0
        self._due: dict[str, int] = {}
        self.rest(start)

    def rest(self, now: int) -> None:
        """Nothing is made up for: what would have been done until `now` is not done."""
        self._due = {kind: now + self._pause(kind) for kind in _KINDS if self._rates[kind] > 0 and self._pairs}

    def advance(self, now: int) -> None:
        """Does what is due at `now`."""
        for kind in self._due:
            while self._due[kind] <= now:
                self._correct(kind, self._due[kind])
                self._due[kind] += self._pause(kind)

    def _pause(self, kind: str) -> int:
        return 1 + round(self._random.expovariate(self._rates[kind]) * TICKS_PER_SECOND)

    def _correct(self, kind: str, now: int) -> None:
        profile, stream = self._random.choice(self._pairs)
        reach = max(2.0, (now - self._history_from) / TICKS_PER_SECOND)
        ticks = now - round(reach ** self._random.random() * TICKS_PER_SECOND)
        near = stream.newest(ticks)
        self._made += 1
        if kind == "late":
            if near is not None and self._random.random() < 0.3:
                # Beside what stands there already.
                ticks = near.ticks
            stream.write(Event(ticks, profile.correction(self._made, ticks)))
        elif near is not None:
            index = self._random.randrange(len(stream.recorded(near.ticks, near.ticks)))
            if kind == "edit":
                stream.edit(near.ticks, index, profile.correction(self._made, near.ticks))
            elif stream.newest(near.ticks - 1) is not None:  # a point always has its first event: PI's own is the state Pt Created
                stream.delete(near.ticks, index)
