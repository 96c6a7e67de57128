"""What Kafka says about the topics themselves, asked by the Java client that Spark brings along."""

from collections.abc import Iterable
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from schemas import config
from spark_jobs import kafka
from spark_jobs.errors import Misconfigured, Unavailable
from spark_jobs.sequences import Place

_TIMEOUT_MS = 15_000


class Brokers:
    """Asks and publishes; a connection each time, since that is rare."""

    def __init__(self, spark: SparkSession, settings: config.Kafka) -> None:
        self._jvm: Any = spark._jvm
        self._settings = settings

    def topic_ids(self, names: Iterable[str]) -> dict[str, str]:
        """Kafka's id of each topic. Raises Unavailable if Kafka does not answer, Misconfigured if it lacks one."""
        described = self._ask(lambda admin: self._ids(admin, set(names)))
        if missing := sorted(set(names) - described.keys()):
            raise Misconfigured(f"Kafka has no topic {', '.join(missing)}: create the topics first (pibridge topics apply)")
        return {name: described[name] for name in names}

    def earliest(self, names: Iterable[str]) -> dict[Place, int]:
        """First offset that Kafka still has, of each partition of the topics. Raises Unavailable."""
        found: dict[Place, int] = self._ask(lambda admin: self._offsets(admin, list(names), "earliest"))
        return found

    def newest(self, names: Iterable[str]) -> dict[Place, int]:
        """The offset after the last committed record, of each partition of the topics. Raises Unavailable."""
        found: dict[Place, int] = self._ask(lambda admin: self._offsets(admin, list(names), "latest"))
        return found

    def publish(self, topic: str, key: str, value: bytes) -> None:
        """Publish a record; returns once Kafka has it. Raises Unavailable."""
        producer = self._jvm.org.apache.kafka.clients.producer
        serializer = self._jvm.org.apache.kafka.common.serialization.ByteArraySerializer
        properties = self._properties()
        properties.setProperty("acks", "all")
        properties.setProperty("delivery.timeout.ms", str(_TIMEOUT_MS * 2))
        try:
            client = producer.KafkaProducer(properties, serializer(), serializer())
            try:
                client.send(producer.ProducerRecord(topic, bytearray(key.encode()), bytearray(value))).get()
            finally:
                client.close(self._jvm.java.time.Duration.ofSeconds(5))
        except Py4JJavaError as error:
            raise Unavailable(f"Kafka does not take a record of {topic}: {_reason(error)}") from error

    def _properties(self) -> Any:
        properties = self._jvm.java.util.Properties()
        for key, value in kafka.client_settings(self._settings).items():
            properties.setProperty(key, value)
        properties.setProperty("request.timeout.ms", str(_TIMEOUT_MS // 3))
        return properties

    def _ask(self, question: Any) -> Any:
        properties = self._properties()
        properties.setProperty("default.api.timeout.ms", str(_TIMEOUT_MS))
        try:
            admin = self._jvm.org.apache.kafka.clients.admin.Admin.create(properties)
            try:
                return question(admin)
            finally:
                admin.close(self._jvm.java.time.Duration.ofSeconds(1))
        except Py4JJavaError as error:
            raise Unavailable(f"Kafka at {self._settings.bootstrap_servers} does not answer: {_reason(error)}") from error

    def _described(self, admin: Any, names: set[str]) -> Any:
        present = names & set(admin.listTopics().names().get())
        wanted = self._jvm.java.util.ArrayList()
        for name in sorted(present):
            wanted.add(name)
        return admin.describeTopics(wanted).allTopicNames().get()

    def _ids(self, admin: Any, names: set[str]) -> dict[str, str]:
        return {str(name): str(topic.topicId().toString()) for name, topic in self._described(admin, names).items()}

    def _offsets(self, admin: Any, names: list[str], end: str) -> dict[Place, int]:
        clients, wanted = self._jvm.org.apache.kafka.clients.admin, self._jvm.java.util.HashMap()
        for name, topic in self._described(admin, set(names)).items():
            for partition in range(topic.partitions().size()):
                place = self._jvm.org.apache.kafka.common.TopicPartition(name, partition)
                wanted.put(place, getattr(clients.OffsetSpec, end)())
        committed = clients.ListOffsetsOptions(self._jvm.org.apache.kafka.common.IsolationLevel.READ_COMMITTED)
        answer = admin.listOffsets(wanted, committed).all().get()
        return {(str(place.topic()), int(place.partition())): int(info.offset()) for place, info in answer.items()}


def _reason(error: Py4JJavaError) -> str:
    cause = error.java_exception.getCause() or error.java_exception
    return str(cause.getMessage())
