"""The order of the rules, on one page. Pure: frames, records and times come in, findings go out.

First stage, a `Shard` for each partition: `frame` for all of `live` and `recorded`, in their order. What was counted before is passed
over, by the sequence; what was lost shows as a hole. Periods close by the received_time of frames; `advance` closes them where none come,
and is called with the wall clock only when everything has been read, so that a replay gives the same. What the periods said goes to
`assessments`.

Second stage, one `Overview` for the source: it takes the assessments of all shards and finds what no shard sees alone.
"""

import json
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from schemas.processors import Processors
from schemas.records import Assessment, ClockSkew, Incident, LateSamples, Point, QualityFinding, ScopePeriod, ValueFrame
from stream_processors import delays, floors, lateness, quality
from stream_processors.clock_skew import Clocks
from stream_processors.columns import Samples, columns_of, samples_of
from stream_processors.rollup import Rollup
from stream_processors.state import IN_SCOPE, Gap, ShardState, server_of

_SECOND, _MINUTE = 1_000_000, 60_000_000
_CLOCK_TOLERANCE = 300 * _SECOND
_GRACE_PERIODS = 2
"""The others do not wait longer for a shard that says nothing."""
VERSION = 2
"""What is known of another version is not read: it is learnt anew."""
_GAPS = frozenset({"CHANNEL_LOST", "BRIDGE_DOWN", "CHANNELS_JOINED"})
"""Kinds of incidents in which the bridge did not listen."""

Dataset = Literal["live", "recorded"]


@dataclass
class Assessed:
    """What came of a frame."""

    late: list[LateSamples] = field(default_factory=list)
    assessments: list[Assessment] = field(default_factory=list)
    """Of the periods that it closed."""
    repeated: bool = False
    """It was counted before; nothing else is set."""
    lost: int = 0
    """So many frames before it are missing."""
    refused: str | None = None
    """Why it was not used, a sentence; its sequence counts."""


class Shard:
    """The first stage for one partition."""

    def __init__(self, source: str, shard: int, settings: Processors) -> None:
        self._source, self._settings = source, settings
        self.state = ShardState(shard, settings)
        self._whole = True
        """What fails is still to be told as a whole: it may have been learnt anew, or be told to somebody who has to learn it."""

    def frame(self, dataset: Dataset, frame: ValueFrame, now: int, samples: Samples | None = None) -> Assessed:
        """Applies the rules to a frame; `now` is the wall clock, microseconds, and only tells whether the frame is from the future.

        `samples` are those of a frame that was decoded by column; without them they stand in the frame.
        """
        state, received = self.state, frame["received_time"]
        last = state.sequences.get(dataset)
        if last is not None and frame["sequence"] <= last:
            return Assessed(repeated=True)
        lost = 0 if last is None else frame["sequence"] - last - 1
        state.sequences[dataset] = frame["sequence"]
        state.missing |= lost > 0 and dataset == "live"
        if received > now + _CLOCK_TOLERANCE:
            return Assessed(lost=lost, refused=f"received_time is {(received - now) / _SECOND:.0f} s ahead of this machine's clock")
        assessed = Assessed(assessments=self._resume(received, f"{dataset}/{frame['sequence']}"), lost=lost)
        if frame["origin"] != "LIVE":
            for series in frame["series"]:
                lateness.cover(state, series)
        elif frame["via"] != "READ":
            assessed.late = self._previews(frame, samples_of(frame) if samples is None else samples)
        return assessed

    def _resume(self, received: int, frame: str) -> list[Assessment]:
        """Goes on to a frame that came; where we did not listen before it, the window that ends and the one that begins are not whole."""
        state, since = self.state, received - self.state.heard_at
        deaf = state.heard_at > 0 and (state.missing or since > quality.deaf_after(state.gaps))
        if deaf and state.missing:
            lateness.gap(state, frame, Gap(state.heard_at, received, []))
        state.window_whole &= not deaf
        closed = self.advance(received)
        state.window_whole &= not deaf
        if deaf:
            state.listening_since = received
        if 0 < state.heard_at // _MINUTE < received // _MINUTE:
            delays.learn(state.gaps, np.array([0]), np.array([since]))
        state.missing, state.heard_at = False, max(state.heard_at, received)
        return closed

    def _previews(self, frame: ValueFrame, samples: Samples) -> list[LateSamples]:
        """Values that PI told us of by itself: only these are on their way when they come."""
        state, known = self.state, len(self.state)
        columns = columns_of(frame["series"], samples, state)
        if columns is None:
            return []
        for slot in range(known, len(state)):
            self._place(slot, None)
        state.touch(columns.slots)
        late = lateness.judge(state, frame, columns, self._settings.lateness)
        floors.gather(state, frame["received_time"], columns, frame["server_time"])
        quality.count(state, frame["received_time"], columns)
        return late

    def advance(self, now: int) -> list[Assessment]:
        """Closes the periods, and the windows, that end at or before `now`; what they said."""
        state, period = self.state, now // (self._settings.period_seconds * _SECOND)
        if not state.period:
            state.period, state.began, state.window = period, now, self._window(now)
            return []
        if period <= state.period:
            return []
        if (window := self._window(now)) > state.window:
            end = state.window + self._settings.quality.window_seconds * _SECOND
            state.window_whole &= end - state.heard_at <= quality.deaf_after(state.gaps)
            quality.close_window(state, state.window, end, self._settings.quality)
            state.window_whole = window == end
            state.window = window
        closed = [self._close_period()]
        state.period = period
        return closed

    def _window(self, now: int) -> int:
        length = self._settings.quality.window_seconds * _SECOND
        return now // length * length

    def _close_period(self) -> Assessment:
        state = self.state
        quality.freshness(state)
        ahead = None if state.server_ahead is None else state.server_ahead / _SECOND
        groups = floors.close_period(state)
        state.group["late_points"][:] = 0
        changes, state.changes = state.changes, []
        if whole := self._whole:
            named = {(change["point_key"], change["quality_check"]) for change in changes}
            changes = [*(one for one in quality.failing(state) if (one["point_key"], one["quality_check"]) not in named), *changes]
            self._whole = False
        return {
            "source": self._source, "shard": state.shard, "period": state.period,
            "end_time": (state.period + 1) * self._settings.period_seconds * _SECOND, "server_ahead_seconds": ahead,
            "groups": groups, "scopes": self._scopes(), "whole": whole, "changes": changes,
        }  # fmt: skip

    def _scopes(self) -> list[ScopePeriod]:
        state, n = self.state, len(self.state)
        met = (state.point["heard"][:n] > 0) & (state.point["flags"][:n] & IN_SCOPE != 0)
        sizes = np.bincount(state.point["group"][:n][met], minlength=len(state.groups)).tolist()
        return [
            {"scope_kind": "SOURCE", "scope": name, "points": size, "heard_time": int(state.group["heard"][number])}
            for number, ((_, name), size) in enumerate(zip(state.groups, sizes, strict=True))
            if size
        ]

    # -- what else is known

    def point(self, point: Point) -> None:
        """Takes over a record of `points`."""
        state, key = self.state, point["point_key"]
        slot = state.slot_of.get(key)
        if slot is None:
            slot = state.add(key, point["tag"], point["engineering_units"])
        state.tags[slot] = point["tag"]
        self._place(slot, point["point_source"])
        quality.describe(state, slot, point, state.heard_at)

    def _place(self, slot: int, point_source: str | None) -> None:
        """Finds the clock group and the threshold of a point; what was said of it in another group is over."""
        state = self.state
        name = floors.group_of(self._settings.skew, state.keys[slot], state.tags[slot], point_source)
        number = state.group_number(server_of(state.keys[slot]), name)
        if number != state.point["group"][slot]:
            quality.release(state, slot, state.heard_at)
        state.point["group"][slot] = number
        lateness.configure(state, slot, self._settings.lateness)
        state.touch(np.array([slot]))

    def incident(self, incident: Incident) -> None:
        """Takes note of a time in which the bridge did not listen, if it concerns this shard.

        Of one that lasts, the end is not known before it is told; one that is closed adds nothing, and may tell that.
        """
        state, name = self.state, incident["incident_id"]
        concerned = incident["shard"] in (None, state.shard) and incident["kind"] in _GAPS
        if not concerned or (incident["state"] not in ("OPENED", "REPAIRED") and name not in state.our_gaps):
            return
        end = incident["opened_time"] if incident["to_time"] is None else incident["to_time"]
        keys = incident["point_keys"]
        lateness.gap(state, name, Gap(incident["from_time"], end, keys if len(keys) == incident["points"] else []))
        if incident["kind"] == "BRIDGE_DOWN":
            state.listening_since = max(state.listening_since, end)

    def skew(self, found: ClockSkew) -> None:
        """Takes over a record of `skew`: lateness knows the clock from now on."""
        floors.correct(self.state, found)


class Overview:
    """The second stage: clocks and sources of all shards."""

    def __init__(self, source: str, settings: Processors) -> None:
        self._period_micros = settings.period_seconds * _SECOND
        self.clocks = Clocks(source, settings)
        self.rollup = Rollup(source, settings)
        self._periods: dict[int, dict[int, Assessment]] = defaultdict(dict)
        self._reached: dict[int, int] = {}
        """By shard, the last period that it told of."""
        self._judged = 0
        self.belated: set[int] = set()
        """Shards whose newest assessment came after its period was judged."""

    def dump(self) -> bytes:
        """All that is known, so that another one can go on with it."""
        known = {
            "version": VERSION, "period_micros": self._period_micros, "clocks": self.clocks.dump(), "rollup": self.rollup.dump(),
            "reached": self._reached,
            "periods": [[period, list(told.values())] for period, told in self._periods.items()], "judged": self._judged,
        }  # fmt: skip
        return zlib.compress(json.dumps(known).encode(), 1)

    def load(self, content: bytes) -> bool:
        """Takes over what `dump` gave; False, and all as it was, if that is of another version, or its periods had another length."""
        known = json.loads(zlib.decompress(content))
        if known["version"] != VERSION or known["period_micros"] != self._period_micros:
            return False
        self.clocks.load(known["clocks"])
        self.rollup.load(known["rollup"])
        self._reached = {int(shard): period for shard, period in known["reached"].items()}
        self._periods.update({period: {said["shard"]: said for said in told} for period, told in known["periods"]})
        self._judged = known["judged"]
        return True

    def take(self, said: Assessment) -> tuple[list[ClockSkew], list[QualityFinding]]:
        """Adds an assessment, each shard's in their order; what the periods that are now complete showed.

        One of periods of another length changes nothing. Of one that the others did not wait for, and of one of a period that was told of
        before, only the changes of points count: who tells again after a crash may have others to tell, and the same do no harm.
        """
        shard, period = said["shard"], said["period"]
        if said["end_time"] != (period + 1) * self._period_micros:
            return [], []
        if period <= self._reached.get(shard, 0):
            self.rollup.again(said, max(period, self._judged))
            return [], []
        self._reached[shard] = period
        self.belated.discard(shard)
        if period <= self._judged:
            self.belated.add(shard)
            self.rollup.take({**said, "period": self._judged})
            return [], []
        self._periods[period][shard] = said
        newest = max(self._reached.values())
        complete = min(reached for reached in self._reached.values() if reached > newest - _GRACE_PERIODS)
        skews, findings = list[ClockSkew](), list[QualityFinding]()
        for ready in sorted(ready for ready in self._periods if ready <= complete):
            told = self._periods.pop(ready)
            for number in sorted(told):
                self.clocks.take(told[number])
                self.rollup.take(told[number])
            skews += self.clocks.judge(ready)
            findings += self.rollup.judge(ready)
            self._judged = ready
        return skews, findings
