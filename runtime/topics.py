"""What Kafka has of our topics."""

import logging
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, TopicDescription  # type: ignore[attr-defined]

from schemas.config import Config
from schemas.topics import Topic

_SECONDS = 15.0


def described(config: Config, topics: Iterable[Topic]) -> tuple[dict[str, TopicDescription], list[str]]:
    """Each topic by dataset; and, a sentence each, which are missing or misshapen and what to do. Raises KafkaException."""
    admin = AdminClient({**config.kafka.client_settings(), "logger": logging.getLogger("librdkafka")})  # type: ignore[dict-item]
    try:
        return _described(config, admin, topics)
    finally:
        admin.poll(0)  # for its log


def _described(config: Config, admin: AdminClient, topics: Iterable[Topic]) -> tuple[dict[str, TopicDescription], list[str]]:
    names = {topic.name(config.source): topic for topic in topics}
    found, problems = dict[str, TopicDescription](), list[str]()
    for name, future in admin.describe_topics(TopicCollection(list(names)), request_timeout=_SECONDS).items():
        topic = names[name]
        try:
            one = found[topic.dataset] = future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            problems.append(f"topic {name} does not exist; run: pibridge topics apply")
            continue
        if len(one.partitions) != (wanted := topic.partition_count(config.delivery.shards)):
            problems.append(
                f"topic {name} has {len(one.partitions)} partitions, and the configuration says {wanted}: "
                "set delivery.shards to what the topics were created with"
            )
    return found, problems
