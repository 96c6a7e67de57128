"""What a running demo looks like from outside: Kafka as a consumer sees it, Delta as a reader sees it; each watcher is a thread."""

import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from bridge.kafka import Codec, consumer
from console.planted import Findings, Preview
from schemas.config import Config
from schemas.records import Assessment, Incident, Series, ValueFrame
from schemas.topics import ASSESSMENTS, HISTORY, INCIDENTS, LATE, LIVE, QUALITY, RECORDED, SKEW, Topic

_RECENT_FRAMES = 200
_LASTING = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED)
"""Errors that do not pass by themselves."""
_JOIN_SECONDS = 5.0
"""A watcher that still looks then ends with the process: Ctrl-C must not wait for a slow disk."""


class KafkaWatch:
    """What consumers of committed records see: values, incidents, and what the processors say."""

    def __init__(self, config: Config, codec: Codec, delayed_seconds: float) -> None:
        self.previews = self.statements = self.stated = 0
        """Values of previews; statements; samples of statements."""
        self.first_preview: float | None = None
        """Monotonic clock when the first committed preview came."""
        self.latency_seconds: float | None = None
        """Newest frames of previews: from the bridge's reception to our reading, median."""
        self.error: Exception | None = None
        self._covered: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._latencies: list[float] = []
        self._incidents: dict[str, Incident] = {}
        self._delayed: list[Preview] = []
        self._findings = Findings()
        self._groups: set[tuple[int, str]] = set()
        """Clock groups that the processors have heard, by shard."""
        self._judged: dict[int, int] = {}
        """Up to when values are judged, microseconds, by shard."""
        self._config, self._codec, self._delayed_micros = config, codec, int(delayed_seconds * 1e6)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="watch-kafka", daemon=True)

    def start(self) -> None:
        """Begins to read, from the beginning of the topics."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)

    # -- what was seen until now

    def oldest_lag_seconds(self) -> float:
        """How far the newest preview of the point that lags most is ahead of its covered end, or now is if that is less; 0 if none is."""
        now = time.time_ns() // 100
        with self._lock:
            lags = [min(seen, now) - self._covered.get(key, seen) for key, seen in self._seen.items()]
        return max(lags, default=0) / 10_000_000

    def points_covered(self) -> int:
        """Points of which something is stated."""
        with self._lock:
            return len(self._covered)

    def incidents(self) -> list[Incident]:
        """The newest version of each incident."""
        with self._lock:
            return list(self._incidents.values())

    def delayed(self) -> list[Preview]:
        """Previews that PI announced more than `delayed_seconds` after their time."""
        with self._lock:
            return list(self._delayed)

    def has_heard(self, group: str, shards: set[int]) -> bool:
        """Whether the processors have told of a clock group in all of these shards."""
        with self._lock:
            return all((shard, group) in self._groups for shard in shards)

    def judged_seconds_ago(self) -> float | None:
        """How long ago the values were that were judged last, of the shard that is furthest behind; None: not all shards were judged."""
        with self._lock:
            if len(self._judged) < self._config.delivery.shards:
                return None
            return max(0.0, time.time() - min(self._judged.values()) / 1e6)

    def findings(self) -> Findings:
        """What the processors have found."""
        with self._lock:
            return self._findings.copy()

    # -- in the thread

    def _run(self) -> None:
        watched = (LIVE, RECORDED, HISTORY, INCIDENTS, ASSESSMENTS, LATE, SKEW, QUALITY)
        topics = {topic.name(self._config.source): topic for topic in watched}
        reader = consumer(self._config, "pibridge-demo-watch", {})
        try:
            shards = self._config.delivery.shards
            reader.assign(
                [TopicPartition(name, p, OFFSET_BEGINNING) for name, t in topics.items() for p in range(t.partition_count(shards))]
            )
            while not self._stop.is_set():
                message = reader.poll(0.2)
                if message is None:
                    continue
                if (problem := message.error()) is None:
                    self._take(topics[message.topic() or ""], cast(bytes, message.value()))
                elif problem.fatal() or problem.code() in _LASTING:
                    raise KafkaException(problem)
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self.error = error
        finally:
            reader.close()

    def _take(self, topic: Topic, value: bytes) -> None:
        record: Any = self._codec.decode(topic, value)
        with self._lock:
            match topic.dataset:
                case INCIDENTS.dataset:
                    self._incidents[record["incident_id"]] = record
                case ASSESSMENTS.dataset:
                    self._assessment(record)
                case LATE.dataset:
                    self._findings.take_late(record)
                case SKEW.dataset:
                    self._findings.take_clock(record)
                case QUALITY.dataset:
                    self._findings.take_quality(record)
                case _:
                    self._frame(topic, record)

    def _assessment(self, said: Assessment) -> None:
        self._judged[said["shard"]] = max(said["end_time"], self._judged.get(said["shard"], 0))
        self._groups.update((said["shard"], group["clock_group"]) for group in said["groups"])

    def _frame(self, topic: Topic, frame: ValueFrame) -> None:
        for series in frame["series"]:
            if topic is LIVE:
                self._preview(series, frame["received_time"], frame["via"] != "READ")
            elif (statement := series["statement"]) is not None:
                self.statements += 1
                self.stated += len(series["samples"])
                end = statement["to_time"] * 10 + statement["to_ticks"]
                self._covered[series["point_key"]] = max(end, self._covered.get(series["point_key"], end))
        if topic is LIVE:
            self.first_preview = self.first_preview or time.monotonic()
            self._latencies = [*self._latencies[-_RECENT_FRAMES:], time.time() - frame["received_time"] / 1e6]
            self.latency_seconds = sorted(self._latencies)[len(self._latencies) // 2]

    def _preview(self, series: Series, received: int, announced: bool) -> None:
        key, times = series["point_key"], [sample["event_time"] for sample in series["samples"]]
        self.previews += len(times)
        newest = max(sample["event_time"] * 10 + sample["ticks"] for sample in series["samples"])
        self._seen[key] = max(newest, self._seen.get(key, newest))
        if announced:
            self._delayed += [Preview(key, at, received) for at in times if received - at > self._delayed_micros]


class DeltaWatch:
    """Follows the commits of bronze.pi_timeseries by its log alone."""

    def __init__(self, warehouse: Path) -> None:
        self.rows = 0
        self.first_commit: float | None = None
        """Monotonic clock when the first commit with rows was seen."""
        self.latency_seconds: float | None = None
        """Newest commit: from the bridge's reception of its oldest value to the commit."""
        self.error: Exception | None = None
        self._path = str(warehouse / "bronze" / "pi_timeseries")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-delta", daemon=True)

    def start(self) -> None:
        """Begins to look, once a second."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        version = -1
        try:
            while not self._stop.wait(1.0):
                if not DeltaTable.is_deltatable(self._path):
                    continue
                table = DeltaTable(self._path)
                if table.version() != version:
                    version = table.version()
                    self._look(table)
        except (DeltaError, OSError, ValueError) as error:
            self.error = error

    def _look(self, table: DeltaTable) -> None:
        files = table.get_add_actions(flatten=True)
        names = [str(name) for name in files.schema.names]
        columns = {name: files.column(names.index(name)).to_pylist() for name in ("num_records", "modification_time")}
        self.rows = sum(columns["num_records"])
        if not self.rows:
            return
        self.first_commit = self.first_commit or time.monotonic()
        by_commit: dict[object, list[int]] = defaultdict(list)
        for at, moment in enumerate(columns["modification_time"]):
            by_commit[moment].append(at)
        oldest = files.column(names.index("min.received_time")).to_pylist()
        moment = max(columns["modification_time"])
        received = min(oldest[at].timestamp() for at in by_commit[moment] if oldest[at] is not None)
        self.latency_seconds = (moment.timestamp() if hasattr(moment, "timestamp") else moment / 1000) - received
