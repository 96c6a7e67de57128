"""`pibridge topics`: what the source's topics should be, and creating those that are missing (design 3.3)."""

from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.config import Config
from schemas.topics import (
    ASSESSMENTS,
    COMMANDS,
    DEAD_LETTERS,
    INCIDENTS,
    JOBS,
    LATE,
    LIVE,
    OF_BRIDGE,
    OF_PROCESSORS,
    OF_STATE,
    POINTS,
    PROGRESS,
    QUALITY,
    RECORDED,
    SKEW,
    TOPICS,
    Topic,
)

_SECONDS = 10.0


@dataclass(frozen=True)
class Planned:
    """A topic as it should be, and how many partitions it has: None if it does not exist."""

    topic: Topic
    name: str
    partitions: int
    existing_partitions: int | None
    replication: int
    settings: dict[str, str]
    """Kafka's, of the topic."""

    @property
    def state(self) -> str:
        """What `apply` would do about it."""
        if self.existing_partitions is None:
            return "to create"
        return "exists" if self.existing_partitions == self.partitions else f"exists with {self.existing_partitions} partitions"


def plan(config: Config) -> list[Planned]:
    """Every topic of the source beside what Kafka has. Raises KafkaException if Kafka does not answer."""
    wanted = {topic.name(config.source): topic for topic in (*TOPICS, *OF_STATE)}
    found: dict[str, int | None] = {}
    admin = _admin(config)  # must live as long as its futures
    for name, future in admin.describe_topics(TopicCollection(list(wanted)), request_timeout=_SECONDS).items():
        try:
            found[name] = len(future.result().partitions)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            found[name] = None
    replication, shards = config.kafka.replication, config.delivery.shards
    common = {} if replication == 1 else {"min.insync.replicas": str(config.kafka.min_insync_replicas)}
    return [
        Planned(topic, name, topic.partition_count(shards), found[name], replication, topic.settings | common)
        for name, topic in wanted.items()
    ]


def apply(config: Config) -> list[Planned]:
    """Creates the topics that are missing; answers them. An existing topic is never altered. Raises KafkaException."""
    missing = [planned for planned in plan(config) if planned.existing_partitions is None]
    if not missing:
        return []
    new = [NewTopic(p.name, num_partitions=p.partitions, replication_factor=p.replication, config=p.settings) for p in missing]
    admin = _admin(config)
    for future in admin.create_topics(new, request_timeout=_SECONDS).values():
        future.result()
    return missing


def acls(config: Config) -> list[tuple[str, str, str, str]]:
    """What each process must be allowed: process, operation, kind of resource, name."""
    kafka, source = config.kafka, config.source
    rules = [("bridge", "Write, Describe", "topic", topic.name(source)) for topic in OF_BRIDGE if topic is not COMMANDS]
    rules += [("bridge", "Read", "topic", topic.name(source)) for topic in TOPICS if topic in (POINTS, PROGRESS, COMMANDS)]
    rules += [("pibridge rescan, backfill", "Write, Describe", "topic", COMMANDS.name(source))]
    rules += [("pibridge rescan, backfill, jobs", "Read, Describe", "topic", JOBS.name(source))]
    rules += [("pibridge rescan, backfill, jobs", "Read", "group", f"{kafka.group_id}-reader")]
    rules += [("bridge", "Read", "group", kafka.group_id), ("bridge", "Read", "group", f"{kafka.group_id}-reader")]
    rules += [("bridge", "Write, Describe", "transactional id, by prefix", f"{kafka.transactional_prefix}.{source}.")]
    read = (LIVE, POINTS, RECORDED, INCIDENTS, SKEW, ASSESSMENTS)
    rules += [("stream_processors", "Read, Describe", "topic", topic.name(source)) for topic in read]
    written = (*OF_PROCESSORS, *OF_STATE, DEAD_LETTERS, INCIDENTS)
    rules += [("stream_processors", "Write, Describe", "topic", topic.name(source)) for topic in written]
    rules += [("stream_processors", "Read", "topic", topic.name(source)) for topic in OF_STATE]
    groups = (f"{config.processors.group_id}.{source}", f"{kafka.group_id}-reader")
    rules += [("stream_processors", "Read", "group", group) for group in groups]
    rules += [("pibridge tap", "Read, Describe", "topic", topic.name(source)) for topic in (LATE, SKEW, QUALITY)]
    rules += [("pibridge tap", "Read", "group", f"{kafka.group_id}-reader")]
    own = (PROGRESS, COMMANDS, JOBS, ASSESSMENTS)
    rules += [("spark_jobs", "Read, Describe", "topic", topic.name(source)) for topic in TOPICS if topic not in own]
    rules += [("spark_jobs", "Write", "topic", topic.name(source)) for topic in (INCIDENTS, COMMANDS)]
    rules += [("pibridge incidents", "Read, Describe", "topic", INCIDENTS.name(source))]
    rules += [("pibridge incidents accept", "Write, Describe", "topic", INCIDENTS.name(source))]
    rules += [("pibridge incidents", "Read", "group", f"{kafka.group_id}-reader")]
    rules += [("pibridge reconcile", "Read, Describe", "topic", POINTS.name(source))]
    rules += [("pibridge reconcile --repair", "Write, Describe", "topic", COMMANDS.name(source))]
    rules += [("pibridge reconcile --repair", "Read, Describe", "topic", JOBS.name(source))]
    rules += [("pibridge reconcile", "Read", "group", f"{kafka.group_id}-reader")]
    rules += [("pibridge topics apply", "Create, Describe", "topic, by prefix", f"pi.{source}.")]
    return [*rules, ("spark_jobs", "Read", "group, by prefix", f"{kafka.group_id}-bronze")]


def _admin(config: Config) -> AdminClient:
    return AdminClient(dict(config.kafka.client_settings()))
