"""Channel messages with anything wrong in them: what can be read is a preview, what cannot is a dead letter, and the channel goes on."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import PIUnreadable
from bridge.hearing import Ear
from bridge.incarnation import Incarnation
from bridge.normalise import parse_json, sample_of
from bridge.ranges import ticks_of
from tests.unit.bridge.spoilt import DEPTHS, STEADY, bytes_of, nested, spoil
from tests.unit.bridge.test_hearing import listening
from tests.unit.bridge.world import at, encoded, item, moment

NOW = moment("10:00:01")
MESSAGE = {
    "Links": {},
    "Items": [
        {"WebId": "W1", "Name": "T1", "Path": "", "Links": {}, "Items": [item(at("08:30")), item(at("10:00"))], "UnitsAbbreviation": ""},
        {"WebId": "W2", "Name": "T2", "Path": "", "Links": {}, "Items": [item(at("10:00"), "Infinity")], "UnitsAbbreviation": ""},
        {"WebId": "W3", "Name": "T3", "Path": "", "Value": item(at("10:00"), {"Name": "No Data", "Value": 248, "IsSystem": True})},
    ],
}


def outcome(owner: Incarnation) -> tuple[list[tuple[str, int]], list[str]]:
    """Points and instants of the previews of the next transaction, and the hashes of its dead letters; Kafka could take every record."""
    records = owner.transaction(NOW)
    for record in records:
        encoded(record)
    frames = [record.value for record in records if record.topic.dataset == "live"]
    previews = [(series["point_key"], ticks_of(sample)) for frame in frames for series in frame["series"] for sample in series["samples"]]
    return sorted(previews), [record.value["content_hash"] for record in records if record.topic.dataset == "dead-letters"]


def readable(body: bytes) -> tuple[list[tuple[str, int]], bool]:
    """Points and instants of all values of known streams that can be read, and whether that is all there is."""
    try:
        return _readable(parse_json(body))
    except PIUnreadable:
        return [], False


def permitted(body: bytes) -> list[tuple[list[tuple[str, int]], bool]]:
    """What may be read of a message: bytes that are no text cost nothing where nobody asked for the field, and everything elsewhere."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return [([], False), readable(body.decode(errors="replace").encode())]
    return [readable(body)]


def _readable(document: Any) -> tuple[list[tuple[str, int]], bool]:
    if not isinstance(document, dict) or not isinstance(document.get("Items"), list):
        return [], False
    found: list[tuple[str, int]] = []
    whole = True
    for stream in document["Items"]:
        values: Any = None
        if isinstance(stream, dict) and isinstance(stream.get("WebId"), str):
            values = stream.get("Items", [stream["Value"]] if "Value" in stream else None)
        if not isinstance(values, list) or stream["WebId"] not in ("W1", "W2", "W3"):
            whole = False
            continue
        for value in values:
            try:
                found.append((f"main:{stream['WebId'][1]}", sample_of(value, "Float64").ticks))
            except PIUnreadable:
                whole = False
    return sorted(found), whole


def listen(body: bytes) -> tuple[Incarnation, Ear]:
    owner, ear = listening(1, 2, 3)
    owner.take_notes()
    ear.message(body, NOW)
    return owner, ear


@given(st.data())
@STEADY
def test_of_a_spoilt_message_every_readable_value_is_a_preview_and_what_is_not_is_a_dead_letter(data: st.DataObject) -> None:
    body = data.draw(bytes_of(data.draw(spoil(MESSAGE))))
    owner, ear = listen(body)
    previews, letters = outcome(owner)
    assert (previews, not letters) in permitted(body)
    assert ear.why_close(NOW) is None


@given(st.data())
@STEADY
def test_the_same_spoilt_message_again_makes_no_second_dead_letter(data: st.DataObject) -> None:
    body = data.draw(bytes_of(data.draw(spoil(MESSAGE))))
    owner, ear = listen(body)
    first = outcome(owner)[1]
    ear.message(body, NOW)
    assert len(first) == len(set(first))
    assert outcome(owner)[1] == []


@given(st.one_of(st.binary(max_size=80), st.text(alphabet=st.characters(), max_size=80)))
@STEADY
def test_whatever_a_channel_brings_it_goes_on(body: bytes | str) -> None:
    owner, ear = listening(1, 2, 3)
    ear.message(body, NOW)
    ear.message(json.dumps(MESSAGE), NOW)
    assert outcome(owner)[0] == readable(json.dumps(MESSAGE).encode())[0]


@given(st.data())
@STEADY
def test_a_value_that_was_not_understood_leaves_something_to_be_read(data: st.DataObject) -> None:
    body = data.draw(bytes_of(data.draw(spoil({"Items": [{"WebId": "W1", "Items": [item(at("08:30"), 5.0)]}]}, most=1))))
    owner, ear = listening(1)
    owner.coverage["main:1"].dirty.clear()
    ear.message(body, NOW)
    if any(at("08:30") in {ticks for _, ticks in values} or not whole for values, whole in permitted(body)):
        known = owner.coverage["main:1"]
        assert known.dirty or known.blind is not None or _about_another_stream(body)


def _about_another_stream(body: bytes) -> bool:
    """True if the message is well-formed, but for names that nobody asked for, and tells of streams, or instants, that owe no read."""
    try:
        document = parse_json(body.decode(errors="replace"))
    except PIUnreadable:
        return False
    streams = document.get("Items") if isinstance(document, dict) else None
    if not isinstance(streams, list):
        return False
    return all(
        isinstance(s, dict) and isinstance(s.get("WebId"), str) and (s["WebId"] != "W1" or isinstance(s.get("Items"), list))
        for s in streams
    )


@pytest.mark.parametrize("where", ["message", "streams", "values", "value"])
@pytest.mark.parametrize("kind", ["list", "object"])
def test_no_depth_of_nesting_stops_a_channel(where: str, kind: str) -> None:
    wholes = {
        "message": b"%b",
        "streams": b'{"Items":%b}',
        "values": b'{"Items":[{"WebId":"W1","Items":%b}]}',
        "value": b'{"Items":[{"WebId":"W1","Items":[{"Timestamp":"2024-01-01T10:00:00Z","Value":%b}]}]}',
    }
    for depth in DEPTHS:
        owner, _ = listen(wholes[where] % nested(depth, kind))
        previews, letters = outcome(owner)
        assert previews == []
        assert len(letters) == 1
