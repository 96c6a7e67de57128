"""After an outage: the bridge starts with a progress that was left ten minutes ago, and the archive has gone on since."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from benchmarks.bridge.ground import Ground, Json, Options, Void, leave_progress, milliseconds, say, world
from benchmarks.bridge.processes import Bridge, Watch, ages, frames_in, source_of, total, wait_for, watch
from benchmarks.simulator import Simulator, ended
from bridge import kafka, progress
from bridge.coverage import PointCoverage
from bridge.progress import ShardState
from schemas.config import Config
from schemas.records import Progress
from schemas.shards import shard_of
from schemas.times import TICKS_PER_SECOND
from schemas.topics import LIVE, RECORDED

OUTAGE_SECONDS, HISTORY_SECONDS = 600, 3 * 3600
VALUES_PER_POINT = 0.1
"""A second; the design's outage has as many (section 9)."""
SETTLE_SECONDS = 20.0
_CHECKED = 50
_SECONDS = 300.0


def measure_recovery(ground: Ground, options: Options) -> Json:
    """How long until every point is covered beyond the outage, and how old live values were meanwhile."""
    points = max(options.points // 10, 100)
    simulator = Simulator("--points", points, "--rate", points * VALUES_PER_POINT, "--tick", 0.1, "--history", HISTORY_SECONDS)
    with ended(simulator):
        config, port = source_of(ground, "recovery", simulator, coverage={"start": "2h", "settle_seconds": SETTLE_SECONDS})
        with Bridge(ground, config.source, port) as bridge:
            wait_for(lambda: total(bridge.figures(), "pibridge_points") == points, "the inventory", 120)
        outage = time.time_ns() // 10**9 * TICKS_PER_SECOND - OUTAGE_SECONDS * TICKS_PER_SECOND
        asyncio.run(leave(config, simulator, outage))
        with (
            Bridge(ground, config.source, port) as bridge,
            closing(kafka.codec(config)) as codec,
            watch(config, LIVE) as live,
            watch(config, RECORDED) as recorded,
        ):
            return watched(bridge, simulator, codec, live, recorded, outage, points)


async def leave(config: Config, simulator: Simulator, outage: int) -> None:
    """Progress as a bridge would have left it that was killed when the outage began, all points being covered until then."""
    async with world(config) as here:
        shards = config.delivery.shards
        keys = [f"main:{point['point_id']}" for point in simulator.control("/points")]
        for number in range(shards):

            def records(number: int = number) -> Iterator[tuple[str, Progress]]:
                low = outage - 2 * 3600 * TICKS_PER_SECOND
                for key in keys:
                    if shard_of(key, shards) == number:
                        record = progress.point_record(PointCoverage(key, low, low, outage, as_of=outage, snapshot=outage), ())
                        assert record is not None
                        yield key, record
                ids = {dataset: topic_id for dataset, (topic_id, _) in here.topics.items()}
                yield progress.SHARD_KEY, ShardState(number, shards, epoch=9, sequences={}, topic_ids=ids, alive_at=outage).record()

            leave_progress(here, number, records())


def watched(bridge: Bridge, simulator: Simulator, codec: kafka.Codec, live: Watch, recorded: Watch, outage: int, points: int) -> Json:
    began = time.time()
    stated: dict[str, tuple[float, Json]] = {}
    at, samples = 0, 0
    while len(stated) < points:
        if time.time() - began > _SECONDS:
            raise Void(f"after {_SECONDS:g} s {len(stated)} of {points} points were covered beyond the outage")
        time.sleep(0.5)
        arrivals = recorded.arrivals[at:]
        at += len(arrivals)
        for when, frame in frames_in(codec, RECORDED, arrivals):
            for series in frame["series"]:
                statement = series["statement"]
                samples += len(series["samples"])
                sent_late_enough = statement["as_of"] / 1e6 >= began
                with_samples = statement["kind"] == "STATED"  # what is read again later is confirmed
                if statement["from_time"] * 10 + statement["from_ticks"] == outage and sent_late_enough and with_samples:
                    stated[series["point_key"]] = (when, series)
    times = sorted(when for when, _ in stated.values())
    end = time.time()
    compare(simulator, stated)
    read = sum(len(series["samples"]) for _, series in stated.values())
    reading_seconds = times[-1] - times[0]
    found: Json = {
        "points": points, "outage_seconds": OUTAGE_SECONDS, "settle_seconds": SETTLE_SECONDS, "values_of_the_outage": read,
        "first_point_covered_after_s": round(times[0] - began, 1), "last_point_covered_after_s": round(times[-1] - began, 1),
        "reading_s": round(reading_seconds, 1), "times_real_time": round(OUTAGE_SECONDS / max(reading_seconds, 0.1), 1),
        "times_real_time_with_start_and_settle": round(OUTAGE_SECONDS / (times[-1] - began), 1),
        "live_meanwhile": milliseconds(ages(frames_in(codec, LIVE, live.between(times[0], end)))),
    }  # fmt: skip
    say(f"covered again after {found['last_point_covered_after_s']} s, read in {found['reading_s']} s; live {found['live_meanwhile']}")
    wait_for(
        lambda: total(bridge.figures(), "pibridge_incidents_open") == 0 and total(bridge.figures(), "pibridge_dirty_hours") == 0,
        "the end of every incident",
        _SECONDS,
    )
    found["margin_read_again_after_s"] = round(time.time() - began, 1)
    found["live_until_then"] = milliseconds(ages(frames_in(codec, LIVE, live.between(times[0], time.time()))))
    return found


def compare(simulator: Simulator, stated: dict[str, tuple[float, Any]]) -> None:
    """Raises Void unless some of the statements say what the archive holds."""
    for key in sorted(stated)[:: max(1, len(stated) // _CHECKED)]:
        series = stated[key][1]
        begin, end = (series["statement"][f"{edge}_time"] * 10 + series["statement"][f"{edge}_ticks"] for edge in ("from", "to"))
        path = f"/archive?point_id={key.partition(':')[2]}&from_ticks={begin}&to_ticks={end}"
        held = [event[0] for event in simulator.control(path)["events"]]
        if held != [sample["event_time"] * 10 + sample["ticks"] for sample in series["samples"]]:
            raise Void(f"{key} is stated otherwise than the archive has it")
