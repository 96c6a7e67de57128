"""From an event of PI's until it can be read in Kafka: the real bridge, and the naive one, against the same simulator."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import fastavro

from benchmarks.bridge import naive
from benchmarks.bridge.ground import CHILDREN, Ground, Json, Options, Void, milliseconds, say
from benchmarks.bridge.processes import Arrival, Bridge, Watch, ages, frames_in, heard, settle_down, source_of, total, wait_for, watch
from benchmarks.simulator import Process, Simulator, ended
from bridge import kafka
from schemas.topics import LIVE

RATES = (5_000, 50_000)
TICK_SECONDS = 0.1
"""The simulator's channels tell of new values so often: on average half of it is in every figure, as PI's own interval would be."""
HISTORY_SECONDS, SETTLE_SECONDS = 60, 5.0
_START_SECONDS = 180.0
_PARSED: Any = fastavro.parse_schema(naive.SCHEMA)


def measure_latency(ground: Ground, options: Options) -> Json:
    """Rate by rate."""
    return {f"{rate:,} values/s".replace(",", " "): at_rate(ground, options, rate) for rate in RATES}


def at_rate(ground: Ground, options: Options, rate: int) -> Json:
    """Delays of both bridges, and the share of a second in which each had the CPU."""
    points = max(options.points // 10, 100)
    # A short past, so that the first reads of it are over soon.
    past = max(HISTORY_SECONDS * RATES[0] // rate, 10)
    simulator = Simulator("--points", points, "--rate", rate, "--tick", TICK_SECONDS, "--history", past)
    with ended(simulator):
        simulator.control("/load", {"running": False})
        found = {"bridge": of_the_bridge(ground, options, simulator, rate, points)}
        try:
            found["peer"] = of_the_peer(ground, options, simulator, rate)
        except Void as void:
            found["peer"] = {"void": str(void)}
        return found


def of_the_bridge(ground: Ground, options: Options, simulator: Simulator, rate: int, points: int) -> Json:
    config, port = source_of(ground, f"latency_{rate}", simulator, coverage={"start": "1m", "settle_seconds": SETTLE_SECONDS})
    with Bridge(ground, config.source, port) as bridge, watch(config, LIVE) as seen, closing(kafka.codec(config)) as codec:
        settle_down(bridge, simulator, points, _START_SECONDS)
        time.sleep(SETTLE_SECONDS * 2)
        first, sent = len(seen.arrivals), simulator.control("/status")["values_sent_on_channels"]
        began, end, cores, rates = window(simulator, options, bridge.cpu_seconds, simulator.cpu_seconds)
        sent = simulator.control("/status")["values_sent_on_channels"] - sent
        await_values(codec, seen, first, sent)
        delays = milliseconds(ages(frames_in(codec, LIVE, seen.between(began, end))))
        lag = total(bridge.figures(), "pibridge_event_loop_delay_seconds")
    say(f"{rate:,} values/s: {delays}, {cores[0]:.2f} cores")
    return {
        **delays,
        "values_per_second": rates,
        "values": sent,
        "cores": cores[0],
        "simulator_cores": cores[1],
        "loop_delay_s": round(lag, 3),
    }


def await_values(codec: kafka.Codec, seen: Watch, first: int, sent: int) -> None:
    """Reads on from this message until all values that PI sent on channels are there. Raises Void unless it is just these."""
    came, deadline = 0, time.monotonic() + 60
    while came < sent:
        arrivals = seen.arrivals[first:]
        first += len(arrivals)
        frames = frames_in(codec, LIVE, arrivals)
        came += sum(len(series["samples"]) for _, frame in frames if heard(frame) for series in frame["series"])
        if not arrivals and time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if came != sent:
        raise Void(f"PI sent {sent} values on channels, and {came} could be read")


def window(simulator: Simulator, options: Options, *clocks: Any) -> tuple[float, float, list[float], int]:
    """Lets the plant run; when the middle part of that began and ended, cores of each process, and values written a second."""
    simulator.control("/load", {"running": True})
    time.sleep(3)
    began, cpu, written = time.time(), [clock() for clock in clocks], simulator.control("/status")["events_written"]
    time.sleep(options.seconds)
    end, seconds = time.time(), time.time() - began
    cores = [round((clock() - before) / seconds, 3) for clock, before in zip(clocks, cpu, strict=True)]
    rate = round((simulator.control("/status")["events_written"] - written) / seconds)
    simulator.control("/load", {"running": False})
    return began, end, cores, rate


def of_the_peer(ground: Ground, options: Options, simulator: Simulator, rate: int) -> Json:
    topic = ground.topic(f"naive_latency_{rate}", 12)
    stack = ground.stack
    settings = {"url": simulator.url, "bootstrap_servers": stack.bootstrap_servers, "registry_url": stack.registry_url, "topic": topic}
    peer = Process(CHILDREN, "bridge-naively", json.dumps(settings))
    with ended(peer), Watch(ground.stack.bootstrap_servers, topic, 12) as seen:
        time.sleep(8)
        before = simulator.control("/status")["values_sent_on_channels"]
        began, end, cores, rates = window(simulator, options, peer.cpu_seconds)
        sent = simulator.control("/status")["values_sent_on_channels"] - before
        wait_for(lambda: len(seen.arrivals) >= sent, f"the {sent} values that PI sent to the naive bridge", 60)
        delays = milliseconds(naive_ages(seen.between(began, end)))
    say(f"{rate:,} values/s, naively: {delays}, {cores[0]:.2f} cores")
    return {**delays, "values_per_second": rates, "values": sent, "cores": cores[0]}


def naive_ages(arrivals: list[Arrival]) -> Iterator[float]:
    for arrival in arrivals:
        record: Any = fastavro.schemaless_reader(io.BytesIO(arrival.value[5:]), _PARSED, None)
        yield arrival.at - record["event_time"].timestamp()
