"""Schemas stay FULL_TRANSITIVE: every version reads what every other wrote. Released: schemas/released/<name>/<version>.avsc."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

import schemas
from schemas import wire

RELEASED = sorted((Path(schemas.__file__).parent / "released").glob("*/*.avsc"))


def complaints(reader: dict[str, Any], writer: dict[str, Any]) -> list[str]:
    """Why the reader cannot read what the writer wrote; empty if it can."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(avro.schema.parse(json.dumps(reader)), avro.schema.parse(json.dumps(writer)))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return []
    return sorted(f"{place}: {message}" for place, message in zip(result.locations, result.messages, strict=False)) or ["incompatible"]


def both_ways(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Complaints in either direction."""
    return complaints(one, other) + complaints(other, one)


def test_every_schema_has_a_released_copy_and_none_was_lost() -> None:
    assert {path.parent.name for path in RELEASED} == set(wire.RECORDS)
    for name in wire.RECORDS:
        versions = sorted(int(path.stem) for path in RELEASED if path.parent.name == name)
        assert versions == list(range(1, len(versions) + 1))


@pytest.mark.parametrize("path", RELEASED, ids=[f"{path.parent.name}-{path.stem}" for path in RELEASED])
def test_todays_schema_reads_and_is_read_by_every_released_one(path: Path) -> None:
    assert both_ways(wire.raw_schema(path.parent.name), json.loads(path.read_text(encoding="utf-8"))) == []


# Each defect is seeded into the frame: the check must see every one of them.


def frame() -> dict[str, Any]:
    return copy.deepcopy(wire.raw_schema("value_frame"))


def field(definition: dict[str, Any], *path: str) -> dict[str, Any]:
    """A field by its path through records, arrays and unions."""
    found: dict[str, Any] = next(f for f in record_in(definition)["fields"] if f["name"] == path[0])
    return found if len(path) == 1 else field(found["type"], *path[1:])


def record_in(node: Any) -> dict[str, Any]:
    """The record inside a type."""
    if isinstance(node, list):
        node = next(branch for branch in node if branch != "null")
    return record_in(node["items"]) if node["type"] == "array" else node


def field_added_without_default(definition: dict[str, Any]) -> None:
    definition["fields"].append({"name": "region", "type": "string"})


def field_added_deep_inside_without_default(definition: dict[str, Any]) -> None:
    record_in(field(definition, "series", "samples")["type"])["fields"].append({"name": "confidence", "type": "double"})


def type_changed(definition: dict[str, Any]) -> None:
    field(definition, "epoch")["type"] = "string"


def type_narrowed(definition: dict[str, Any]) -> None:
    field(definition, "epoch")["type"] = "int"


def type_widened(definition: dict[str, Any]) -> None:
    field(definition, "shard")["type"] = "long"


def field_removed_that_had_no_default(definition: dict[str, Any]) -> None:
    definition["fields"] = [f for f in definition["fields"] if f["name"] != "clock"]


def field_renamed(definition: dict[str, Any]) -> None:
    field(definition, "series", "tag")["name"] = "name"


def null_forbidden(definition: dict[str, Any]) -> None:
    field(definition, "series", "uom")["type"] = "string"


def null_allowed_where_older_readers_take_none(definition: dict[str, Any]) -> None:
    field(definition, "source")["type"] = ["null", "string"]


def enum_symbol_added_without_default_symbol(definition: dict[str, Any]) -> None:
    origin = field(definition, "origin")["type"]
    del origin["default"]
    origin["symbols"].remove("RECORDED")


def record_renamed(definition: dict[str, Any]) -> None:
    record_in(field(definition, "series")["type"])["name"] = "Row"


DEFECTS = [
    field_added_without_default,
    field_added_deep_inside_without_default,
    type_changed,
    type_narrowed,
    type_widened,
    field_removed_that_had_no_default,
    field_renamed,
    null_forbidden,
    null_allowed_where_older_readers_take_none,
    enum_symbol_added_without_default_symbol,
    record_renamed,
]


@pytest.mark.parametrize("defect", DEFECTS, ids=[defect.__name__ for defect in DEFECTS])
def test_a_seeded_defect_is_caught(defect: Callable[[dict[str, Any]], None]) -> None:
    changed = frame()
    defect(changed)
    assert changed != frame()
    assert both_ways(frame(), changed)


@pytest.mark.parametrize("defect", [field_added_without_default, type_changed])
def test_a_defect_against_any_released_version_is_caught_even_where_the_newest_one_agrees(
    defect: Callable[[dict[str, Any]], None],
) -> None:
    first = json.loads(
        next(path for path in RELEASED if path.parent.name == "value_frame" and path.stem == "1").read_text(encoding="utf-8")
    )
    changed = frame()
    defect(changed)
    assert not both_ways(changed, copy.deepcopy(changed))
    assert both_ways(changed, first)


def test_what_evolution_allows_is_not_called_a_defect() -> None:
    changed = frame()
    changed["fields"].append({"name": "region", "type": ["null", "string"], "default": None})
    field(changed, "origin")["type"]["symbols"].append("REPLAYED")
    field(changed, "source")["doc"] = "Other words."
    changed["fields"] = [f for f in changed["fields"] if f["name"] != "cause"]
    assert both_ways(frame(), changed) == []
