"""What a running demo looks like from outside: Kafka as a consumer sees it, Delta as a reader sees it; each watcher is a thread."""

import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from bridge.kafka import Codec, consumer
from schemas.config import Config
from schemas.records import Incident, Series, ValueFrame
from schemas.topics import HISTORY, INCIDENTS, LIVE, RECORDED, Topic

_RECENT_FRAMES = 200
_JOIN_SECONDS = 5.0
"""A watcher that still looks then ends with the process: Ctrl-C must not wait for a slow disk."""


class KafkaWatch:
    """Counts what consumers of committed records see on the value topics and on `incidents`."""

    def __init__(self, config: Config, codec: Codec) -> None:
        self.previews = self.statements = self.stated = 0
        """Values of previews; statements; samples of statements."""
        self.first_preview: float | None = None
        """Monotonic clock when the first committed preview came."""
        self.latency_seconds = 0.0
        """Newest frames of previews: from the bridge's reception to our reading, median."""
        self.incidents: dict[str, str] = {}
        """State of each incident."""
        self.error: Exception | None = None
        self._covered: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._latencies: list[float] = []
        self._config, self._codec = config, codec
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

    def oldest_lag_seconds(self) -> float:
        """How far the newest preview of the point that lags most is ahead of its covered end; 0 if none is."""
        with self._lock:
            lags = [seen - self._covered.get(key, seen) for key, seen in self._seen.items()]
        return max(lags, default=0) / 10_000_000

    def _run(self) -> None:
        topics = {topic.name(self._config.source): topic for topic in (LIVE, RECORDED, HISTORY, INCIDENTS)}
        reader = consumer(self._config, "pibridge-demo-watch", {})
        try:
            shards = self._config.delivery.shards
            reader.assign(
                [TopicPartition(name, p, OFFSET_BEGINNING) for name, t in topics.items() for p in range(t.partition_count(shards))]
            )
            while not self._stop.is_set():
                message = reader.poll(0.2)
                if message is not None and message.error() is None:
                    self._take(topics[message.topic() or ""], cast(bytes, message.value()))
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            self.error = error
        finally:
            reader.close()

    def _take(self, topic: Topic, value: bytes) -> None:
        record = self._codec.decode(topic, value)
        with self._lock:
            if topic is INCIDENTS:
                incident = cast(Incident, record)
                self.incidents[incident["incident_id"]] = incident["state"]
            else:
                self._frame(topic, cast(ValueFrame, record))

    def _frame(self, topic: Topic, frame: ValueFrame) -> None:
        for series in frame["series"]:
            if topic is LIVE:
                self._preview(series)
            elif (statement := series["statement"]) is not None:
                self.statements += 1
                self.stated += len(series["samples"])
                end = statement["to_time"] * 10 + statement["to_ticks"]
                self._covered[series["point_key"]] = max(end, self._covered.get(series["point_key"], end))
        if topic is LIVE:
            self.first_preview = self.first_preview or time.monotonic()
            self._latencies = [*self._latencies[-_RECENT_FRAMES:], time.time() - frame["received_time"] / 1e6]
            self.latency_seconds = sorted(self._latencies)[len(self._latencies) // 2]

    def _preview(self, series: Series) -> None:
        self.previews += len(series["samples"])
        newest = max(sample["event_time"] * 10 + sample["ticks"] for sample in series["samples"])
        self._seen[series["point_key"]] = max(newest, self._seen.get(series["point_key"], newest))


class DeltaWatch:
    """Follows the commits of bronze.pi_timeseries by its log alone."""

    def __init__(self, warehouse: Path) -> None:
        self.rows = 0
        self.first_commit: float | None = None
        """Monotonic clock when the first commit with rows was seen."""
        self.latency_seconds = 0.0
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
