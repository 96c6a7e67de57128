"""Confluent wire format: byte 0, four bytes of schema id, Avro body.

Logical types are left out when we decode for ourselves: times stay integers (microseconds since 1970), exact and cheap.
"""

import io
import json
import struct
from functools import cache
from importlib.resources import files
from typing import Any, cast

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.types import Schema

_HEADER = struct.Struct(">bI")
RECORDS = {
    "value_frame": "ValueFrame",
    "point": "Point",
    "incident": "Incident",
    "dead_letter": "DeadLetter",
    "progress": "Progress",
    "command": "Command",
    "job": "Job",
    "late": "LateSamples",
    "skew": "ClockSkew",
    "quality": "QualityFinding",
    "assessment": "Assessment",
}
"""Files below `schemas/avro`, without ending, and the record that each defines."""


class WireError(ValueError):
    """Bytes that are not a record in Confluent wire format, or do not fit the schema they name."""


def schema_text(name: str) -> str:
    """Text of `schemas/avro/<name>.avsc`."""
    return files("schemas").joinpath("avro", f"{name}.avsc").read_text(encoding="utf-8")


@cache
def raw_schema(name: str) -> dict[str, Any]:
    """The definition in `schemas/avro/<name>.avsc`, with its docs and logical types."""
    return cast(dict[str, Any], json.loads(schema_text(name)))


@cache
def schema(name: str) -> Schema:
    """Parsed schema of ours whose times are plain integers."""
    return parse(raw_schema(name))


def parse(definition: dict[str, Any]) -> Schema:
    """A schema ready for `encode` and `decode`, logical types left out."""
    return fastavro.parse_schema(_without_logical_types(definition))


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_logical_types(value) for key, value in node.items() if key != "logicalType"}
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node


GREATEST_ID = (1 << 31) - 1
"""Of a schema: registries number them as signed 32 bits, and answer others in ways of their own."""
_LAYOUT = ("type", "name", "fields", "items", "values", "symbols", "size")


def layout(node: Any) -> Any:
    """What of a definition decides how a record lies in bytes: two records of one layout are read and written alike."""
    if isinstance(node, dict):
        return {key: layout(node[key]) for key in _LAYOUT if key in node}
    if isinstance(node, list):
        return [layout(item) for item in node]
    return node


def header(schema_id: int) -> bytes:
    """What stands before the Avro body of a message."""
    return _HEADER.pack(0, schema_id)


def encode(schema_id: int, writer: Schema, record: dict[str, Any]) -> bytes:
    """One record in wire format; raises ValueError or TypeError, naming the field, if it does not fit the schema."""
    out = io.BytesIO()
    out.write(header(schema_id))
    fastavro.schemaless_writer(out, writer, record, strict=True)
    return out.getvalue()


def split(message: bytes) -> tuple[int, memoryview]:
    """Schema id and Avro body of a message; raises WireError if it has no such header, or an id that no registry can give."""
    if len(message) < _HEADER.size or message[0] != 0:
        raise WireError(f"{len(message)} bytes without the header of the Confluent wire format (a 0 and a schema id)")
    schema_id = _HEADER.unpack_from(message)[1]
    if schema_id > GREATEST_ID:
        raise WireError(f"schema id {schema_id} is greater than any of a registry")
    return schema_id, memoryview(message)[_HEADER.size :]


def decode(body: bytes | memoryview, writer: Schema, reader: Schema | None = None) -> dict[str, Any]:
    """The record in an Avro body, as `reader` sees it; raises WireError if the body does not fit, or bytes are left over."""
    source = io.BytesIO(body)
    try:
        record = fastavro.schemaless_reader(source, writer, reader)
    except (EOFError, LookupError, ValueError, TypeError, struct.error, OverflowError, MemoryError, SchemaResolutionError) as error:
        raise WireError(f"body of {len(body)} bytes does not fit its schema: {error!r}") from error
    if source.read(1):
        raise WireError(f"body of {len(body)} bytes is longer than the record in it")
    return cast(dict[str, Any], record)
