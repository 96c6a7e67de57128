"""`python -m bridge count`: PI's own number of events by point and hour, for `reconcile` to hold against the tables (design 6).

It asks little: a share of the budget, one request at a time, and one sub-request for a point and an hour. What PI does not answer is said.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple, TextIO, cast

from bridge import batch, kafka
from bridge.budget import Part
from bridge.errors import BridgeError, PIUnavailable
from bridge.piwebapi import PIWebAPI
from runtime.masking import Mask
from schemas.config import Config
from schemas.records import Point
from schemas.times import TICKS_PER_HOUR, TICKS_PER_MICROSECOND, TICKS_PER_SECOND
from schemas.topics import POINTS

_SUB_REQUESTS = 100
_TRIES = 4
_PAUSE_SECONDS = 1.0
"""Before the second try; before each further one twice as long."""
_TELL_SECONDS = 10.0


class Wanted(NamedTuple):
    """A point and an hour, counted from 1970."""

    point_key: str
    web_id: str
    hour: int


class Tally(NamedTuple):
    """What came of it all."""

    counted: int
    unanswered: int


async def count(config: Config, mask: Mask, begin: int, end: int, into: TextIO, show: TextIO) -> Tally:
    """Writes a JSON line for each point in scope and whole hour of [begin, end), ticks, that is over and settled.

    A line holds point_key, hour (since 1970), count (null for PI's "No Data"), counted_time (PI's clock when it was asked, microseconds)
    and problem (null, or why there is no answer). Raises PIUnavailable, PIRefused or PIUnreadable if PI answers nothing; KafkaException,
    NotReady, Unreachable.
    """
    points = await asyncio.to_thread(in_scope, config)
    pi = PIWebAPI(config.pi, mask=mask)
    try:
        pi.share(Part(config.pi.load.requests_per_second * config.coverage.reread_share, 1))
        await pi.read_clock()
        settled = pi.now() - int(config.coverage.settle_seconds * TICKS_PER_SECOND)
        hours = whole_hours(begin, min(end, settled))
        wanted = [Wanted(point["point_key"], point["web_id"], hour) for hour in reversed(hours) for point in points]
        return await _count_all(pi, wanted, min(_SUB_REQUESTS, config.pi.load.batch_points), into, show)
    finally:
        await pi.close()


def in_scope(config: Config) -> list[Point]:
    """The points in scope by key, as the inventory published them: PI is not asked for them again."""
    newest: dict[str, Point | None] = {}
    with closing(kafka.codec(config)) as codec:
        for partition in range(config.delivery.shards):
            for key, value in kafka.read_partition(config, POINTS.name(config.source), partition):
                newest[key] = None if value is None else cast(Point, codec.decode(POINTS, value))
    return [point for _, point in sorted(newest.items()) if point is not None and point["in_scope"]]


def whole_hours(begin: int, end: int) -> range:
    """The hours that lie wholly in [begin, end), ticks."""
    return range(-(-begin // TICKS_PER_HOUR), end // TICKS_PER_HOUR)


async def _count_all(pi: PIWebAPI, wanted: Sequence[Wanted], size: int, into: TextIO, show: TextIO) -> Tally:
    counted = unanswered = 0
    shown_at = time.monotonic()
    for part in _parts(wanted, size):
        for line in await _counted(pi, part):
            into.write(json.dumps(line) + "\n")
            counted, unanswered = counted + (line["problem"] is None), unanswered + (line["problem"] is not None)
        if time.monotonic() - shown_at >= _TELL_SECONDS:
            shown_at = time.monotonic()
            show.write(f"PI has counted {counted + unanswered:,} of {len(wanted):,} hours of points\n")
            show.flush()
    return Tally(counted, unanswered)


def _parts(wanted: Sequence[Wanted], size: int) -> Iterator[Sequence[Wanted]]:
    for at in range(0, len(wanted), size):
        yield wanted[at : at + size]


async def _counted(pi: PIWebAPI, part: Sequence[Wanted]) -> Iterable[dict[str, Any]]:
    """A line each. What fails for the moment is asked again; raises PIUnavailable if all of it goes on failing."""
    left, lines = dict(enumerate(part)), dict[int, dict[str, Any]]()
    failures: dict[int, BridgeError] = {}
    for attempt in range(_TRIES):
        if attempt:
            await asyncio.sleep(_PAUSE_SECONDS * 2 ** (attempt - 1))
        asked = pi.now()
        addresses = {
            str(number): batch.event_count(pi.base, one.web_id, one.hour * TICKS_PER_HOUR, (one.hour + 1) * TICKS_PER_HOUR)
            for number, one in left.items()
        }
        try:
            contents = (await pi.batch(addresses)).contents
        except PIUnavailable as error:
            failures = dict.fromkeys(left, error)
            continue
        failures = {}
        for number, one in left.items():
            try:
                lines[number] = _line(one, _count_of(contents[str(number)]), asked)
            except BridgeError as error:
                failures[number] = error
        left = {number: left[number] for number, error in failures.items() if isinstance(error, PIUnavailable)}
        lines |= {number: _line(part[number], None, asked, str(error)) for number, error in failures.items() if number not in left}
        if not left:
            break
    if len(left) == len(part):
        raise failures[0]
    lines |= {number: _line(one, None, asked, str(failures[number])) for number, one in left.items()}
    return (lines[number] for number in sorted(lines))


def _count_of(content: Any) -> int | None:
    if isinstance(content, BridgeError):
        raise content
    return batch.counted(content)


def _line(one: Wanted, count: int | None, asked: int, problem: str | None = None) -> dict[str, Any]:
    return {
        "point_key": one.point_key,
        "hour": one.hour,
        "count": count,
        "counted_time": asked // TICKS_PER_MICROSECOND,
        "problem": problem,
    }
