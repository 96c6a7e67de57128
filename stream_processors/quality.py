"""Quality of each point: six checks on complete windows, flat lines, and values out of span; changes only, with hysteresis. Pure.

Shares are judged when enough samples came, over several windows if need be; a window in which nothing came says nothing of them, and is
what freshness and volume are for. A failing check is passed again after two good windows; freshness at once, when the point is heard.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.processors import Quality
from schemas.records import Point, PointChange, QualityCheck
from stream_processors import delays
from stream_processors.columns import KINDS, NONE, NUMBERS, Columns
from stream_processors.state import FUTURE, IN_SCOPE, STEP, ShardState

Array = NDArray[Any]

_SECOND, _MINUTE = 1_000_000, 60_000_000
CHECKS: tuple[QualityCheck, ...] = (
    "NULL_RATE", "FRESHNESS", "VOLUME", "GOOD_RATE", "DUPLICATES", "SCHEMA_DRIFT", "FLAT_LINE", "OUT_OF_SPAN",
)  # fmt: skip
NULL_RATE, FRESHNESS, VOLUME, GOOD_RATE, DUPLICATES, SCHEMA_DRIFT, FLAT_LINE, OUT_OF_SPAN = range(8)
_WINDOWS_TO_PASS = 2
_WINDOWS_TO_KNOW = 8
_VOLUME_MEMORY = 10
_MOST_WINDOWS = 24
"""A share is judged after so many windows, however few samples came."""
_FEWEST_TO_GUESS, FEWEST_GAPS = 5, 20
"""A point that was heard less is never stale, for all that is known of it; then not before an hour; then by its own cadence alone."""
_UNHEARD = 300 * _SECOND
_KIND_NAMES = tuple(KINDS)
_LONGER_RUNS = 4.0


class Measured(NamedTuple):
    """A check of some points, in one window."""

    check: int
    slots: Array
    failed: Array
    """By point: the limit is exceeded."""
    values: Array
    threshold: float


def deaf_after(gaps: Array) -> float:
    """A silence of all together that is longer is taken for ours, microseconds; `gaps` are those that are known, as `delays` has them."""
    usual, known = delays.usual(gaps)
    return max(_UNHEARD, float(usual[0])) if known[0] >= FEWEST_GAPS else _UNHEARD


# -- frame by frame -------------------------------------------------------------------------------------------------------------------


def count(state: ShardState, received: int, columns: Columns) -> None:
    """Takes the samples of a frame that PI sent by itself."""
    point, slots, starts = state.point, columns.slots, columns.starts
    same_time, same_value = _compared(state, columns)
    none = columns.kinds == NONE
    repeated = same_time & same_value
    zero, top = point["zero"][slots][columns.of_point], point["top"][slots][columns.of_point]
    number = (columns.kinds <= NUMBERS) & (columns.kinds > 0)
    outside = number & ((columns.values < zero) | (columns.values > top))
    counts = columns.counts.astype(np.uint32)
    _learn_cadence(state, received, slots)
    for name, marks in (("nulls", none), ("bad", ~columns.good), ("duplicates", repeated), ("outside", outside)):
        if marks.any():
            point[name][slots] += np.add.reduceat(marks, starts, dtype=np.uint32)
    new = slots[point["first_heard"][slots] == 0]
    if new.size:
        point["first_heard"][new] = point["counted_from"][new] = received
    point["count"][slots] += counts
    point["window_count"][slots] += counts
    point["heard"][slots] = received
    _follow_runs(state, received, columns, number & same_value & ~repeated, repeated)
    _watch_kinds(state, received, columns, none)
    last = starts + columns.counts - 1
    point["last_ticks"][slots], point["last_value"][slots] = columns.ticks[last], columns.values[last]
    point["last_kind"][slots] = columns.kinds[last]


def _compared(state: ShardState, columns: Columns) -> tuple[Array, Array]:
    """Whether each sample has the time, and the value, of the one before it."""
    point, slots, starts = state.point, columns.slots, columns.starts
    ticks, values, kinds = (np.empty_like(column) for column in (columns.ticks, columns.values, columns.kinds))
    ticks[1:], values[1:], kinds[1:] = columns.ticks[:-1], columns.values[:-1], columns.kinds[:-1]
    ticks[starts], values[starts], kinds[starts] = point["last_ticks"][slots], point["last_value"][slots], point["last_kind"][slots]
    same_value = (columns.values == values) | (np.isnan(columns.values) & np.isnan(values))
    return columns.ticks == ticks, same_value & (columns.kinds == kinds)


def _learn_cadence(state: ShardState, received: int, slots: Array) -> None:
    """Once a minute and point: how long it was silent before, and so when it will be stale."""
    point = state.point
    since = received - point["heard"][slots]
    minute = received // _MINUTE
    first = (point["heard"][slots] > 0) & (point["heard"][slots] // _MINUTE != minute)
    rows = slots[first]
    if rows.size:
        delays.learn(point["gaps"], rows, since[first])
        usual, gaps = delays.usual(point["gaps"][rows])
        guessed, known = gaps >= _FEWEST_TO_GUESS, gaps >= FEWEST_GAPS
        point["fresh_for"][rows[guessed]] = np.maximum(usual, np.where(known, state.least_fresh, state.usually_fresh))[guessed]


def _follow_runs(state: ShardState, received: int, columns: Columns, same: Array, repeated: Array) -> None:
    """How long each point has had the same number; a repeated sample neither ends a run nor makes it longer."""
    point, slots, starts = state.point, columns.slots, columns.starts
    places = np.arange(len(same))
    changed = ~same & ~repeated
    last_change = np.maximum.reduceat(np.where(changed, places, -1), starts)
    moved = last_change >= 0
    length = np.add.reduceat(same, starts, dtype=np.int64)
    if moved.any():
        ended = slots[moved]
        point["longest_run"][ended] = np.maximum(point["longest_run"][ended], point["run"][ended])
        point["run_since"][ended] = received
        after = np.add.reduceat(same & (places > last_change[columns.of_point]), starts, dtype=np.int64) + 1
        length = np.where(moved, after, length + point["run"][slots])
    else:
        length = length + point["run"][slots]
    point["run"][slots] = length


def _watch_kinds(state: ShardState, received: int, columns: Columns, none: Array) -> None:
    """A point whose values are of another kind than before; its unit too."""
    point, slots = state.point, columns.slots
    expected = point["expected_kind"][slots][columns.of_point]
    unlike = (columns.kinds != expected) & ~none
    if unlike.any():
        odd = np.logical_or.reduceat(unlike, columns.starts)[columns.of_point]
        for sample in np.flatnonzero(odd & ~none).tolist():
            slot, kind = int(slots[columns.of_point[sample]]), int(columns.kinds[sample])
            before = int(point["expected_kind"][slot])
            point["expected_kind"][slot] = kind
            if before not in (0, kind):
                drift(state, slot, received, f"values of type {_KIND_NAMES[kind]} in place of {_KIND_NAMES[before]}")
    for slot, unit in columns.units_changed:
        drift(state, slot, received, f"unit {state.units[slot]!r} in place of {unit!r}")


def drift(state: ShardState, slot: int, received: int, detail: str) -> None:
    """Notes that a point is not what it was: told at once, and over after two windows without another change."""
    point, bit = state.point, 1 << SCHEMA_DRIFT
    point["passed"][slot, SCHEMA_DRIFT] = 0
    state.touch(np.array([slot]))
    if not point["failing"][slot] & bit:
        point["failing"][slot] |= bit
        state.changes.append(_change(state, slot, SCHEMA_DRIFT, True, None, None, received, received, detail))


def describe(state: ShardState, slot: int, point: Point, received: int) -> None:
    """Takes over what the inventory says of a point; another digital set or type than before is a drift.

    A point that is not in scope any more fails nothing, and is a new one should it come back.
    """
    columns, before = state.point, state.sets[slot]
    now = f"{point['point_type']}/{point['digital_set'] or ''}"
    if before is not None and before != now:
        drift(state, slot, received, f"type and digital set {now} in place of {before}")
    state.sets[slot] = now
    zero, span = point["zero"], point["span"]
    limited = zero is not None and span is not None and span > 0 and point["point_type"] != "Digital"
    columns["zero"][slot] = zero if limited else -np.inf
    columns["top"][slot] = zero + span if limited and zero is not None and span is not None else np.inf
    flat = point["step"] or point["point_type"] == "Digital"
    state.flag(slot, STEP, flat)
    state.flag(slot, FUTURE, point["future"])
    if point["in_scope"] != bool(columns["flags"][slot] & IN_SCOPE):
        release(state, slot, received)
        columns["heard"][slot] = columns["first_heard"][slot] = 0
    state.flag(slot, IN_SCOPE, point["in_scope"])


def failing(state: ShardState) -> list[PointChange]:
    """Every check that fails now, as if it had just begun: for whoever may not have been told, or not know any more."""
    found, known = list[PointChange](), state.point["failing"][: len(state)]
    for slot in np.flatnonzero(known).tolist():
        for check in range(len(CHECKS)):
            if known[slot] & 1 << check:
                found.append(_change(state, slot, check, True, None, None, state.heard_at, state.heard_at, "it fails still"))
    return found


def release(state: ShardState, slot: int, received: int) -> None:
    """What fails of a point is over: it leaves its source, or is not looked at any more."""
    point = state.point
    for check in range(len(CHECKS)):
        if point["failing"][slot] & 1 << check:
            state.changes.append(_change(state, slot, check, False, None, None, received, received))
    point["failing"][slot] = 0
    state.touch(np.array([slot]))


# -- minute by minute, window by window -----------------------------------------------------------------------------------------------


def freshness(state: ShardState) -> None:
    """Points that have been silent for longer than they ever are, by what was heard of the shard; those heard again are fresh at once.

    For a point that is not stale yet, only that silence counts in which we listened.
    """
    n, point = len(state), state.point
    heard, failing = point["heard"][:n], point["failing"][:n]
    was = failing & (1 << FRESHNESS) != 0
    silent = state.heard_at - np.where(was, heard, np.maximum(heard, state.listening_since))
    known = (heard > 0) & (point["flags"][:n] & IN_SCOPE != 0)
    stale = known & (silent > point["fresh_for"][:n])
    for slot in np.flatnonzero(stale != was).tolist():
        failing[slot] ^= 1 << FRESHNESS
        threshold = float(point["fresh_for"][slot]) / _SECOND
        change = _change(
            state, slot, FRESHNESS, bool(stale[slot]), float(silent[slot]) / _SECOND, threshold, int(heard[slot]), state.heard_at
        )
        state.changes.append(change)
        state.touch(np.array([slot]))


def close_window(state: ShardState, begin: int, end: int, limits: Quality) -> None:
    """Judges the window [begin, end), and begins the next; one in which we did not listen throughout says nothing of volume."""
    n = len(state)
    slots = np.flatnonzero(state.point["flags"][:n] & IN_SCOPE)
    if slots.size == 0:
        return
    measured = [*_shares(state, slots, end, limits)]
    if state.window_whole and state.began <= begin:
        measured.append(_volume(state, slots, begin, limits))
    measured.append(_flat(state, slots, end, limits))
    drifts = np.zeros(len(slots), np.bool_)
    measured.append(Measured(SCHEMA_DRIFT, slots, drifts, np.full(len(slots), np.nan), np.nan))
    for check in measured:
        _transitions(state, check, begin, end)
    state.point["window_count"][slots] = 0
    state.touch(slots)


def _shares(state: ShardState, slots: Array, end: int, limits: Quality) -> list[Measured]:
    """Shares of the samples since each point was judged last, where these are enough."""
    point = state.point
    counts = point["count"][slots]
    waited = (end - point["counted_from"][slots]) >= _MOST_WINDOWS * limits.window_seconds * _SECOND
    ready = slots[(counts >= limits.min_samples) | ((counts > 0) & waited)]
    total = point["count"][ready].astype(float)
    good = (total - point["bad"][ready]) / total
    shares = [
        Measured(check, ready, value > limit, value, limit)
        for check, name, limit in (
            (NULL_RATE, "nulls", limits.null_share),
            (DUPLICATES, "duplicates", limits.duplicate_share),
            (OUT_OF_SPAN, "outside", limits.out_of_span_share),
        )
        for value in (point[name][ready] / total,)
    ]
    shares.append(Measured(GOOD_RATE, ready, good < limits.good_share, good, limits.good_share))
    for name in ("count", "nulls", "bad", "duplicates", "outside"):
        point[name][ready] = 0
    point["counted_from"][ready] = end
    return shares


def _volume(state: ShardState, slots: Array, begin: int, limits: Quality) -> Measured:
    """How unusual the number of samples is, against the point's last ten windows or so; learns from it."""
    point = state.point
    rows = slots[(point["first_heard"][slots] > 0) & (point["first_heard"][slots] <= begin)]
    counts = point["window_count"][rows].astype(float)
    mean, variance, windows = (point[name][rows].astype(float) for name in ("volume_mean", "volume_variance", "windows"))
    # Chance alone scatters a count by its root: a point of perfect regularity would otherwise fail at the first missing value.
    deviation = np.sqrt(np.maximum(variance, np.maximum(mean, 1.0)))
    z = (counts - mean) / deviation
    known = windows >= _WINDOWS_TO_KNOW
    learnt = np.where(known, np.clip(counts, mean - limits.volume_z * deviation, mean + limits.volume_z * deviation), counts)
    weight = np.maximum(1 / (windows + 1), 1 / _VOLUME_MEMORY)
    point["volume_variance"][rows] = (1 - weight) * (variance + weight * (learnt - mean) ** 2)
    point["volume_mean"][rows] = mean + weight * (learnt - mean)
    point["windows"][rows] = np.minimum(windows + 1, 60_000)
    return Measured(VOLUME, rows[known], np.abs(z[known]) > limits.volume_z, z[known], limits.volume_z)


def _flat(state: ShardState, slots: Array, end: int, limits: Quality) -> Measured:
    """Numbers that keep coming and stay the same for longer than the point ever did."""
    point = state.point
    numbers = (point["last_kind"][slots] > 0) & (point["last_kind"][slots] <= NUMBERS) & (point["flags"][slots] & STEP == 0)
    rows = slots[numbers & (point["window_count"][slots] > 0)]
    lasted = (end - point["run_since"][rows]) / _SECOND
    longest = np.maximum(limits.flat_samples, _LONGER_RUNS * point["longest_run"][rows])
    flat = (point["run"][rows] >= longest) & (lasted >= limits.flat_seconds)
    point["longest_run"][rows] *= 0.999
    return Measured(FLAT_LINE, rows, flat, lasted, limits.flat_seconds)


def _transitions(state: ShardState, check: Measured, begin: int, end: int) -> None:
    """Keeps who fails, and tells who begins to fail or has passed twice."""
    point, rows, bit = state.point, check.slots, 1 << check.check
    was = point["failing"][rows] & bit != 0
    passed = np.where(check.failed, 0, np.minimum(point["passed"][rows, check.check] + 1, _WINDOWS_TO_PASS))
    point["passed"][rows, check.check] = passed
    begins, ends = check.failed & ~was, was & (passed >= _WINDOWS_TO_PASS)
    for position in np.flatnonzero(begins | ends).tolist():
        slot, value = int(rows[position]), float(check.values[position])
        point["failing"][slot] ^= bit
        number = None if np.isnan(value) else value
        threshold = None if np.isnan(check.threshold) else check.threshold
        state.changes.append(_change(state, slot, check.check, bool(begins[position]), number, threshold, begin, end))


def _change(
    state: ShardState,
    slot: int,
    check: int,
    failed: bool,
    value: float | None,
    threshold: float | None,
    begin: int,
    end: int,
    detail: str = "",
) -> PointChange:
    return {
        "point_key": state.keys[slot],
        "tag": state.tags[slot],
        "clock_group": state.groups[int(state.point["group"][slot])][1],
        "asset": None,
        "quality_check": CHECKS[check],
        "failed": failed,
        "value": value,
        "threshold": threshold,
        "from_time": begin,
        "to_time": end,
        "detail": detail,
    }
