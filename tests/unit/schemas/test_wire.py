import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.records import ValueFrame
from tests.unit.schemas.frames import frame, message, sample, statement

FRAME: ValueFrame = frame(sample(value_type="DOUBLE", value_double=1.5), stated=statement(count=1))


def test_a_record_comes_back_as_it_went_in() -> None:
    schema_id, body = wire.split(message(FRAME, 1234567))
    assert schema_id == 1234567
    assert wire.decode(body, wire.schema("value_frame")) == FRAME


def test_header_is_a_zero_and_the_schema_id_in_four_bytes() -> None:
    assert message(FRAME, 0x01020304)[:5] == b"\x00\x01\x02\x03\x04"


@pytest.mark.parametrize("bytes_", [b"", b"\x00", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x07body", b'{"a":1}'])
def test_bytes_without_the_header_are_refused(bytes_: bytes) -> None:
    with pytest.raises(wire.WireError, match="without the header"):
        wire.split(bytes_)


def test_an_id_that_no_registry_can_give_is_refused() -> None:
    assert wire.split(b"\x00\x7f\xff\xff\xff")[0] == 2**31 - 1
    with pytest.raises(wire.WireError, match=f"schema id {2**31} is greater than any of a registry"):
        wire.split(b"\x00\x80\x00\x00\x00")


def test_bytes_after_the_record_are_refused() -> None:
    _, body = wire.split(message(FRAME) + b"\x00")
    with pytest.raises(wire.WireError, match="longer than the record"):
        wire.decode(body, wire.schema("value_frame"))


def test_every_body_that_was_cut_is_refused() -> None:
    _, body = wire.split(message(FRAME))
    for length in range(len(body)):
        with pytest.raises(wire.WireError):
            wire.decode(body[:length], wire.schema("value_frame"))


@given(st.binary(max_size=200), st.sampled_from(sorted(wire.RECORDS)))
@settings(max_examples=300, deadline=None)
def test_garbage_is_a_wire_error_or_a_record_and_never_another_exception(garbage: bytes, name: str) -> None:
    with contextlib.suppress(wire.WireError):
        wire.decode(garbage, wire.schema(name))


@given(st.integers(min_value=0), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_one_wrong_byte_is_a_wire_error_or_another_record(at: int, byte: int) -> None:
    _, body = wire.split(message(FRAME))
    wrong = bytearray(body)
    wrong[at % len(wrong)] = byte
    with contextlib.suppress(wire.WireError):
        wire.decode(bytes(wrong), wire.schema("value_frame"), wire.schema("value_frame"))


def test_a_body_of_another_schema_is_refused() -> None:
    _, body = wire.split(message(FRAME))
    with pytest.raises(wire.WireError):
        wire.decode(body, wire.schema("point"))


def test_a_writer_that_cannot_be_resolved_is_a_wire_error() -> None:
    _, body = wire.split(message(FRAME))
    with pytest.raises(wire.WireError):
        wire.decode(body, wire.schema("value_frame"), wire.schema("point"))


def evolved() -> dict[str, Any]:
    """A later frame: a new field with a default at the top and in the sample, a new value type, and one field less."""
    definition = copy.deepcopy(wire.raw_schema("value_frame"))
    fields = {field["name"]: field for field in definition["fields"]}
    sample_fields = {f["name"]: f for f in fields["series"]["type"]["items"]["fields"]}["samples"]["type"]["items"]["fields"]
    sample_fields.append({"name": "confidence", "type": ["null", "double"], "default": None})
    value_type = next(f for f in sample_fields if f["name"] == "value_type")["type"]
    value_type["symbols"].append("ARRAY")
    definition["fields"] = [f for f in definition["fields"] if f["name"] != "cause"]
    definition["fields"].insert(0, {"name": "region", "type": "string", "default": ""})
    return definition


def test_an_older_reader_sees_a_later_record_with_its_own_defaults() -> None:
    later = dict(copy.deepcopy(FRAME)) | {"region": "north"}
    del later["cause"]
    newer: Any = later["series"]
    newer[0]["samples"][0] |= {"confidence": 0.5, "value_type": "ARRAY"}
    writer = wire.parse(evolved())
    _, body = wire.split(wire.encode(9, writer, later))
    seen = wire.decode(body, writer, wire.schema("value_frame"))
    assert "region" not in seen
    assert seen["cause"] is None
    assert seen["series"][0]["samples"][0]["value_type"] == "UNKNOWN"
    assert seen["series"][0]["samples"][0]["value_double"] == 1.5


def test_a_later_reader_sees_an_older_record_with_its_own_defaults() -> None:
    _, body = wire.split(message(FRAME))
    seen = wire.decode(body, wire.schema("value_frame"), wire.parse(evolved()))
    assert seen["region"] == ""
    assert seen["series"][0]["samples"][0]["confidence"] is None
    assert "cause" not in seen


def test_times_stay_integers_in_both_directions() -> None:
    assert "logicalType" in wire.schema_text("value_frame")
    _, body = wire.split(message(FRAME))
    assert wire.decode(body, wire.schema("value_frame"))["received_time"] == FRAME["received_time"]


@pytest.mark.parametrize(
    "wrong", [{"shard": "three"}, {"shard": None}, {"series": None}, {"surplus": 1}], ids=["text", "null", "no list", "unknown field"]
)
def test_a_record_that_does_not_fit_is_refused_when_it_is_written(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        wire.encode(7, wire.schema("value_frame"), dict(FRAME) | wrong)


def test_a_record_that_lacks_a_field_is_refused_when_it_is_written() -> None:
    record = {name: value for name, value in FRAME.items() if name != "via"}
    with pytest.raises((ValueError, TypeError), match="via"):
        wire.encode(7, wire.schema("value_frame"), record)


def test_each_record_file_defines_the_record_that_the_list_says() -> None:
    from importlib.resources import files

    names = {entry.name.removesuffix(".avsc") for entry in files("schemas").joinpath("avro").iterdir() if entry.name.endswith(".avsc")}
    assert names == set(wire.RECORDS)
    for file, record in wire.RECORDS.items():
        assert wire.raw_schema(file)["name"] == record
