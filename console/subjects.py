"""`pibridge schemas`: registers the Avro schemas of the source's topics; producers never do (design 3.3)."""

from dataclasses import dataclass

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from runtime import registry
from schemas import wire
from schemas.config import Config
from schemas.topics import TOPICS

COMPATIBILITY = "FULL_TRANSITIVE"


@dataclass(frozen=True)
class Registered:
    """A subject and the id of this version's schema in it; None if it is not there."""

    subject: str
    schema_id: int | None


def plan(config: Config) -> list[Registered]:
    """Every subject and whether the registry knows this version's schema. Raises SchemaRegistryError."""
    with registry.client(config.registry) as client:
        return [Registered(topic.subject(config.source), _known(client, topic.subject(config.source), topic.record)) for topic in TOPICS]


def register(config: Config) -> list[Registered]:
    """Registers what is missing, each subject being set to FULL_TRANSITIVE; answers all. Raises SchemaRegistryError if one is refused."""
    with registry.client(config.registry) as client:
        return [_register(client, topic.subject(config.source), topic.record) for topic in TOPICS]


def _register(client: SchemaRegistryClient, subject: str, record: str) -> Registered:
    schema_id = _known(client, subject, record)
    if schema_id is None:
        schema_id = client.register_schema(subject, Schema(wire.schema_text(record), "AVRO"))
    client.set_compatibility(subject, COMPATIBILITY)  # always: an earlier run may have died before it, or somebody changed it
    return Registered(subject, schema_id)


def _known(client: SchemaRegistryClient, subject: str, record: str) -> int | None:
    try:
        return client.lookup_schema(subject, Schema(wire.schema_text(record), "AVRO")).schema_id
    except SchemaRegistryError as error:
        if error.http_status_code == 404:
            return None
        raise
