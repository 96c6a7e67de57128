"""Late data: received_time - event_time - skew of the clock group, against the threshold of the point; and why. Pure.

Only previews that PI announced can be late. What we read, statements and the previews among them, tells when we asked and not when PI had
it.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.processors import Lateness
from schemas.records import LateCategory, LateCause, LateSamples, Series, ThresholdKind, ValueFrame
from schemas.times import TICKS_PER_MICROSECOND
from stream_processors import delays
from stream_processors.columns import Columns
from stream_processors.state import CONFIGURED, FUTURE, Gap, ShardState

Array = NDArray[Any]

SECOND = 1_000_000
MINUTE = 60 * SECOND
_AFTERMATH = 300 * SECOND
"""What a buffering interface kept comes within this, or as long again as it was silent."""
_IN_FLIGHT = 10 * SECOND
"""What is stamped so shortly before a silence may have been on its way when that began."""
_PAUSE = 10 * SECOND
"""That nothing of a group came on time for less says little, however quick it is."""
_MOST_GAPS = 256
"""A lost connection ends all channels of a shard at once, and each is a gap of its own."""
_LATE_MINUTES = 4
_COMPANIONS = 3
"""So many points of a group do not come late in the same minute by chance."""
THRESHOLD_KINDS: tuple[ThresholdKind, ...] = ("UNKNOWN", "DEFAULT", "CONFIGURED", "LEARNT")
_DEFAULT, _CONFIGURED, _LEARNT = 1, 2, 3


def judge(state: ShardState, frame: ValueFrame, columns: Columns, limits: Lateness) -> list[LateSamples]:
    """What of a frame of previews is late or from the future; takes note of its arrival. Previews by READ are not for it."""
    received, slots, point, group = frame["received_time"], columns.slots, state.point, state.group
    groups = point["group"][slots]
    _notice_silence(state, groups, received, limits)
    skew = group["skew"][groups]
    lateness = received - columns.micros - skew[columns.of_point]
    late = lateness > point["threshold"][slots][columns.of_point]
    ahead = lateness < -int(limits.future_seconds * SECOND)
    forecast = (point["flags"][slots] & FUTURE).astype(bool)
    if forecast.any():
        late &= ~forecast[columns.of_point]
        ahead &= ~forecast[columns.of_point]
    late_points = np.logical_or.reduceat(late, columns.starts)
    _come_on_time(state, groups[~late_points & ~forecast], received)
    found: list[LateSamples] = []
    if late.any() or ahead.any():
        first = late_points & (point["late_period"][slots] != state.period)
        point["late_period"][slots[first]] = state.period
        np.add.at(group["late_points"], groups[first], 1)
        found = _Finder(state, frame, columns, limits).found(lateness, late, ahead)
    group["heard"][groups] = received
    _advance(state, columns, ahead, limits)
    _learn(state, columns.slots, received, np.maximum.reduceat(lateness, columns.starts), late_points, limits)
    return found


def configured(limits: Lateness, tag: str) -> float | None:
    """The threshold of a point of this name, if one is configured, seconds."""
    name = tag.casefold()
    for threshold in limits.thresholds:
        if fnmatchcase(name, threshold.name_filter.casefold()):
            return threshold.threshold_seconds
    return None


def configure(state: ShardState, slot: int, limits: Lateness) -> None:
    """Sets the threshold of a point that was just met, or has another name now."""
    seconds, point = configured(limits, state.tags[slot]), state.point
    if seconds is not None:
        point["threshold"][slot], point["threshold_kind"][slot] = int(seconds * SECOND), _CONFIGURED
        state.flag(slot, CONFIGURED, True)
    elif point["flags"][slot] & CONFIGURED:
        point["threshold"][slot], point["threshold_kind"][slot] = int(limits.default_threshold_seconds * SECOND), _DEFAULT
        state.flag(slot, CONFIGURED, False)


def _notice_silence(state: ShardState, groups: Array, received: int, limits: Lateness) -> None:
    """A group that speaks again after a silence: what was stamped in it was kept back."""
    group = state.group
    long = np.unique(groups[(received - group["heard"][groups] > limits.silence_seconds * SECOND) & (group["heard"][groups] > 0)])
    if long.size:
        ended = long[received - group["heard"][long] > _silence(state.group_gaps[long], limits)]
        group["silent_from"][ended] = group["heard"][ended]
        group["silent_to"][ended] = received


def _come_on_time(state: ShardState, groups: Array, received: int) -> None:
    """Takes note of groups of which something was not late; once a minute it is learnt how long nothing was."""
    before = state.group["on_time"][groups]
    own = np.unique(groups[(before > 0) & (before // MINUTE != received // MINUTE)])
    if own.size:
        delays.learn(state.group_gaps, own, received - state.group["on_time"][own])
    state.group["on_time"][groups] = received


def _usual_gap(histogram: Array, limits: Lateness) -> Array:
    """Within what nearly all gaps of each row stay, microseconds; 0 while too few are known."""
    ends, known = delays.within(histogram)
    return np.where(known >= limits.warm_up_arrivals, ends, 0)


def _silence(histogram: Array, limits: Lateness) -> Array:
    """What a gap of each row has to exceed to be more than a gap, microseconds."""
    return np.maximum(_usual_gap(histogram, limits), limits.silence_seconds * SECOND)


def _advance(state: ShardState, columns: Columns, ahead: Array, limits: Lateness) -> None:
    """The newest event of each point; what is from the future does not count, or nothing after it would be new."""
    point, slots = state.point, columns.slots
    newest = np.maximum.reduceat(np.where(ahead, 0, columns.ticks), columns.starts)
    known = point["newest"][slots]
    step = (newest - known) // TICKS_PER_MICROSECOND
    wide = np.flatnonzero((step > limits.silence_seconds * SECOND) & (known > 0))
    if wide.size:
        jumped = wide[step[wide] > _silence(point["gaps"][slots[wide]], limits)]
        point["gap_from"][slots[jumped]] = known[jumped]
        point["gap_to"][slots[jumped]] = newest[jumped]
    point["newest"][slots] = np.maximum(newest, known)


def _learn(state: ShardState, slots: Array, received: int, lateness: Array, late: Array, limits: Lateness) -> None:
    """Once a minute and point: how late its worst value was; what is late now is learnt in one minute of four, in case it stays so."""
    point, minute = state.point, received // MINUTE
    taken = point["learnt_minute"][slots] != minute
    if minute % _LATE_MINUTES:
        taken &= ~late
    if not taken.any():
        return
    rows = slots[taken]
    point["learnt_minute"][rows] = minute
    delays.learn(point["delays"], rows, lateness[taken])
    usual, arrivals = delays.usual(point["delays"][rows])
    known = (arrivals >= limits.warm_up_arrivals) & (point["flags"][rows] & CONFIGURED == 0)
    point["threshold"][rows[known]] = np.maximum(usual[known], limits.least_threshold_seconds * SECOND)
    point["threshold_kind"][rows[known]] = _LEARNT


@dataclass
class _Run:
    """Late samples of a point next to one another, alike in category and cause."""

    category: LateCategory
    cause: LateCause
    first: int
    last: int
    samples: int
    lateness: int


class _Finder:
    """Names causes, sample by sample: it is rare that there are any."""

    def __init__(self, state: ShardState, frame: ValueFrame, columns: Columns, limits: Lateness) -> None:
        self._state, self._frame, self._columns, self._limits = state, frame, columns, limits
        self._received = frame["received_time"]
        self._tags = {series["point_key"]: series["tag"] for series in frame["series"]}
        self._sizes = np.bincount(state.point["group"][: len(state)][state.point["heard"][: len(state)] > 0], minlength=len(state.groups))
        self._usual_gaps = _usual_gap(state.group_gaps, limits)

    def found(self, lateness: Array, late: Array, ahead: Array) -> list[LateSamples]:
        columns, found = self._columns, list[LateSamples]()
        wanted = late | ahead
        for position in np.flatnonzero(np.logical_or.reduceat(wanted, columns.starts)).tolist():
            begin = int(columns.starts[position])
            end = begin + int(columns.counts[position])
            runs = list[_Run]()
            last_wanted = -1
            slot = int(columns.slots[position])
            newest = max(int(self._state.point["newest"][slot]), int(self._state.point["covered"][slot]))
            for sample in range(begin, end):
                ticks = int(columns.ticks[sample])
                if wanted[sample]:
                    by, micros = int(lateness[sample]), int(columns.micros[sample])
                    category = self._category(by)
                    cause: LateCause = "UNKNOWN" if ahead[sample] else self._cause(slot, micros, ticks, newest)
                    run = runs[-1] if runs else None
                    if run is None or last_wanted != sample - 1 or (run.category, run.cause) != (category, cause):
                        runs.append(_Run(category, cause, micros, micros, 1, by))
                    else:
                        run.first, run.last = min(run.first, micros), max(run.last, micros)
                        run.samples, run.lateness = run.samples + 1, max(run.lateness, by)
                    last_wanted = sample
                if not ahead[sample]:
                    newest = max(newest, ticks)
            found += [self._record(slot, run) for run in runs]
        return found

    def _category(self, lateness: int) -> LateCategory:
        limits = self._limits
        if lateness < 0:
            return "FUTURE"
        if lateness > limits.very_late_seconds * SECOND:
            return "VERY_LATE"
        if lateness > limits.late_seconds * SECOND:
            return "LATE"
        return "SLIGHTLY_LATE" if lateness > limits.slightly_late_seconds * SECOND else "DELAYED"

    def _cause(self, slot: int, micros: int, ticks: int, newest: int) -> LateCause:
        """Why a sample is late, by what explains it best: our own gap, a silence of its group, a group that moved as a whole, the point."""
        state, received = self._state, self._received
        number = int(state.point["group"][slot])
        group = {name: int(column[number]) for name, column in state.group.items()}
        stamped = micros + group["skew"]
        gaps = (gap for gap in state.our_gaps.values() if gap.begin <= stamped <= gap.end)
        if any(not gap.points or state.keys[slot] in gap.points for gap in gaps):
            return "OUR_GAP"
        aftermath = max(group["silent_to"] - group["silent_from"], _AFTERMATH)
        silent = group["silent_from"] - _IN_FLIGHT <= stamped <= group["silent_to"]
        if silent and received - group["silent_to"] <= aftermath:
            return "BUFFERED_INTERFACE"
        companions = group["late_points"] >= _COMPANIONS
        most = 2 * group["late_points"] >= self._sizes[number]
        usual_gap = self._usual_gaps[number]
        if companions and received - group["on_time"] > (usual_gap / 2 if most else max(_PAUSE, usual_gap)):
            return "GROUP_SHIFTED"
        if ticks > newest:
            return "BUFFERED_INTERFACE"
        if companions and state.point["gap_from"][slot] < ticks < state.point["gap_to"][slot]:
            return "BUFFERED_INTERFACE"
        return "BEHIND_COVERAGE"

    def _record(self, slot: int, run: _Run) -> LateSamples:
        state, frame = self._state, self._frame
        number, future = int(state.point["group"][slot]), run.category == "FUTURE"
        return {
            "source": frame["source"],
            "point_key": state.keys[slot],
            "tag": self._tags[state.keys[slot]],
            "clock_group": state.groups[number][1],
            "category": run.category,
            "cause": run.cause,
            "samples": run.samples,
            "first_event_time": run.first,
            "last_event_time": run.last,
            "lateness_seconds": run.lateness / SECOND,
            "threshold_seconds": self._limits.future_seconds if future else float(state.point["threshold"][slot]) / SECOND,
            "threshold_kind": "CONFIGURED" if future else THRESHOLD_KINDS[int(state.point["threshold_kind"][slot])],
            "skew_seconds": float(state.group["skew"][number]) / SECOND,
            "received_time": frame["received_time"],
            "shard": frame["shard"],
            "epoch": frame["epoch"],
            "sequence": frame["sequence"],
        }


def cover(state: ShardState, series: Series) -> None:
    """Takes note of how far the archive of a point has been stated."""
    statement = series["statement"]
    slot = state.slot_of.get(series["point_key"])
    if statement is not None and slot is not None:
        end = statement["to_time"] * TICKS_PER_MICROSECOND + statement["to_ticks"]
        if end > state.point["covered"][slot]:
            state.point["covered"][slot] = end
            state.touch(np.array([slot]))


def gap(state: ShardState, name: str, found: Gap) -> None:
    """Takes note of a time in which we did not listen: what is stamped in it may come late, and that is ours.

    `name` is that of what tells of it: told again, it is the same gap.
    """
    if state.our_gaps.get(name) == found:
        return
    state.our_gaps[name] = found
    if len(state.our_gaps) > _MOST_GAPS:
        del state.our_gaps[min(state.our_gaps, key=lambda known: state.our_gaps[known].end)]
    if found.end >= state.window:
        state.window_whole = False
