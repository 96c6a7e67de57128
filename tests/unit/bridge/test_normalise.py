"""PI's JSON to samples, with the shapes of pi-web-api's documentation and of captures."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.errors import PIUnreadable
from bridge.normalise import MAX_VALUE_BYTES, ChannelSeries, channel_message, parse_json, sample_of, samples_of
from bridge.ranges import ticks_of
from bridge.samples import record_of
from schemas.records import Sample
from tests.unit.bridge.world import at, item

CAPTURED = (
    '{"Links":{},"Items":[{"WebId":"F1DP1","Name":"TI14013.PV","Path":"\\\\\\\\ABC\\\\TI14013.PV","Links":{},'
    '"Items":[{"Timestamp":"2022-12-09T14:06:38.4350128Z","Value":73.68963,"UnitsAbbreviation":"",'
    '"Good":true,"Questionable":false,"Substituted":false,"Annotated":false}],"UnitsAbbreviation":""}]}'
)


def one(value: object, point_type: str = "Float32", **fields: object) -> Sample:
    """The sample of one value."""
    return record_of(sample_of(item(at("09:00"), value, **fields), point_type))


def column(value: object, point_type: str) -> tuple[str, object]:
    """Value type of one value, and the only value column that is set."""
    made: dict[str, Any] = dict(one(value, point_type))
    (only,) = [made[name] for name in ("value_double", "value_long", "value_string", "value_bytes") if made[name] is not None]
    return made["value_type"], only


# -- values


@pytest.mark.parametrize(
    ("point_type", "value", "expected"),
    [
        ("Float32", 50.40764, ("DOUBLE", 50.40764)),
        ("Float32", 65229868.0, ("DOUBLE", 65229868.0)),
        ("Float64", 3, ("DOUBLE", 3.0)),
        ("Int32", 3, ("LONG", 3)),
        ("Int32", 3.5, ("DOUBLE", 3.5)),
        ("Int32", "text where a number was expected", ("STRING", "text where a number was expected")),
        ("String", "", ("STRING", "")),
        ("String", "größer 😀", ("STRING", "größer 😀")),
        ("String", "NaN", ("STRING", "NaN")),
        ("String", 5, ("LONG", 5)),
        ("Blob", "AP8=", ("BYTES", b"\x00\xff")),
        ("Timestamp", "2024-01-31T00:00:00.5Z", ("TIMESTAMP", 1_706_659_200_500_000)),
        ("Timestamp", "2024-01-31T00:00:00.1234567Z", ("STRING", "2024-01-31T00:00:00.1234567Z")),
    ],
)
def test_each_kind_of_value_goes_into_its_column_and_no_other(point_type: str, value: object, expected: tuple[str, object]) -> None:
    assert column(value, point_type) == expected


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 2**63 - 1])
def test_trap_18_integers_above_2_to_the_53_stay_exact(number: int) -> None:
    assert column(parse_json(str(number)), "Int64") == ("LONG", number)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
def test_trap_18_an_integer_beyond_64_bits_is_set_aside_and_not_rounded(number: int) -> None:
    with pytest.raises(PIUnreadable, match="64 bits"):
        one(parse_json(str(number)), "Int64")


@pytest.mark.parametrize(("word", "value"), [("Infinity", math.inf), ("-Infinity", -math.inf), ("NaN", math.nan)])
def test_trap_18_not_a_number_and_infinity_come_as_words_or_bare(word: str, value: float) -> None:
    for written in (word, parse_json(f'{{"v": {word}}}')["v"]):
        kind, double = column(written, "Float32")
        assert kind == "DOUBLE"
        assert double == value or (math.isnan(value) and isinstance(double, float) and math.isnan(double))


def test_trap_18_a_missing_annotated_flag_is_false() -> None:
    written = item(at("09:00"))
    del written["Annotated"]
    assert sample_of(written, "Float32").shape.flags.annotated is False


def test_trap_12_a_system_state_on_a_float_point_is_no_value_and_no_zero() -> None:
    state = one({"Name": "Pt Created", "Value": 253, "IsSystem": True}, "Float32", Good=False)
    assert (state["value_type"], state["system_state"], state["system_state_name"], state["good"]) == ("NONE", 253, "Pt Created", False)
    assert all(state[name] is None for name in ("value_double", "value_long", "value_string", "value_bytes", "digital_code"))


def test_trap_13_digital_state_248_of_a_users_set_is_not_no_data() -> None:
    digital = one({"Name": "Zone 248", "Value": 248, "IsSystem": False}, "Digital")
    assert (digital["value_type"], digital["digital_code"], digital["value_string"]) == ("DIGITAL", 248, "Zone 248")
    assert digital["system_state"] is None


def test_state_number_0_is_a_state() -> None:
    assert one({"Name": "Off", "Value": 0, "IsSystem": False}, "Digital")["digital_code"] == 0


def test_trap_14_a_translated_state_is_known_by_its_code() -> None:
    state = one({"Name": "Keine Daten", "Value": 248, "IsSystem": True})
    assert (state["system_state"], state["system_state_name"]) == (248, "Keine Daten")


def test_trap_15_flags_are_kept_verbatim() -> None:
    flagged = one(1.0, Good=True, Questionable=True, Substituted=True, Annotated=True)
    assert (flagged["good"], flagged["questionable"], flagged["substituted"], flagged["annotated"]) == (True, True, True, True)
    assert one(1.0, Good=False)["good"] is False


def test_trap_19_no_unit_is_taken_from_a_value() -> None:
    assert one(1.0, UnitsAbbreviation="degC") == one(1.0)


def test_null_is_no_value() -> None:
    assert one(None)["value_type"] == "NONE"


@pytest.mark.parametrize(
    ("point_type", "written"),
    [
        ("Float32", {"Value": True}),
        ("Float32", {"Value": [1, 2]}),
        ("Float32", {"Value": 10**400}),
        ("Float32", {"Value": {"Name": "no code"}}),
        ("Float32", {"Value": {"Value": True, "IsSystem": True}}),
        ("Float32", {"Value": {"Value": 2**31, "IsSystem": True}}),
        ("Float32", {"Value": {"Value": 1, "IsSystem": "true"}}),
        ("Float32", {"Value": 1.0, "Good": "true"}),
        ("Float32", {"Value": 1.0, "Good": None}),
        ("Float32", {"Value": 1.0, "Errors": [{"FieldName": "Value", "Message": ["no"]}]}),
        ("Blob", {"Value": "not base64!"}),
        ("Timestamp", {"Value": "yesterday"}),
        ("String", {"Value": "\ud800"}),
        ("String", {"Value": "x" * (MAX_VALUE_BYTES + 1)}),
        ("String", {"Value": "ä" * (MAX_VALUE_BYTES // 2 + 1)}),
        ("Digital", {"Value": {"Name": "\ud800", "Value": 1}}),
    ],
)
def test_what_cannot_be_kept_exactly_is_unreadable_and_tells_its_instant(point_type: str, written: dict[str, object]) -> None:
    with pytest.raises(PIUnreadable) as raised:
        sample_of(item(at("09:00")) | written, point_type)
    assert raised.value.ticks == at("09:00")
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "written", [5, None, "text", [], {}, {"Timestamp": 5, "Value": 1}, {"Timestamp": "2024-01-31T00:00:00", "Value": 1}]
)
def test_what_has_no_readable_time_tells_no_instant(written: object) -> None:
    with pytest.raises(PIUnreadable) as raised:
        sample_of(written, "Float32")
    assert raised.value.ticks is None


def test_an_object_without_a_value_is_not_taken_for_null() -> None:
    written = item(at("09:00"))
    del written["Value"]
    with pytest.raises(PIUnreadable, match="without `Value`"):
        sample_of(written, "Float32")


# -- lists of values


def test_trap_34_values_are_sorted_by_time_and_each_instant_keeps_the_order_given() -> None:
    written = [item(at("09:02"), 1.0), item(at("09:01"), 2.0), item(at("09:02"), 3.0), item(at("09:01"), 4.0)]
    samples, bad = samples_of(written, "Float32")
    assert [(s.ticks, s.ordinal, s.number) for s in samples] == [
        (at("09:01"), 0, 2.0),
        (at("09:01"), 1, 4.0),
        (at("09:02"), 0, 1.0),
        (at("09:02"), 1, 3.0),
    ]
    assert bad == []


def test_trap_20_two_values_at_one_instant_are_both_kept() -> None:
    samples, _ = samples_of([item(at("09:00"), 1.0), item(at("09:00"), 1.0)], "Float32")
    assert [s.ordinal for s in samples] == [0, 1]


def test_trap_16_two_stamps_100_ns_apart_are_two_instants() -> None:
    samples, _ = samples_of([item("2024-01-01T09:00:00.1234568Z"), item("2024-01-01T09:00:00.1234567Z")], "Float32")
    assert [(s.ticks % 10**7, s.ordinal) for s in samples] == [(1234567, 0), (1234568, 0)]


def test_an_unreadable_value_does_not_hide_the_others() -> None:
    samples, bad = samples_of([item(at("09:00")), item(at("09:01"), True), "junk", item(at("09:02"))], "Float32")
    assert [ticks_of(s) for s in samples] == [at("09:00"), at("09:02")]
    assert [(b.ticks, json.loads(b.content)) for b in bad] == [(at("09:01"), item(at("09:01"), True)), (None, "junk")]


# -- channel messages


def test_a_captured_message_is_read() -> None:
    (series,) = channel_message(parse_json(CAPTURED))
    assert series.web_id == "F1DP1"
    (sample,), bad = samples_of(series.items, "Float32")
    assert (sample.ticks, sample.number, bad) == (16_705_947_984_350_128, 73.68963, [])


def test_trap_33_a_heartbeat_holds_no_streams() -> None:
    assert list(channel_message(parse_json('{"Links":{},"Items":[]}'))) == []


def test_trap_34_a_stream_may_bring_several_values_in_one_message() -> None:
    document = {"Items": [{"WebId": "A", "Items": [item(at("09:01")), item(at("09:00"))]}, {"WebId": "B", "Items": []}]}
    assert [(web_id, len(items)) for web_id, items in channel_message(document)] == [("A", 2), ("B", 0)]


def test_a_single_value_is_accepted_as_the_documentation_prints_it() -> None:
    value = item(at("09:00"))
    assert list(channel_message({"Items": [{"WebId": "A", "Value": value}]})) == [ChannelSeries("A", [value])]


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"Items": {}},
        {"Items": None},
        {"Items": [5]},
        {"Items": [{"Items": []}]},
        {"Items": [{"WebId": 5, "Items": []}]},
        {"Items": [{"WebId": "A"}]},
        {"Items": [{"WebId": "A", "Items": {}}]},
        {"Errors": ["no"]},
    ],
)
def test_another_shape_is_unreadable_and_never_a_heartbeat(document: object) -> None:
    with pytest.raises(PIUnreadable):
        list(channel_message(document))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b"\xff\xfe", '{"a": \ud800}', b"[" * 100_000, b'{"a":' * 100_000, b"1" * 5000],
    ids=["empty", "html", "cut", "not UTF-8", "surrogate", "deep list", "deep object", "5000 digits"],
)
def test_trap_7_what_is_no_json_is_unreadable(body: bytes | str) -> None:
    with pytest.raises(PIUnreadable, match="not JSON"):
        parse_json(body)


# -- anything at all

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(alphabet=st.characters(), max_size=20),
    st.sampled_from(["2024-01-01T09:00:00Z", "9999-12-31T23:59:59.9999999Z", "2024-02-30T00:00:00Z", "NaN", "-Infinity", "AP8="]),
)
KEYS = st.sampled_from(["Timestamp", "Value", "Name", "IsSystem", "Good", "Questionable", "Errors", "Items", "WebId", "Annotated", "x"])
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=6)), max_leaves=12
)
POINT_TYPES = st.sampled_from(["Float16", "Float32", "Float64", "Int16", "Int32", "Digital", "String", "Timestamp", "Blob", "?"])


@st.composite
def nearly(draw: st.DrawFn) -> dict[str, Any]:
    """A value object with one or two things replaced by anything."""
    written = item("2024-01-01T09:00:00.5Z", draw(st.one_of(SCALARS, ANY_JSON)))
    return written | draw(st.dictionaries(KEYS, ANY_JSON, max_size=2))


@given(st.lists(st.one_of(nearly(), ANY_JSON), max_size=5), POINT_TYPES)
@example([item("0001-01-01T00:00:00Z", 1.0)], "Float32")
@settings(max_examples=300, deadline=None)
def test_no_json_whatever_makes_the_reading_of_values_fail(items: list[Any], point_type: str) -> None:
    samples, bad = samples_of(items, point_type)
    assert len(samples) + len(bad) == len(items)
    assert [ticks_of(s) for s in samples] == sorted(ticks_of(s) for s in samples)
    for ticks, ordinal in ((s.ticks, s.ordinal) for s in samples):
        assert ordinal < sum(ticks_of(s) == ticks for s in samples)


@given(ANY_JSON)
@settings(max_examples=200, deadline=None)
def test_no_json_whatever_makes_the_reading_of_messages_fail_otherwise(document: Any) -> None:
    try:
        streams: Iterator[ChannelSeries] | list[ChannelSeries] = list(channel_message(document))
    except PIUnreadable:
        return
    assert isinstance(document["Items"], list)
    assert all(isinstance(series.items, list) for series in streams)


@given(st.one_of(st.binary(max_size=60), st.text(alphabet=st.characters(), max_size=60)))
@settings(max_examples=200, deadline=None)
def test_no_bytes_whatever_make_the_parser_fail_otherwise(body: bytes | str) -> None:
    try:
        json.dumps(parse_json(body))
    except PIUnreadable:
        return
