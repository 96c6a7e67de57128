"""Clock skew: whose clock is wrong, by how much, and what a slow way explains as well (decision 67). Pure.

The second stage, over all shards; the first is `floors`. A `Track` a group; what moved all groups at once is taken off first; what is left
is judged against the other groups of the server. Offsets are what has to be added to a group's timestamps: positive if its clock is
behind, so that

    lateness = received_time - event_time - offset.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from schemas.processors import PI_CLOCK, Processors
from schemas.records import Assessment, ClockSkew, GroupPeriod, SkewEvidence, SkewKind, SkewVerdict
from stream_processors import consensus
from stream_processors.track import Track

_SECOND = 1_000_000
_RECENT_PERIODS, _HEARD_PERIODS = 10, 3
"""A group is judged while it was heard in three of the last ten periods: one that sends a batch an hour never is."""
_PERIODS_TO: dict[SkewVerdict, int] = {"SUSPECT": 1, "SKEWED": 2, "OK": 5}
_PEER_SPREADS = 4.0
_ZONE_SECONDS = 900.0
_ZONE_TOLERANCE = 5.0
_DRIFT_PPM, _DRIFT_ERRORS, _DRIFT_WINDOWS = 20.0, 5.0, 12
"""A drift is told from five errors on, and proves no more than it makes in twelve windows."""
_SAME_PATH_SECONDS = 1.0
_UNEVEN = 1.5
"""While a way is slow for all, by so much of it groups may differ."""
_SETTLED_PERIODS = 20
_MEMORY_PERIODS = 60
"""How scattered delays are is the mean of so many periods, and is not known before half of them."""
_TIGHT_SHARE, _TIGHT_SCALES = 0.04, 3.0
"""A way that takes long does not take the same every time: a clock that is behind is taken for one only where the delay hardly scatters,"""
_ALIKE, _ALIKE_SHARE = 1.5, 0.02
"""or where it moved at once, and scatters as it did before."""


@dataclass
class Clock:
    """What is known of one clock."""

    server: str
    track: Track
    state: SkewVerdict = "UNKNOWN"
    kind: SkewKind = "NONE"
    evidence: SkewEvidence = "NONE"
    since: int = 0
    towards: SkewVerdict = "UNKNOWN"
    streak: int = 0
    """For how many periods in a row all spoke for the state `towards`."""
    heard: list[tuple[int, float]] = field(default_factory=list)
    resting: bool = False
    """All groups of its server are off in the same way just now."""
    points: int = 0
    lagging: float = 0.0
    """How often values come as late as two of them are apart, like averages that are stamped with their beginning: 0 to 1."""
    scatter: float = 0.0
    """By how much values are later than the least, on average, while the track has this line; seconds."""
    scatter_before: float = 0.0
    """The same of the line before."""
    observed: int = 0
    moves: int = 0
    offset: float | None = None
    """Against our clock, as judged last; seconds."""
    told: tuple[Any, ...] = ()
    """State, kind and offset as published."""

    def note(self, period: int, floor: float) -> None:
        """Takes note of what was heard, as it was."""
        self.heard = [*((at, seen) for at, seen in self.heard if at > period - _RECENT_PERIODS), (period, floor)]

    def below(self, limit: float) -> bool:
        """True if two floors at least of the last ten periods were below it: no guess, but what was seen."""
        return sum(floor < limit for _, floor in self.heard) >= 2

    def describe(self, groups: list[GroupPeriod], period: int) -> None:
        """Takes what shards say of the group beside its floors; of the delays only while they are as the line has them."""
        self.points = sum(group["points"] for group in groups)
        samples = sum(group["samples"] for group in groups)
        if not self.track.floors:
            return
        scatter = sum(group["samples"] * group["mean_seconds"] for group in groups) / samples - self.track.at(period)
        if self.moves != self.track.moves:
            self.moves, self.scatter_before, self.scatter, self.observed = self.track.moves, self.scatter, scatter, 1
        elif not self.track.waiting and not self.resting:
            lagging = sum(group["lagging"] for group in groups) / max(self.points, 1)
            self.observed += 1
            weight = 1 / min(self.observed, _MEMORY_PERIODS)
            self.scatter += weight * (scatter - self.scatter)
            self.lagging += weight * (lagging - self.lagging)

    def tight(self, offset: float) -> bool:
        """True if the delay was seen long enough to be the same nearly every time, for an offset of that size."""
        return self.observed >= _MEMORY_PERIODS // 2 and max(self.scatter, _TIGHT_SCALES * self.track.scale) <= _TIGHT_SHARE * abs(offset)

    def stepped(self, offset: float, limit: float) -> bool:
        """True if it fell behind at once, and delays scatter as they did before; that they become shorter a way explains as well."""
        step = self.track.step
        alike = self.scatter <= _ALIKE * self.scatter_before + _ALIKE_SHARE * abs(step)
        return step > max(limit, self.scatter_before / 2) and offset > 0 and alike

    def judged(self, period: int) -> bool:
        """True if enough was heard lately."""
        return self.track.known and len([at for at, _ in self.heard if at > period - _RECENT_PERIODS]) >= _HEARD_PERIODS


@dataclass(frozen=True)
class _Seen:
    """A clock in one period, as it is judged."""

    level: float
    offset: float
    """Against our clock."""
    judged_offset: float
    """Against PI's or ours, with whichever it agrees better: where they differ, one of these two is wrong."""
    pi: float | None
    """How far PI's clock is ahead of ours."""
    path: float
    peers: float
    """How much the others of the server differ."""


@dataclass
class _Remembered:
    """All that `Clocks` knows between two periods."""

    groups: dict[str, Clock]
    pi: dict[int, Track]
    pi_clock: Clock
    together: dict[str, Clock]


_FORM = TypeAdapter(_Remembered)


class Clocks:
    """All clocks of a source. `take` what shards say of a period, then `judge` it, period by period in their order."""

    def __init__(self, source: str, settings: Processors) -> None:
        self._source, self._settings, self._period_seconds = source, settings.skew, settings.period_seconds
        self.groups: dict[str, Clock] = {}
        self._pi: dict[int, Track] = {}
        """By shard, how far our clock there is behind PI's, as a floor: readings of PI's clock are bounds from below."""
        self._pi_clock = Clock("", self._track())
        self._together: dict[str, Clock] = {}
        self._said: dict[str, list[tuple[int, GroupPeriod]]] = defaultdict(list)
        """By group, what shards said of the period that is judged next."""

    def dump(self) -> dict[str, Any]:
        """All that is known between two periods, as JSON takes it."""
        known: dict[str, Any] = _FORM.dump_python(_Remembered(self.groups, self._pi, self._pi_clock, self._together))
        return known

    def load(self, known: dict[str, Any]) -> None:
        """Takes over what `dump` gave."""
        found = _FORM.validate_python(known)
        self.groups, self._pi, self._pi_clock, self._together = found.groups, found.pi, found.pi_clock, found.together

    def _track(self) -> Track:
        return Track(self._settings.window_periods, self._period_seconds)

    def _end(self, period: int) -> int:
        return (period + 1) * self._period_seconds * _SECOND

    def take(self, said: Assessment) -> None:
        """Adds what one shard said of the period that is judged next."""
        shard, ahead = said["shard"], said["server_ahead_seconds"]
        if ahead is not None:
            self._pi.setdefault(shard, self._track()).add(said["period"], -ahead)
        for group in said["groups"]:
            name = group["clock_group"]
            if name not in self.groups:
                self.groups[name] = Clock(group["server"], self._track())
            self._said[name].append((shard, group))

    def judge(self, period: int) -> list[ClockSkew]:
        """What is new after this period: verdicts, and offsets that moved."""
        ahead = {shard: -track.at(period) for shard, track in self._pi.items() if track.known}
        pi = float(np.median(list(ahead.values()))) if ahead else None
        off = {shard: by - pi for shard, by in ahead.items()} if pi is not None else {}
        said = {name: [_moved(group, off.get(shard, 0.0)) for shard, group in told] for name, told in self._said.items()}
        floors = {name: consensus.floor_of(sorted(group["floor_seconds"] for group in groups)) for name, groups in said.items()}
        found = list[ClockSkew]()
        for server in sorted({clock.server for clock in self.groups.values()}):
            own = {name: floor for name, floor in floors.items() if self.groups[name].server == server}
            found += self._hear(server, own, period)
            for name in own:
                self.groups[name].describe(said[name], period)
            found += self._judge_server(server, period, pi)
        self._said.clear()
        if pi is not None:
            found += self._judge_pi(pi, period)
        return found

    # -- what moved together

    def _hear(self, server: str, floors: dict[str, float], period: int) -> list[ClockSkew]:
        """Feeds the tracks of a server's groups. While all of them are off in the same way, lines rest, but for who differs from all."""
        off = {name: floor - self.groups[name].track.at(period) for name, floor in floors.items() if self.groups[name].track.floors}
        known = {name: by for name, by in off.items() if self.groups[name].track.known}
        shift, scatter = self._shift(known, period)
        for name, floor in floors.items():
            clock = self.groups[name]
            clock.note(period, floor)
            clock.resting = shift != 0
            if not shift or (name in off and abs(off[name]) <= clock.track.tolerance()):
                clock.track.add(period, floor)
            elif name in off:
                differs = abs(off[name] - shift) > max(clock.track.tolerance(), 3 * scatter, _UNEVEN * abs(shift))
                if differs or name not in known:
                    clock.track.add(period, floor - shift)
        return self._judge_together(server, shift, period) if len(known) >= 3 else []

    def _shift(self, off: dict[str, float], period: int) -> tuple[float, float]:
        """By how much most groups are off their lines on the same side, and how they differ; 0 if most are not.

        Or if only the way has become shorter: then lines may follow.
        """
        least = self._settings.limit_seconds / 2
        sides = [[by for by in off.values() if by > least], [by for by in off.values() if by < -least]]
        together = max(sides, key=len)
        if len(together) < 3 or 2 * len(together) <= len(off):
            return 0.0, 0.0
        shift = float(np.median(together))
        if shift < 0 and float(np.median([self.groups[name].track.at(period) + by for name, by in off.items()])) >= 0:
            return 0.0, 0.0
        return shift, consensus.spread([by - shift for by in together])

    def _judge_together(self, server: str, shift: float, period: int) -> list[ClockSkew]:
        """Whether what moved all groups of a server at once is a clock; where it is a way that stays as it is now, lines are moved too."""
        together = self._together.setdefault(server, Clock(server, self._track()))
        together.track.add(period, shift)
        together.note(period, shift)
        if not together.judged(period):
            return []
        level = together.track.at(period)
        found = self._verdict(server, together, _Seen(level, level, level, None, 0.0, float("inf")), period, whole=True)
        settled = len(together.track.floors) >= _SETTLED_PERIODS and not together.track.waiting
        if settled and level > self._settings.limit_seconds / 2 and together.state != "SKEWED" and not _zone(level, 0.0):
            for clock in self.groups.values():
                if clock.server == server:
                    clock.track.rebase(level)
            self._together[server] = Clock(server, self._track(), together.state, since=together.since, told=together.told)
        return found

    # -- verdicts

    def _judge_server(self, server: str, period: int, pi: float | None) -> list[ClockSkew]:
        levels = {name: clock.track.at(period) for name, clock in self.groups.items() if clock.server == server and clock.judged(period)}
        path = self._path(list(levels.values()), pi)
        offsets = {name: level - path for name, level in levels.items()}
        calm = {name: offset for name, offset in offsets.items() if self.groups[name].state != "SKEWED"}
        found = list[ClockSkew]()
        for name, offset in offsets.items():
            against_pi = offset if pi is None else offset + pi
            judged = min(offset, against_pi, key=abs)
            peers = consensus.spread([other for peer, other in calm.items() if peer != name])
            found += self._verdict(name, self.groups[name], _Seen(levels[name], offset, judged, pi, path, peers), period)
        return found

    def _path(self, levels: list[float], pi: float | None) -> float:
        """The least delay that the way to us takes, as far as groups tell; a group alone may have a way of its own."""
        paths = [consensus.common_path(levels, _SAME_PATH_SECONDS)]
        if pi is not None and abs(pi) > self._settings.limit_seconds:
            paths.append(consensus.common_path([level + pi for level in levels], _SAME_PATH_SECONDS))
        least = min((path for path in paths if path is not None), default=0.0)
        return least if len(levels) > 1 or least <= self._settings.path_seconds else 0.0

    def _judge_pi(self, pi: float, period: int) -> list[ClockSkew]:
        """PI Web API's clock against ours: readings that hardly scatter prove it, since they do not depend on a way."""
        clock = self._pi_clock
        clock.track = next(track for track in self._pi.values() if track.known)
        clock.observed, clock.scatter = len(clock.track.floors), clock.track.scale
        clock.note(period, -pi)
        return self._verdict(PI_CLOCK, clock, _Seen(-pi, -pi, -pi, None, 0.0, 0.0), period)

    def _verdict(self, name: str, clock: Clock, seen: _Seen, period: int, whole: bool = False) -> list[ClockSkew]:
        """Moves the state of a clock on; its record if there is something to tell."""
        limit, offset = self._settings.limit_seconds, seen.judged_offset
        clock.offset = seen.offset
        clock.evidence = self._evidence(clock, seen) if abs(offset) > limit else "NONE"
        if whole and clock.evidence != "NEGATIVE_DELAY" and not _zone(offset, clock.track.half_width()):
            clock.evidence = "NONE"  # that all groups come later at once is what a slow way looks like
        clock.kind = "SLOW_PATH" if clock.track.restless else self._kind(clock, offset, limit)
        state = self._next_state(clock, offset)
        if state != clock.state:
            clock.state, clock.since = state, self._end(period)
        record = self._record(name, clock, seen, period)
        if not self._news(clock, seen):
            return []
        clock.told = (clock.state, clock.kind, seen.offset)
        return [record]

    def _evidence(self, clock: Clock, seen: _Seen) -> SkewEvidence:
        """What tells this clock from a way that takes as long."""
        track, offset, limit = clock.track, seen.judged_offset, self._settings.limit_seconds
        if offset < 0:
            against = 0.0 if seen.judged_offset == seen.offset else -(seen.pi or 0.0)
            if clock.below(against - limit / 2):
                return "NEGATIVE_DELAY"
        if clock.stepped(offset, limit):
            return "STEP"
        if offset > limit and clock.tight(offset) and clock.lagging < 0.5:
            if _zone(offset, track.half_width()):
                return "WHOLE_HOUR"
            if offset > _PEER_SPREADS * seen.peers:
                return "PEERS"
        drifted = track.slope * _DRIFT_WINDOWS * self._settings.window_periods
        return "DRIFT" if _drifts(track) and (drifted > 0) == (offset > 0) and abs(drifted) > abs(offset) else "NONE"

    def _kind(self, clock: Clock, offset: float, limit: float) -> SkewKind:
        if abs(offset) > limit and (zone := _zone(offset, clock.track.half_width())):
            return zone
        if _drifts(clock.track):
            return "DRIFT"
        return "OFFSET" if abs(offset) > limit else "NONE"

    def _next_state(self, clock: Clock, offset: float) -> SkewVerdict:
        """SUSPECT at once when it is off, SKEWED when that is proved two periods running; OK when it was right for five."""
        towards = self._towards(clock, abs(offset))
        clock.streak = clock.streak + 1 if towards == clock.towards else 1
        clock.towards = towards
        return towards if clock.state == "UNKNOWN" or clock.streak >= _PERIODS_TO[towards] else clock.state

    def _towards(self, clock: Clock, off: float) -> SkewVerdict:
        """The state that this period alone speaks for."""
        limit = self._settings.limit_seconds
        if clock.state == "SKEWED":
            return "OK" if off < limit / 2 and clock.kind != "SLOW_PATH" else "SKEWED"
        if off <= limit and clock.kind != "SLOW_PATH":
            return "OK"
        proved = clock.evidence != "NONE" and clock.kind != "SLOW_PATH"
        return "SKEWED" if proved and clock.state == "SUSPECT" else "SUSPECT"

    def _news(self, clock: Clock, seen: _Seen) -> bool:
        if not clock.told or clock.told[:2] != (clock.state, clock.kind):
            return True
        least = 0.1 if clock.state == "SKEWED" else self._settings.limit_seconds / 2
        return bool(abs(clock.told[2] - seen.offset) > max(least, 2 * clock.track.half_width()))

    def _record(self, name: str, clock: Clock, seen: _Seen, period: int) -> ClockSkew:
        track, limit = clock.track, self._settings.limit_seconds
        half, drift = track.half_width(), track.drift()
        against_pi = None if name == PI_CLOCK or seen.pi is None else seen.offset + seen.pi
        wrong = clock.state == "SKEWED" and name != PI_CLOCK
        with_pi = against_pi is not None and abs(against_pi) < limit < abs(seen.offset)
        longest = seen.path if seen.peers == float("inf") else max(seen.path, seen.path + _PEER_SPREADS * seen.peers)
        return {
            "source": self._source,
            "clock_group": name,
            "server": clock.server,
            "state": clock.state,
            "kind": clock.kind,
            "evidence": clock.evidence,
            "offset_pi_seconds": against_pi,
            "offset_ours_seconds": seen.offset,
            "low_seconds": seen.level - longest - half,
            "high_seconds": seen.level + half,
            "drift_ppm": None if drift is None else drift[0],
            "drift_error_ppm": None if drift is None else 2 * drift[1],
            "correction_seconds": seen.offset if wrong or with_pi else 0.0,
            "path_seconds": seen.path,
            "points": clock.points,
            "since_time": clock.since,
            "assessed_time": self._end(period),
            "detail": _sentence(name, clock, seen.offset, drift),
        }


def _moved(group: GroupPeriod, by: float) -> GroupPeriod:
    """The same with delays that are longer by so much."""
    return {**group, "floor_seconds": group["floor_seconds"] + by, "mean_seconds": group["mean_seconds"] + by}


def _zone(offset: float, half: float) -> SkewKind | None:
    """The fault that a multiple of a quarter of an hour speaks of."""
    quarters = round(offset / _ZONE_SECONDS)
    if quarters == 0 or abs(offset - quarters * _ZONE_SECONDS) > _ZONE_TOLERANCE + half:
        return None
    return "DAYLIGHT_SAVING" if abs(quarters) == 4 else "TIME_ZONE"


def _drifts(track: Track) -> bool:
    drift = track.drift()
    return drift is not None and abs(drift[0]) > max(_DRIFT_PPM, _DRIFT_ERRORS * drift[1])


def _sentence(name: str, clock: Clock, offset: float, drift: tuple[float, float] | None) -> str:
    if clock.state == "UNKNOWN":
        return f"clock of {name}: too little was heard"
    side = "behind" if offset > 0 else "ahead of"
    rate = "" if drift is None or clock.kind != "DRIFT" else f", drifts by {drift[0]:+.0f} ppm"
    if clock.kind == "SLOW_PATH":
        return f"{name}: delay has risen and does not stand still, which is a slow way and no clock"
    return f"clock of {name} is {abs(offset):.2f} s {side} ours{rate}: {clock.state}, by {clock.evidence}"
