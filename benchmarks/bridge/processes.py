"""A bridge in a process of its own, and a consumer beside it that keeps what came, and when."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, cast

import httpx2
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from benchmarks.bridge.ground import Ground, Json, Void, cpu_seconds, resident_bytes, say
from benchmarks.simulator import Simulator
from bridge.kafka import Codec
from console.stack.ports import free_port
from schemas.config import Config
from schemas.topics import Topic


class Bridge:
    """`python -m bridge run` on a source; its figures are asked for over HTTP."""

    def __init__(self, ground: Ground, source: str, port: int) -> None:
        self._ground, self._url = ground, f"http://127.0.0.1:{port}/metrics"
        command = [sys.executable, "-m", "bridge", "run", "--config", str(ground.path(source))]
        log_path = ground.directory / f"{source}.log"
        self._child = ground.stack.children.start("bridge", command, log_path=log_path, grace_seconds=15)
        self.pid = self._child.pid

    def figures(self) -> dict[str, float]:
        """Every figure by name and labels; none before its port is open."""
        self._child.check()
        try:
            lines = httpx2.get(self._url, timeout=20, trust_env=False).text.splitlines()
        except httpx2.HTTPError:
            return {}
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def resident_bytes(self) -> int:
        return resident_bytes(self.pid)

    def stop(self) -> None:
        self._ground.stack.children.stop_one(self._child, 15)

    def __enter__(self) -> "Bridge":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def total(figures: dict[str, float], name: str, label: str = "") -> float:
    """Sum of a figure over its labels, or over those that hold this text."""
    return sum(value for key, value in figures.items() if key.partition("{")[0] == name and label in key)


def source_of(ground: Ground, name: str, simulator: Simulator, pi: Json | None = None, **sections: Json) -> tuple[Config, int]:
    """A source that reads a simulator, and the port of its figures."""
    port = free_port()
    return ground.source(name, simulator.url, simulator.server_id, pi=pi, monitoring={"port": port}, **sections), port


def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Raises Void after a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Void(f"{what} did not come about within {seconds:g} s")
        time.sleep(0.25)


class Arrival(NamedTuple):
    """A committed message, and when it could be read."""

    at: float
    """Seconds since 1970."""
    value: bytes


class Watch:
    """Keeps every message that is committed on a topic from now on; as bytes, since decoding them would take the CPU that is measured."""

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": "watch", "isolation.level": "read_committed", "enable.auto.commit": False}
        )
        self._consumer.assign([TopicPartition(topic, number, OFFSET_END) for number in range(partitions)])
        self._stopping, self.arrivals = threading.Event(), list[Arrival]()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.arrivals.append(Arrival(time.time(), cast(bytes, message.value())))

    def between(self, begin: float, end: float) -> list[Arrival]:
        """What came in this time."""
        return [arrival for arrival in self.arrivals if begin <= arrival.at < end]

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()


def watch(config: Config, topic: Topic) -> Watch:
    return Watch(config.kafka.bootstrap_servers, topic.name(config.source), topic.partition_count(config.delivery.shards))


def frames_in(codec: Codec, topic: Topic, arrivals: Iterable[Arrival]) -> Iterator[tuple[float, Json]]:
    """Frames with when they could be read."""
    return ((arrival.at, codec.decode(topic, arrival.value)) for arrival in arrivals)


def heard(frame: Json) -> bool:
    """True if a channel told of these values."""
    return bool(frame["via"] == "CHANNEL")


def ages(frames: Iterable[tuple[float, Json]]) -> Iterator[float]:
    """Seconds from each event of PI's that a channel told of until it could be read in Kafka."""
    for at, frame in frames:
        if heard(frame):
            yield from (at - sample["event_time"] / 1e6 for series in frame["series"] for sample in series["samples"])


def settle_down(bridge: Bridge, simulator: Simulator, points: int, seconds: float) -> None:
    """Waits until the inventory is known, every point has had its first look, and as many channels are open as will be."""

    def ready() -> bool:
        figures = bridge.figures()
        known = total(figures, "pibridge_points")
        return known == points and total(figures, "pibridge_points", "uncovered") == 0 and channels_stand(simulator)

    def channels_stand(simulator: Simulator) -> bool:
        before = simulator.control("/status")["channels_open"]
        time.sleep(1)
        return bool(before and simulator.control("/status")["channels_open"] == before)

    wait_for(ready, f"a first look at each of {points:,} points, and its channels", seconds)
    say(f"  {points:,} points are known, {simulator.control('/status')['channels_open']} channels open")
