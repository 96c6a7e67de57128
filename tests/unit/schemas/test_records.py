"""The typed dictionaries and the Avro files say the same, field by field; and each field says what it means."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from schemas import records, wire

PLAIN = {"string": str, "int": int, "long": int, "double": float, "boolean": bool, "bytes": bytes}
TIMES = {"start", "low", "high", "snapshot", "hour", "event_time", "alive_at", "as_of"}
"""Long fields that hold a time, beside all whose name ends in _time."""


def check(avro: Any, python: Any, where: str) -> None:
    """Compares one Avro type with one Python type, and what they hold."""
    if isinstance(avro, list):
        assert type(None) in get_args(python), f"{where}: may be null, its type says otherwise"
        (inner,) = (branch for branch in avro if branch != "null")
        (python_inner,) = (branch for branch in get_args(python) if branch is not type(None))
        check(inner, python_inner, where)
    elif isinstance(avro, str):
        assert python is PLAIN[avro], where
    elif avro["type"] == "enum":
        assert get_origin(python) is Literal or python is str, where
        if get_origin(python) is Literal:
            assert list(get_args(python)) == avro["symbols"], where
    elif avro["type"] == "array":
        assert get_origin(python) is list, where
        check(avro["items"], get_args(python)[0], where + "[]")
    elif avro["type"] == "map":
        assert get_origin(python) is dict, where
        check(avro["values"], get_args(python)[1], where + "{}")
    elif avro["type"] == "record":
        hints = get_type_hints(python)
        assert list(hints) == [field["name"] for field in avro["fields"]], f"{where}: other fields, or another order"
        assert python.__name__ == avro["name"], where
        for field in avro["fields"]:
            check(field["type"], hints[field["name"]], f"{where}.{field['name']}")
    else:
        check(avro["type"], python, where)


@pytest.mark.parametrize(("file", "record"), sorted(wire.RECORDS.items()))
def test_typed_dictionaries_are_the_avro_records(file: str, record: str) -> None:
    definition = wire.raw_schema(file)
    relaxed = _kind_of_open_incident_is_an_enum(definition) if file == "progress" else definition
    check(relaxed, getattr(records, record), record)


def _kind_of_open_incident_is_an_enum(progress: dict[str, Any]) -> dict[str, Any]:
    """An open incident keeps its kind as text, which Python knows more closely: compared as the enum of Incident."""
    kinds = next(f for f in wire.raw_schema("incident")["fields"] if f["name"] == "kind")["type"]

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            if node.get("name") == "kind" and node.get("type") == "string":
                return node | {"type": kinds}
            return {key: replaced(value) for key, value in node.items()}
        return [replaced(item) for item in node] if isinstance(node, list) else node

    result: dict[str, Any] = replaced(progress)
    assert result != progress
    return result


@pytest.mark.parametrize(
    ("avro", "python"),
    [
        ("string", int),
        (["null", "long"], int),
        ({"type": "enum", "symbols": ["UNKNOWN", "A"]}, Literal["UNKNOWN", "B"]),
        ({"type": "record", "name": "Statement", "fields": []}, records.Statement),
        ({"type": "array", "items": "string"}, list[int]),
    ],
)
def test_the_comparison_sees_a_difference(avro: Any, python: Any) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(avro, python, "seeded")


def fields_of(node: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of every record below a node."""
    if isinstance(node, dict):
        for field in node.get("fields", []):
            yield f"{where}.{field['name']}", field
        for key, value in node.items():
            if key != "fields":
                yield from fields_of(value, where)
        for field in node.get("fields", []):
            yield from fields_of(field["type"], f"{where}.{field['name']}")
    elif isinstance(node, list):
        for item in node:
            yield from fields_of(item, where)


FIELDS = [found for file in sorted(wire.RECORDS) for found in fields_of(wire.raw_schema(file), file)]


def is_time(field: dict[str, Any]) -> bool:
    """True for a long that holds a time."""
    return '"long"' in _json(field["type"]) and (field["name"].endswith("_time") or field["name"] in TIMES)


def _json(node: Any) -> str:
    import json

    return json.dumps(node) if not isinstance(node, str) else f'"{node}"'


def test_every_field_is_found() -> None:
    assert len(FIELDS) > 90
    assert len({where for where, _ in FIELDS}) == len(FIELDS)
    assert {"value_frame.series.samples.event_time", "progress.point.dirty.hour"} <= {where for where, _ in FIELDS}


@pytest.mark.parametrize(("where", "field"), FIELDS, ids=[where for where, _ in FIELDS])
def test_every_field_has_a_doc_and_every_time_names_its_unit(where: str, field: dict[str, Any]) -> None:
    doc = field.get("doc", "")
    assert len(doc) > 5, f"{where} has no doc"
    assert doc.endswith((".", ")")), f"{where}: a doc is a sentence"
    if is_time(field):
        assert "microseconds" in doc or "100 ns ticks" in doc or "Hours since 1970" in doc, f"{where} does not name its unit"


def test_every_field_with_the_logical_type_of_a_time_is_taken_for_a_time() -> None:
    logical = {where for where, field in FIELDS if "timestamp-micros" in _json(_own(field["type"]))}
    assert logical
    assert logical <= {where for where, field in FIELDS if is_time(field)}


def _own(node: Any) -> Any:
    """The type itself, without the records inside it."""
    if isinstance(node, list):
        return [_own(branch) for branch in node]
    if isinstance(node, dict) and node["type"] in ("record", "array", "map"):
        return node["type"]
    return node


def test_every_enum_has_unknown_as_its_default_symbol() -> None:
    enums = [(where, field) for where, field in FIELDS if isinstance(field["type"], dict) and field["type"].get("type") == "enum"]
    assert len(enums) >= 6
    for where, field in enums:
        assert field["type"]["default"] == "UNKNOWN", where
        assert field["default"] == "UNKNOWN", where
        assert field["type"]["symbols"][0] == "UNKNOWN", where
