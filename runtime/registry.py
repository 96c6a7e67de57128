"""The schema registry: its client, and ids of this version's schemas."""

from typing import Any

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas import wire
from schemas.config import Registry
from schemas.topics import Topic

_SECONDS = 15.0


def client(config: Registry) -> SchemaRegistryClient:
    """A client of the schema registry; to be closed after use."""
    settings: dict[str, Any] = {"url": config.url, "timeout": _SECONDS}
    if config.auth.kind == "basic":
        settings["basic.auth.user.info"] = f"{config.auth.username}:{config.auth.password.get_secret_value()}"
    if config.ca_file is not None:
        settings["ssl.ca.location"] = config.ca_file
    return SchemaRegistryClient(settings)


class Away(Exception):
    """The registry does not answer as it should; the message says how."""


class Unregistered(Exception):
    """A subject lacks this version's schema; the message names it, and the command."""


def id_of(client: SchemaRegistryClient, topic: Topic, source: str) -> int:
    """The id of this version's schema of a topic: producers never register. Raises Unregistered or Away."""
    subject = topic.subject(source)
    try:
        schema_id = client.lookup_schema(subject, Schema(wire.schema_text(topic.record), "AVRO")).schema_id
    except (SchemaRegistryError, httpx2.HTTPError) as error:
        if isinstance(error, SchemaRegistryError) and error.http_status_code == 404:
            raise Unregistered(f"subject {subject} lacks this version's schema; run: pibridge schemas register") from error
        raise Away(f"the registry does not answer as it should: {error}") from error
    if schema_id is None:
        raise Away(f"the registry names no id for subject {subject}")
    return schema_id
