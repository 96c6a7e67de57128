"""Records to and from the bytes of Kafka's messages, under the ids that the registry has for their schemas."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx2
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from fastavro.schema import SchemaParseException
from fastavro.types import Schema

from runtime import registry
from schemas import wire
from schemas.config import Config
from schemas.topics import DEAD_LETTERS, INCIDENTS, OF_PROCESSORS, Topic
from stream_processors.decode import Decoded, Decoder
from stream_processors.errors import NotReady, Unavailable

WRITTEN = (*OF_PROCESSORS, DEAD_LETTERS, INCIDENTS)
_UNKNOWN_KEPT_SECONDS = 60.0
"""The registry is asked again for an id that it did not know: who registers it may be a moment late."""


_MOST_UNKNOWN = 10_000
"""Garbage may name any id: so many of them are remembered."""


class UnknownSchema(wire.WireError):
    """A message names a schema that the registry does not have, or that is none."""


class _Definition(NamedTuple):
    """What an id stands for; or the problem, if it stands for nothing that can be read, and until when that is believed."""

    raw: dict[str, Any]
    writer: Schema
    problem: str | None = None
    until: float = float("inf")


class Codec:
    """Encodes our records; decodes ours, older ones, and those of newer versions. To be closed after use."""

    def __init__(self, ids: dict[str, int], client: SchemaRegistryClient, now: Callable[[], float] = time.monotonic) -> None:
        """`ids` are those of this version's schemas, by dataset; `now` is a monotonic clock."""
        self._ids, self._client, self._now = ids, client, now
        self._known: dict[int, _Definition] = {}
        self._frames = Decoder()

    def close(self) -> None:
        """Closes the connection to the registry."""
        self._client.close()

    def encode(self, topic: Topic, record: Any) -> bytes:
        """A record of a topic as a message's value."""
        return wire.encode(self._ids[topic.dataset], wire.schema(topic.record), record)

    def lacks(self, value: bytes) -> int | None:
        """The schema id of a message that has to be learnt before the message is decoded; None if there is nothing to learn."""
        try:
            schema_id, _ = wire.split(value)
        except wire.WireError:
            return None
        known = self._known.get(schema_id)
        return schema_id if known is None or known.until < self._now() else None

    def learn(self, schema_id: int) -> None:
        """Asks the registry, which takes its time, what an id stands for. Raises Unavailable if it does not answer."""
        if len(self._known) >= _MOST_UNKNOWN:
            self._known = {known: found for known, found in self._known.items() if found.problem is None}
        try:
            text = self._client.get_schema(schema_id).schema_str or ""
        except SchemaRegistryError as error:
            if error.http_status_code != 404:
                raise Unavailable(f"the registry does not tell what schema id {schema_id} is: {error}") from error
            problem = f"schema id {schema_id} is not known to the registry"
            self._known[schema_id] = _Definition({}, {}, problem, self._now() + _UNKNOWN_KEPT_SECONDS)
            return
        except httpx2.HTTPError as error:
            raise Unavailable(f"the registry does not answer: {error!r}") from error
        try:
            raw = json.loads(text)
            self._known[schema_id] = _Definition(raw, wire.parse(raw))
        except (SchemaParseException, ValueError, TypeError, KeyError) as error:
            self._known[schema_id] = _Definition({}, {}, f"schema id {schema_id} is no Avro definition ({type(error).__name__})")

    def frame(self, value: bytes) -> Decoded:
        """The frame in a message whose schema was learnt. Raises wire.WireError, UnknownSchema among it."""
        definition = self._definition(value)
        return self._frames.frame(value, definition.raw, definition.writer)

    def decode(self, topic: Topic, value: bytes) -> dict[str, Any]:
        """The record in a message of a topic, as this version sees it; learns its schema if need be. Raises WireError, Unavailable."""
        if (schema_id := self.lacks(value)) is not None:
            self.learn(schema_id)
        _, body = wire.split(value)
        return wire.decode(body, self._definition(value).writer, wire.schema(topic.record))

    def _definition(self, value: bytes) -> _Definition:
        schema_id, _ = wire.split(value)
        definition = self._known.get(schema_id)
        if definition is None or definition.problem is not None:
            raise UnknownSchema(f"schema id {schema_id} is not known" if definition is None else str(definition.problem))
        return definition


def codec(config: Config) -> Codec:
    """The codec of this source's topics. Raises NotReady if a subject lacks this version's schema, Unavailable without an answer."""
    client = registry.client(config.registry)
    try:
        return Codec({topic.dataset: registry.id_of(client, topic, config.source) for topic in WRITTEN}, client)
    except registry.Unregistered as error:
        client.close()
        raise NotReady(str(error)) from error
    except registry.Away as error:
        client.close()
        raise Unavailable(f"{config.registry.url}: {error}") from error
