"""Every topic of ours: name, record, key, clean-up, partitions (design 3.3). The only list of them."""

from dataclasses import dataclass, field

_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class Topic:
    """A dataset of a source, as a Kafka topic."""

    dataset: str
    record: str
    """File below schemas/avro, without ending, that defines the record; empty if its bytes are for one process alone."""
    key: str
    """What the key says, for people."""
    sharded: bool = False
    """True: as many partitions as there are shards, and the partition is the shard."""
    partitions: int = 1
    """Partitions where `sharded` is false."""
    settings: dict[str, str] = field(default_factory=dict)
    """Kafka's settings of the topic, without replication."""

    def name(self, source: str) -> str:
        """Name of the topic for a source."""
        return f"pi.{source}.{self.dataset}"

    def subject(self, source: str) -> str:
        """Registry subject of its values (naming by topic)."""
        return f"{self.name(source)}-value"

    def partition_count(self, shards: int) -> int:
        """Partitions of the topic where points are spread over `shards`."""
        return shards if self.sharded else self.partitions


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


def _compacted(lag_days: int = 0) -> dict[str, str]:
    lag = {"min.compaction.lag.ms": str(lag_days * _DAY_MS)} if lag_days else {}
    return {"cleanup.policy": "compact", **lag}


def _often_compacted() -> dict[str, str]:
    """Of topics that are read whole at each take-over."""
    return _compacted() | {"segment.bytes": str(16 << 20), "segment.ms": str(600_000), "min.cleanable.dirty.ratio": "0.1"}


LIVE = Topic("live", "value_frame", "none; partition = shard", sharded=True, settings=_kept(3))
RECORDED = Topic("recorded", "value_frame", "none; partition = shard", sharded=True, settings=_kept(7))
HISTORY = Topic("history", "value_frame", "none; partition = shard", sharded=True, settings=_kept(7))
POINTS = Topic("points", "point", "point key", sharded=True, settings=_compacted())
INCIDENTS = Topic("incidents", "incident", "incident id", settings=_compacted(lag_days=30))
DEAD_LETTERS = Topic("dead-letters", "dead_letter", "point key, if known", partitions=3, settings=_kept(30))
PROGRESS = Topic("progress", "progress", "point key, or 'shard'; partition = shard", sharded=True, settings=_often_compacted())

COMMANDS = Topic("commands", "command", "job id", settings=_kept(7))
JOBS = Topic("jobs", "job", "<job id>/<shard>", settings=_compacted())

LATE = Topic("late", "late", "point key", sharded=True, settings=_kept(30))
SKEW = Topic("skew", "skew", "clock group", settings=_compacted())
QUALITY = Topic("quality", "quality", "<check>/<scope>", partitions=3, settings=_kept(30))
ASSESSMENTS = Topic("assessments", "assessment", "shard", settings=_kept(1) | {"max.message.bytes": str(16 << 20)})
"""Where all points of a shard fail at once, an assessment is megabytes."""

SHARD_STATE = Topic(
    "processors-shards", "", "<shard>, <shard>/<block>/<side>; partition = shard", sharded=True, settings=_often_compacted()
)
OVERVIEW_STATE = Topic("processors-overview", "", "name, <name>/<piece>/<side>", settings=_often_compacted())

TOPICS = (LIVE, RECORDED, HISTORY, POINTS, INCIDENTS, DEAD_LETTERS, PROGRESS, COMMANDS, JOBS, LATE, SKEW, QUALITY, ASSESSMENTS)
OF_STATE = (SHARD_STATE, OVERVIEW_STATE)
"""What the stream processors remember, for themselves alone: bytes without a schema."""
OF_PROCESSORS = (LATE, SKEW, QUALITY, ASSESSMENTS)
"""What the stream processors write."""
OF_BRIDGE = tuple(topic for topic in TOPICS if topic not in OF_PROCESSORS)
"""What the bridge writes or reads."""
