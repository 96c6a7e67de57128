"""The regular shape against the long way: whatever PI writes, both make the same of it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import batch, normalise, regular
from bridge.errors import BridgeError, PIUnreadable
from bridge.normalise import MAX_VALUE_BYTES, channel_message, parse_json
from bridge.regular import Values, heard, ranges_of
from tests.unit.bridge.test_normalise import ANY_JSON, CAPTURED, POINT_TYPES, SCALARS, nearly
from tests.unit.bridge.world import at, item

STATE = {"Name": "I/O Timeout", "Value": 246, "IsSystem": True}
TIMES = st.sampled_from(
    [
        "2024-01-01T09:00:00.1234567Z",
        "2024-01-01T09:00:00Z",
        "2024-01-01T08:59:59.5Z",
        "9999-12-31T23:59:59.9999999Z",
        "2024-02-30T00:00:00Z",
    ]
)
FIT = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(1 << 63), (1 << 63) - 1), st.text(max_size=9), st.none())
FLAGS = st.dictionaries(st.sampled_from(["Good", "Questionable", "Substituted", "Annotated"]), st.booleans(), max_size=4)
REGULAR = st.builds(lambda time, value, flags: item(time, value, **flags), TIMES, st.one_of(FIT, st.just(STATE)), FLAGS)
ITEMS = st.lists(st.one_of(REGULAR, REGULAR, REGULAR, nearly(), ANY_JSON), max_size=6)


def same(ours: object, long_way: object) -> bool:
    """Equal, to the last bit: NaN equals NaN, and -0.0 does not equal 0.0."""
    return repr(ours) == repr(long_way)


# -- whatever comes


@given(ITEMS, POINT_TYPES)
@settings(max_examples=500, deadline=None)
def test_an_answer_makes_the_same_samples_and_dead_letters_as_on_the_long_way(items: list[Any], point_type: str) -> None:
    body = json.dumps({"Items": items}).encode()
    (values,) = ranges_of([msgspec.Raw(body)])
    long_way = normalise.samples_of(parse_json(body)["Items"], point_type)
    if values is not None:
        assert same(regular.samples_of(values, point_type), long_way)
        assert same(values.plain(), parse_json(body)["Items"])


@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), ITEMS), max_size=4), POINT_TYPES)
@settings(max_examples=300, deadline=None)
def test_a_channel_message_makes_the_same_samples_and_dead_letters_as_on_the_long_way(
    streams: list[tuple[str, list[Any]]], point_type: str
) -> None:
    body = json.dumps({"Items": [{"WebId": web_id, "Items": items} for web_id, items in streams]})
    ours = [(web_id, regular.plain(values), regular.samples_of(values, point_type)) for web_id, values in heard(body)]
    series = channel_message(parse_json(body))
    assert same(ours, [(web_id, items, normalise.samples_of(items, point_type)) for web_id, items in series])


@given(st.one_of(ANY_JSON, st.fixed_dictionaries({"Items": st.lists(ANY_JSON, max_size=3)})))
@settings(max_examples=300, deadline=None)
def test_a_message_of_any_shape_is_taken_or_refused_as_on_the_long_way(document: Any) -> None:
    body = json.dumps(document)

    def outcome(read: Any) -> object:
        try:
            return [(web_id, regular.plain(values)) for web_id, values in read()]
        except PIUnreadable as error:
            return str(error)

    assert same(outcome(lambda: heard(body)), outcome(lambda: channel_message(parse_json(body))))


ANSWERS = st.dictionaries(
    st.sampled_from(["0", "1", "2", "WebException", "Errors"]),
    st.one_of(
        ANY_JSON,
        st.fixed_dictionaries(
            {
                "Status": st.one_of(st.sampled_from([200, 200, 200, 207, 404, 500]), SCALARS),
                "Content": st.one_of(
                    st.builds(lambda items: {"Items": items}, ITEMS),
                    st.builds(lambda items: {"Items": items, "WebException": {"StatusCode": 500}}, ITEMS),
                    st.builds(lambda items: {"Items": items, "Errors": ["no"]}, ITEMS),
                    ANY_JSON,
                ),
            }
        ),
    ),
    max_size=4,
)


@given(ANSWERS, POINT_TYPES)
@settings(max_examples=500, deadline=None)
def test_a_batch_answer_makes_the_same_pages_and_failures_as_on_the_long_way(answers: dict[str, Any], point_type: str) -> None:
    body = json.dumps(answers).encode()
    asked = {key: batch.recorded("https://pi", "F1DP" + key, at("09:00"), at("10:00"), 3) for key in ("0", "1", "2")}

    def outcomes(document: Any) -> dict[str, object]:
        return {key: outcome(content) for key, content in batch.contents(document, asked).items()}

    def outcome(content: Any) -> object:
        try:
            if isinstance(content, BridgeError):
                raise content
            return batch.page_of(content, at("08:59"), at("10:00"), at("10:00"), 3, point_type)
        except BridgeError as error:
            return repr(error)

    try:
        document = batch.parse(body)
    except PIUnreadable:
        with pytest.raises(PIUnreadable):
            parse_json(body)
        return
    assert same(outcomes(document), outcomes(parse_json(body)))


# -- what takes which way


@pytest.mark.parametrize(
    "value", [1.5, -0.0, 3, 2**63 - 1, -(2**63), "", "größer 😀", None, STATE, {"Name": "On", "Value": 1, "IsSystem": False}]
)
def test_what_pi_writes_day_by_day_has_the_regular_shape(value: object) -> None:
    body = json.dumps({"Links": {}, "Items": [item(at("09:00"), value), item(at("09:01", 7))], "UnitsAbbreviation": ""}).encode()
    (values,) = ranges_of([msgspec.Raw(body)])
    assert values is not None
    assert values.columns.ticks == [at("09:00"), at("09:01", 7)]


def test_a_captured_message_has_the_regular_shape() -> None:
    ((web_id, values),) = heard(CAPTURED)
    assert (web_id, type(values)) == ("F1DP1", Values)


def test_trap_33_a_heartbeat_holds_no_streams() -> None:
    assert list(heard('{"Links":{},"Items":[]}')) == []


@pytest.mark.parametrize(
    "odd",
    [
        item(at("09:00"), True),
        item(at("09:00"), [1]),
        item(at("09:00"), 1.0, Good="true"),
        item(at("09:00"), 1.0, Good=None),
        item(at("09:00"), 1.0, Errors=[{"FieldName": "Value", "Message": ["no"]}]),
        item("2024-02-30T00:00:00Z"),
        item("yesterday"),
        {"Timestamp": "2024-01-01T09:00:00Z"},
        5,
    ],
)
def test_what_does_not_fit_goes_the_long_way_and_takes_no_other_answer_with_it(odd: object) -> None:
    asked = {key: batch.recorded("https://pi", key, at("09:00"), at("10:00"), 100) for key in ("even", "odd")}
    answers = {
        "even": {"Status": 200, "Headers": {}, "Content": {"Items": [item(at("09:00"))]}},
        "odd": {"Status": 200, "Headers": {}, "Content": {"Items": [item(at("09:00")), odd]}},
    }
    contents = batch.contents(batch.parse(json.dumps(answers).encode()), asked)
    assert isinstance(contents["even"], Values)
    assert contents["odd"] == answers["odd"]["Content"]


@pytest.mark.parametrize(
    ("point_type", "value"),
    [
        ("Int32", 2**63),
        ("Float32", 10**400),
        ("String", "x" * (MAX_VALUE_BYTES + 1)),
        ("Blob", "not base64!"),
        ("Timestamp", "yesterday"),
        ("Digital", {"Name": "no code"}),
    ],
)
def test_what_a_point_of_its_type_cannot_hold_is_a_dead_letter_as_it_was_written(point_type: str, value: object) -> None:
    written = [item(at("09:00")), item(at("09:01"), value), item(at("09:02"))]
    ((_, values),) = heard(json.dumps({"Items": [{"WebId": "A", "Items": written}]}))
    samples, (letter,) = regular.samples_of(values, point_type)
    assert len(samples) == 2
    assert letter.ticks == at("09:01")
    assert json.loads(letter.content) == written[1]


def test_a_bare_nan_in_one_answer_leaves_all_answers_readable() -> None:
    asked = {"0": batch.recorded("https://pi", "A", at("09:00"), at("10:00"), 100)}
    body = json.dumps({"0": {"Status": 200, "Content": {"Items": [item(at("09:00"), float("nan"))]}}}).encode()
    assert b"NaN" in body
    content = batch.contents(batch.parse(body), asked)["0"]
    page, letters = batch.page_of(content, at("09:00"), at("10:00"), at("10:00"), 100, "Float32")
    assert (repr(page.samples[0].number), letters) == ("nan", [])


def test_bytes_that_are_no_text_in_a_field_that_nobody_asked_for_cost_no_value() -> None:
    body = json.dumps({"Items": [{"WebId": "A", "Name": "?", "Items": [item(at("09:00"))]}]}).encode().replace(b'"?"', b'"\xff"')
    ((_, values),) = heard(body)
    assert isinstance(values, Values)


@pytest.mark.parametrize("unasked", [b'"\xff"', b"9" * 5000])
def test_what_a_point_cannot_hold_is_told_even_beside_a_field_that_cannot_be_decoded(unasked: bytes) -> None:
    written = json.dumps({"Items": [item(at("09:00"), 1), item(at("09:01"), "not base64!") | {"Name": "?"}]}).encode()
    (values,) = ranges_of([msgspec.Raw(written.replace(b'"?"', unasked))])
    assert values is not None
    samples, (letter,) = regular.samples_of(values, "Blob")
    assert (len(samples), letter.ticks) == (1, at("09:01"))
    assert b"not base64!" in batch.as_bytes([values])


def test_a_stream_that_cannot_be_read_is_told_of_after_the_others() -> None:
    body = json.dumps({"Items": [{"WebId": 5}, {"WebId": "A", "Items": [item(at("09:00"))]}]})
    streams = iter(heard(body))
    assert next(streams)[0] == "A"
    with pytest.raises(PIUnreadable, match="WebId"):
        next(streams)


def test_bytes_that_are_no_text_in_one_answer_are_that_answers_failure_alone() -> None:
    answers = {key: {"Status": 200, "Content": {"Items": [item(at("09:00"), key)]}} for key in ("good", "?")}
    asked = {key: batch.recorded("https://pi", "A", at("09:00"), at("10:00"), 100) for key in answers}
    body = json.dumps(answers).encode().replace(b'"Value": "?"', b'"Value": "\xff"')
    contents = batch.contents(batch.parse(body), asked)
    assert isinstance(contents["good"], Values)
    assert isinstance(contents["?"], BridgeError)


def test_a_single_value_is_never_taken_for_a_range() -> None:
    asked = {"s": batch.snapshot("https://pi", "A"), "b": batch.at_or_before("https://pi", "A", at("09:00"))}
    body = json.dumps({key: {"Status": 200, "Content": item(at("09:00"), "x") | {"Items": []}} for key in asked}).encode()
    for content in batch.contents(batch.parse(body), asked).values():
        assert batch.single_time(content, "String") == at("09:00")
