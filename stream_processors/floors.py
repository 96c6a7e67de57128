"""Delays of a shard's clock groups, by period: the first stage of clock skew. Pure.

Of each point the least received_time - event_time in a period, and what the points of a clock group agree on: `clock_skew.Clocks` judges
that.
"""

from fnmatch import fnmatchcase

import numpy as np

from schemas.processors import ClockGroup, Skew
from schemas.records import ClockSkew, GroupPeriod
from schemas.times import TICKS_PER_MICROSECOND
from stream_processors import consensus
from stream_processors.columns import Columns
from stream_processors.state import FUTURE, NEVER, ShardState, server_of

_SECOND = 1_000_000
_LIKE_SHARE = 0.05
"""A delay is like the time between two values if it differs by less of it."""


def group_of(settings: Skew, point_key: str, tag: str, point_source: str | None) -> str:
    """Name of the clock group of a point: as configured, else server and point source."""
    server, name = server_of(point_key), tag.casefold()
    for group in settings.groups:
        if _has(group, server, name, point_source):
            return group.name
    return f"{server}/{point_source or '-'}"


def _has(group: ClockGroup, server: str, name: str, point_source: str | None) -> bool:
    same_source = group.point_source is None or group.point_source == point_source
    return group.server == server and same_source and fnmatchcase(name, group.name_filter.casefold())


def gather(state: ShardState, received: int, columns: Columns, server_time: int | None) -> None:
    """Takes the delays of a frame that PI sent by itself; corrections by hand and forecasts tell nothing of a clock."""
    point, slots = state.point, columns.slots
    forecast = point["flags"][slots] & FUTURE != 0
    delay = np.where(columns.substituted | forecast[columns.of_point], NEVER, received - columns.micros)
    least = np.minimum.reduceat(delay, columns.starts)
    point["period_floor"][slots] = np.minimum(point["period_floor"][slots], least)
    timed = delay < NEVER
    point["period_samples"][slots] += np.add.reduceat(timed, columns.starts, dtype=np.uint32)
    point["period_delay"][slots] += np.add.reduceat(np.where(timed, delay, 0), columns.starts)
    since = (columns.ticks[columns.starts] - point["last_ticks"][slots]) // TICKS_PER_MICROSECOND
    first = delay[columns.starts]
    point["period_lagging"][slots] = (first > _SECOND) & (np.abs(since - first) < _LIKE_SHARE * first)
    if server_time is not None:
        ahead = server_time - received
        state.server_ahead = ahead if state.server_ahead is None else max(ahead, state.server_ahead)


def close_period(state: ShardState) -> list[GroupPeriod]:
    """What the groups of a shard were like in the period that ends; begins the next."""
    point = state.point
    active = np.flatnonzero(point["period_floor"][: len(state)] < NEVER)
    by_group = active[np.lexsort((point["period_floor"][active], point["group"][active]))]
    numbers = point["group"][by_group]
    closed = list[GroupPeriod]()
    for rows in np.split(by_group, np.flatnonzero(np.diff(numbers)) + 1) if active.size else ():
        server, name = state.groups[int(point["group"][rows[0]])]
        floors = (point["period_floor"][rows] / _SECOND).tolist()
        samples = int(point["period_samples"][rows].sum())
        closed.append({
            "clock_group": name, "server": server, "points": len(rows), "samples": samples,
            "lagging": int(point["period_lagging"][rows].sum()), "floor_seconds": consensus.floor_of(floors),
            "mean_seconds": float(point["period_delay"][rows].sum()) / samples / _SECOND,
        })  # fmt: skip
    point["period_floor"][active] = NEVER
    point["period_samples"][active] = 0
    point["period_delay"][active] = 0
    state.server_ahead = None
    state.touch(active)
    return closed


def correct(state: ShardState, found: ClockSkew) -> None:
    """Takes over what is known of a clock: lateness takes it off from now on. A server's alias stands for all of its groups."""
    correction = round(found["correction_seconds"] * _SECOND)
    state.corrections[found["clock_group"]] = correction
    for number, (server, name) in enumerate(state.groups):
        if found["clock_group"] in (server, name):
            state.group["skew"][number] = state.corrections.get(name, 0) + state.corrections.get(server, 0)
