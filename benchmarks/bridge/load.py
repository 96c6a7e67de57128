"""A large plant for ten minutes, then Kafka stopped for five: CPU, memory and PI's load of the bridge over time."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from benchmarks.bridge.ground import Ground, Json, Options, Void, cpu_seconds, say, spread
from benchmarks.bridge.latency import await_values
from benchmarks.bridge.processes import Bridge, settle_down, source_of, total, watch
from benchmarks.simulator import Simulator, ended
from bridge import kafka
from schemas.topics import LIVE

RATE = 5_000
HISTORY_SECONDS, SETTLE_SECONDS = 600, 30.0
LOOK_SECONDS = 5.0
URL_BYTES = 16_384
"""The longest that http.sys takes: a large plant is beyond the number of channels otherwise."""
REJOIN_SECONDS = SETTLE_SECONDS / 3
"""Channels of points that came one by one are joined before we count: values of that moment are previews that nobody sees."""
_START_SECONDS = 600.0
_MIB = 1 << 20


def measure_load(ground: Ground, options: Options) -> Json:
    """The plant, then the outage of Kafka."""
    rate = RATE * options.points // 100_000
    simulator = Simulator("--points", options.points, "--rate", rate, "--history", HISTORY_SECONDS)
    with ended(simulator):
        config, port = source_of(
            ground,
            "load",
            simulator,
            {"channels": {"url_bytes": URL_BYTES, "rejoin_seconds": REJOIN_SECONDS}},
            coverage={"start": "5m", "settle_seconds": SETTLE_SECONDS},
        )
        with Bridge(ground, config.source, port) as bridge, closing(kafka.codec(config)) as codec, watch(config, LIVE) as seen:
            settle_down(bridge, simulator, options.points, _START_SECONDS)
            time.sleep(SETTLE_SECONDS)
            simulator.control("/load", {"running": False})
            time.sleep(3)
            first, sent = len(seen.arrivals), simulator.control("/status")["values_sent_on_channels"]
            simulator.control("/load", {"running": True})
            with profiled(bridge, options):
                found = {"steady": watched(bridge, ground, options.load_seconds)}
            simulator.control("/load", {"running": False})
            sent = simulator.control("/status")["values_sent_on_channels"] - sent
            await_values(codec, seen, first, sent)
            found["steady"] |= {
                "points": options.points,
                "channels": simulator.control("/status")["channels_open"],
                "values_from_channels": sent,
            }
            simulator.control("/load", {"running": True})
            found["kafka_stopped"] = kafka_stopped(bridge, ground, options.outage_seconds)
            return found


@contextmanager
def profiled(bridge: Bridge, options: Options) -> Iterator[None]:
    """Keeps stacks of the bridge, if they are wanted and py-spy is there."""
    if options.profile is None:
        yield
        return
    command = ["py-spy", "record", "--pid", str(bridge.pid), "--format", "raw", "--rate", "50", "--duration", "100000", "--gil", "--output"]
    spy = subprocess.Popen([*command, str(options.profile)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        spy.send_signal(signal.SIGINT)
        spy.wait()


def watched(bridge: Bridge, ground: Ground, seconds: float) -> Json:
    """Looks at the bridge from time to time."""
    cores, resident, requests, values = list[float](), list[float](), list[float](), list[float]()
    broker = ground.stack.server("kafka").pid
    began, theirs = time.monotonic(), cpu_seconds(broker)
    at, cpu, before = began, bridge.cpu_seconds(), bridge.figures()
    while time.monotonic() < began + seconds:
        time.sleep(min(LOOK_SECONDS, seconds))
        now, used, after = time.monotonic(), bridge.cpu_seconds(), bridge.figures()
        cores.append((used - cpu) / (now - at))
        resident.append(bridge.resident_bytes() / _MIB)
        requests.append((requests_of(after) - requests_of(before)) / (now - at))
        values.append((previews_of(after) - previews_of(before)) / (now - at))
        at, cpu, before = now, used, after
        say(f"  {cores[-1]:.2f} cores, {resident[-1]:,.0f} MiB, {requests[-1]:.1f} requests/s, {values[-1]:,.0f} previews/s")
    third = max(1, len(resident) // 3)
    return {
        "seconds": seconds,
        "cores": spread(cores, 3),
        "rss_mib": spread(resident, 0),
        "rss_first_third_mib": round(max(resident[:third])),
        "rss_last_third_mib": round(max(resident[-third:])),
        "pi_requests_per_second": spread(requests),
        "previews_per_second": spread(values, 0),
        "broker_cores": round((cpu_seconds(broker) - theirs) / (time.monotonic() - began), 3),
    }


def requests_of(figures: dict[str, float]) -> float:
    return total(figures, "pibridge_pi_requests_total")


def previews_of(figures: dict[str, float]) -> float:
    return total(figures, "pibridge_committed_values_total", "live")


def kafka_stopped(bridge: Bridge, ground: Ground, seconds: float) -> Json:
    """The broker's process stands still, its sockets open: the harder of the ways to be away."""
    broker = ground.stack.server("kafka").pid
    os.kill(broker, signal.SIGSTOP)
    try:
        found = resident_while(bridge, seconds)
    finally:
        os.kill(broker, signal.SIGCONT)
    began, before = time.monotonic(), previews_of(bridge.figures())
    while previews_of(bridge.figures()) == before:
        if time.monotonic() - began > 120:
            raise Void("no value was committed within 120 s after Kafka went on")
        time.sleep(0.5)
    found["first_commit_after_s"] = round(time.monotonic() - began, 1)
    after = resident_while(bridge, min(seconds, 60))
    return found | {"rss_most_after_mib": after["rss_most_mib"]}


def resident_while(bridge: Bridge, seconds: float) -> Json:
    """The most memory, and the requests to PI, of this time."""
    most, end, began, figures = 0.0, time.monotonic() + seconds, time.monotonic(), bridge.figures()
    while time.monotonic() < end:
        time.sleep(min(1.0, seconds))
        most = max(most, bridge.resident_bytes() / _MIB)
    requests = requests_of(bridge.figures()) - requests_of(figures)
    return {"seconds": seconds, "rss_most_mib": round(most), "pi_requests_per_second": round(requests / (time.monotonic() - began), 2)}
