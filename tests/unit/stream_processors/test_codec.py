"""Ids of the registry: new ones are learnt, unknown ones are asked for again later, and one that is away is no answer."""

from typing import Any

import httpx2
import pytest
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas import wire
from schemas.topics import LATE
from stream_processors.codec import Codec, UnknownSchema
from stream_processors.errors import Unavailable
from tests.unit.schemas.frames import NINE, frame, message, sample


class Registry:
    """Knows what it is told."""

    def __init__(self) -> None:
        self.schemas: dict[int, str] = {}
        self.error: Exception | None = None
        self.asked: list[int] = []

    def get_schema(self, schema_id: int) -> Any:
        self.asked.append(schema_id)
        if self.error is not None:
            raise self.error
        if schema_id not in self.schemas:
            raise SchemaRegistryError(404, 40403, "Schema not found")
        return type("Answer", (), {"schema_str": self.schemas[schema_id]})

    def close(self) -> None: ...


class Clock:
    now = 0.0


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def codec(registry: Registry, clock: Clock) -> Codec:
    client: Any = registry
    return Codec({"late": 5}, client, lambda: clock.now)


def test_a_new_id_is_asked_for_once(codec: Codec, registry: Registry) -> None:
    registry.schemas[7] = wire.schema_text("value_frame")
    content = message(frame(sample(NINE)), 7)
    assert codec.lacks(content) == 7
    codec.learn(7)
    for _ in range(3):
        assert codec.lacks(content) is None
        assert codec.frame(content).samples.micros.tolist() == [NINE]
    assert registry.asked == [7]


def test_an_id_that_was_not_known_is_asked_for_again_after_a_minute(codec: Codec, registry: Registry, clock: Clock) -> None:
    content = message(frame(sample(NINE)), 7)
    codec.learn(7)
    assert codec.lacks(content) is None
    with pytest.raises(UnknownSchema, match="schema id 7 is not known to the registry"):
        codec.frame(content)
    clock.now, registry.schemas[7] = 61.0, wire.schema_text("value_frame")
    assert codec.lacks(content) == 7
    codec.learn(7)
    assert codec.frame(content).samples.counts == [1]


def test_of_unknown_ids_not_more_than_some_are_remembered_and_known_ones_always_are(
    codec: Codec, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_processors.codec._MOST_UNKNOWN", 10)
    registry.schemas[7] = wire.schema_text("value_frame")
    codec.learn(7)
    for schema_id in range(100, 150):
        codec.learn(schema_id)
    assert len(codec._known) <= 10
    assert codec.frame(message(frame(sample(NINE)), 7)).samples.counts == [1]
    with pytest.raises(UnknownSchema, match="schema id 100 is not known"):
        codec.frame(message(frame(sample(NINE)), 100))


@pytest.mark.parametrize(
    "error", [httpx2.ConnectError("refused"), SchemaRegistryError(500, 50001, "error in the store")], ids=["away", "500"]
)
def test_a_registry_that_does_not_answer_is_no_answer(codec: Codec, registry: Registry, error: Exception) -> None:
    registry.error = error
    with pytest.raises(Unavailable, match="registry does not"):
        codec.learn(7)
    assert codec.lacks(message(frame(sample(NINE)), 7)) == 7


def test_bytes_without_a_header_need_nothing_to_be_learnt(codec: Codec) -> None:
    assert codec.lacks(b"garbage") is None
    with pytest.raises(wire.WireError, match="without the header"):
        codec.frame(b"garbage")


def test_records_are_written_under_the_id_of_their_subject_and_read_back(codec: Codec, registry: Registry) -> None:
    registry.schemas[5] = wire.schema_text("late")
    late: dict[str, Any] = {field["name"]: "x" if field["type"] == "string" else 1 for field in wire.raw_schema("late")["fields"]}
    late |= {"category": "LATE", "cause": "OUR_GAP", "threshold_kind": "LEARNT"}
    content = codec.encode(LATE, late)
    assert wire.split(content)[0] == 5
    assert codec.decode(LATE, content) == late
