"""The decoder by column against fastavro: the same samples, the same refusals."""

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas import wire
from schemas.records import Sample, Series, ValueFrame
from schemas.values import read_frame
from stream_processors import decode
from stream_processors.columns import samples_of
from stream_processors.decode import Decoded, Decoder
from tests.unit.schemas.frames import NINE, frame, message, sample, statement

SCHEMA, DEFINITION = wire.schema("value_frame"), wire.raw_schema("value_frame")
LONGS = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-70, 70))
TIMES = st.one_of(
    st.integers(NINE, NINE + 10**7),
    st.sampled_from([0, -1, (1 << 48) - 1, 1 << 48, (1 << 55) - 1, 1 << 55, -62135596800000000, 253402300799999999]),
)
KINDS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.builds(lambda v: {"value_type": "DOUBLE", "value_double": v}, st.floats()),
    st.builds(lambda v: {"value_type": "LONG", "value_long": v}, LONGS),
    st.builds(lambda v: {"value_type": "STRING", "value_string": v}, st.text(max_size=80)),
    st.builds(lambda v: {"value_type": "BYTES", "value_bytes": v}, st.binary(max_size=80)),
    st.builds(lambda c: {"value_type": "DIGITAL", "digital_code": c, "value_string": "On"}, st.integers(-1, 300)),
    st.builds(lambda c: {"system_state": c, "system_state_name": "Keine Daten", "good": False}, st.integers(0, 400)),
    st.just({"value_type": "DOUBLE"}),
    st.just({}),
]
FLAGS = st.dictionaries(st.sampled_from(["questionable", "substituted", "annotated"]), st.booleans(), max_size=2)
SAMPLES = st.builds(
    lambda time, ticks, ordinal, kind, flags: sample(time, ticks=ticks, ordinal=ordinal, **kind, **flags),
    TIMES, st.integers(0, 9), st.one_of(st.integers(0, 70), st.integers(0, 1 << 30)), st.one_of(KINDS), FLAGS,
)  # fmt: skip
PLAIN = st.builds(
    lambda time, ticks, value: sample(time, ticks=ticks, value_type="DOUBLE", value_double=value),
    st.integers(NINE, NINE + 10**10), st.integers(0, 9), st.floats(),
)  # fmt: skip
POINTS = st.tuples(
    st.sampled_from(["main:1", "main:2", "größer:3", "main:" + "9" * 70]), st.text(max_size=5), st.sampled_from([None, "°C"])
)
STATEMENTS = st.one_of(st.none(), st.builds(lambda digest, count: statement(digest=digest, count=count), LONGS, LONGS))
FRAMES = st.lists(
    st.tuples(POINTS, STATEMENTS, st.one_of(st.lists(PLAIN, max_size=4), st.lists(SAMPLES, max_size=4))), max_size=6
)  # fmt: skip


def framed(parts: list[Any]) -> ValueFrame:
    made = frame()
    made["series"] = [
        {"point_key": key, "tag": tag, "uom": uom, "statement": stated, "samples": samples} for (key, tag, uom), stated, samples in parts
    ]
    return made


def decoded(content: bytes, decoder: Decoder | None = None) -> Decoded:
    return (decoder or Decoder()).frame(content, DEFINITION, SCHEMA)


def same(found: Decoded, made: ValueFrame) -> None:
    expected = samples_of(made)
    assert found.samples.counts == expected.counts
    for name, one, other in zip(expected._fields[1:], found.samples[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)
        assert one.dtype == other.dtype, name
    head, expected_head = ({name: value for name, value in each.items() if name != "series"} for each in (found.frame, made))
    assert head == expected_head
    series = [{name: one[name] for name in ("point_key", "tag", "uom", "statement")} for one in made["series"]]
    assert [{name: value for name, value in one.items() if name != "samples"} for one in found.frame["series"]] == series


@settings(max_examples=300, deadline=None)
@given(FRAMES)
@example([(("main:1", "", None), None, [])])
@example([])
def test_what_it_reads_is_what_fastavro_reads(parts: list[Any]) -> None:
    made, decoder = framed(parts), Decoder()
    content = message(made)
    for _ in range(2):  # the second time with points that are known
        same(decoded(content, decoder), read_frame(content, lambda _: SCHEMA))


@settings(max_examples=300, deadline=None)
@given(FRAMES, st.data())
def test_what_fastavro_refuses_it_refuses_and_what_is_changed_is_read_alike(parts: list[Any], data: st.DataObject) -> None:
    content = bytearray(message(framed(parts)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(5, len(content) - 1))] = data.draw(st.integers(0, 255))
    broken = bytes(content[: data.draw(st.integers(5, len(content)))])
    try:
        expected = read_frame(broken, lambda _: SCHEMA)
    except wire.WireError:
        with pytest.raises(wire.WireError, match="body of"):
            decoded(broken)
    else:
        same(decoded(broken), expected)


def plain(count: int) -> list[Sample]:
    return [sample(NINE + n, value_type="DOUBLE", value_double=float(n)) for n in range(count)]


def usual(parts: int, each: int) -> ValueFrame:
    made = frame()
    made["series"] = [Series(point_key=f"main:{n}", tag=f"T{n}", uom="°C", statement=None, samples=plain(each)) for n in range(parts)]
    return made


@pytest.mark.parametrize(("parts", "each"), [(100, 1), (10, 10), (1, 100)])
def test_frames_as_a_plant_sends_them_never_need_fastavro(parts: int, each: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = usual(parts, each)
    made["series"][0]["samples"] += [sample(value_type="DIGITAL", digital_code=3, value_string="On"), sample(system_state=246, good=False)]
    content = message(made)
    monkeypatch.setattr(wire, "decode", None)
    same(decoded(content), made)


def test_a_schema_that_is_laid_out_otherwise_is_read_all_the_same() -> None:
    later = copy.deepcopy(DEFINITION)
    later["fields"].insert(0, {"name": "site", "type": ["null", "string"], "default": None, "doc": "New."})
    writer, made = wire.parse(later), usual(2, 3)
    same(Decoder().frame(wire.encode(9, writer, {**made, "site": "north"}), later, writer), made)


def test_docs_and_logical_types_change_no_layout_and_a_new_symbol_does() -> None:
    other = copy.deepcopy(DEFINITION)
    other["fields"][0]["doc"] = "Another sentence."
    assert wire.layout(other) == wire.layout(DEFINITION)
    other["fields"][5]["type"]["symbols"].append("FORECAST")
    assert wire.layout(other) != wire.layout(DEFINITION)


def test_bytes_without_a_header_are_refused() -> None:
    with pytest.raises(wire.WireError, match="without the header"):
        decoded(b"\x01garbage")


def test_points_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_POINTS_KEPT", 3)
    decoder = Decoder()
    for _ in range(2):
        same(decoded(message(usual(10, 1)), decoder), usual(10, 1))
    assert len(decoder._points) <= 3


def test_a_point_that_was_renamed_is_told_by_its_new_name() -> None:
    decoder = Decoder()
    before, after = usual(2, 1), usual(2, 1)
    after["series"][1] |= {"tag": "NEW", "uom": None}
    same(decoded(message(before), decoder), before)
    same(decoded(message(after), decoder), after)
