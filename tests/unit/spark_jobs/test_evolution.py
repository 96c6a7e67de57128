import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas import wire
from spark_jobs import tables
from spark_jobs.evolution import merged
from tests.unit.schemas import frames

NOTE = {"name": "note", "type": ["null", "string"], "default": None, "doc": "A remark."}


def frame() -> dict[str, Any]:
    return copy.deepcopy(wire.raw_schema("value_frame"))


def inner(definition: dict[str, Any], *path: str) -> dict[str, Any]:
    """The record at a path of fields."""
    for name in path:
        definition = tables._inner(definition, name)
    return definition


def names(definition: dict[str, Any]) -> list[str]:
    return [field["name"] for field in definition["fields"]]


@given(st.sampled_from([(), ("series",), ("series", "statement"), ("series", "samples")]))
def test_a_later_field_is_taken_up_on_every_level_and_becomes_a_column_with_its_comment(path: tuple[str, ...]) -> None:
    later = frame()
    inner(later, *path)["fields"].append(dict(NOTE))
    ours = frame()
    wider = merged(ours, later)
    assert names(inner(wider, *path)) == [*names(inner(ours, *path)), "note"]
    assert ours == frame()
    known = tables.TIMESERIES if path != ("series", "statement") else tables.COVERAGE
    table = tables.bronze({record: wire.raw_schema(record) for record in tables.RECORDS} | {"value_frame": wider})
    grown = tables.widened(known, next(one for one in table if one.name == known.name))
    assert grown.columns[:-1] == known.columns
    assert (grown.columns[-1].name, grown.columns[-1].kind.sql, grown.columns[-1].comment) == ("note", "string", "A remark.")


def test_later_symbols_are_taken_up_and_earlier_ones_kept() -> None:
    earlier, later = frame(), frame()
    for definition, change in ((later, "append"), (earlier, "remove")):
        symbols = next(field for field in definition["fields"] if field["name"] == "via")["type"]["symbols"]
        symbols.append("STREAM") if change == "append" else symbols.remove("POLLING")
    via = next(field for field in merged(merged(frame(), later), earlier)["fields"] if field["name"] == "via")
    assert via["type"]["symbols"] == ["UNKNOWN", "CHANNEL", "UPDATES", "POLLING", "READ", "STREAM"]


def test_what_has_no_default_is_left_out() -> None:
    later = frame()
    later["fields"].append({"name": "needed", "type": "string", "doc": "x"})
    assert merged(frame(), later) == frame()


def test_a_record_by_the_merged_definition_is_read_from_either_version() -> None:
    later = frame()
    inner(later, "series", "samples")["fields"].append(dict(NOTE))
    reader = wire.parse(merged(frame(), later))
    value = frames.frame(frames.sample())
    body = wire.split(wire.encode(1, wire.schema("value_frame"), dict(value)))[1]
    assert wire.decode(body, wire.schema("value_frame"), reader)["series"][0]["samples"][0]["note"] is None
