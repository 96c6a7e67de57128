"""Batch answers with anything wrong in them: reads go on, and state what was understood and nothing else."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import batch
from bridge.errors import BridgeError, PIUnreadable
from bridge.incarnation import Incarnation
from bridge.normalise import sample_of
from bridge.pitime import Moment
from bridge.ranges import ticks_of
from bridge.reads import Batch
from bridge.regular import Values
from tests.unit.bridge.spoilt import DEPTHS, STEADY, bytes_of, nested, spoil
from tests.unit.bridge.test_reads import ready
from tests.unit.bridge.world import at, encoded, incarnation, item, moment

STATE = {"Name": "Bad Input", "Value": 255, "IsSystem": True}
ARCHIVE = [
    item(at("02:00"), 1.0),
    item(at("07:10"), 2.5),
    item(at("07:20"), STATE, Good=False),
    item(at("07:20"), {"Name": "On", "Value": 1, "IsSystem": False}),
    item(at("07:30"), "NaN"),
    item(at("09:50"), 7),
]
NOW = moment("10:30")


def valid(address: str) -> Any:
    """What PI answers."""
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    if parts.path.endswith("/recorded"):
        first, last = query["startTime"][0], query["endTime"][0]
        content: Any = {"Links": {}, "Items": [one for one in ARCHIVE if first <= one["Timestamp"] <= last], "UnitsAbbreviation": ""}
    else:
        content = ARCHIVE[-1] if parts.path.endswith("/value") else ARCHIVE[0]
    return {"Status": 200, "Headers": {"Content-Type": "application/json; charset=utf-8"}, "Content": content}


def give(owner: Incarnation, asked: Batch, body: bytes, now: Moment = NOW) -> dict[str, Any]:
    """Hands an answer to the reads as the client does; the contents by key, nothing if it was no batch answer."""
    try:
        document = batch.parse(body)
        failure = batch.failure_of(207, document, "POST /piwebapi/batch")
        contents = batch.contents(document, asked.addresses) if failure is None else {}
    except BridgeError as error:
        owner.reads.failed(asked, str(error), now)
        return {}
    if failure is not None:
        owner.reads.failed(asked, str(failure), now)
        return {}
    owner.reads.answered(asked, contents, now)
    return contents


def statements(owner: Incarnation, now: Moment = NOW) -> list[dict[str, Any]]:
    """The series with a statement of the next transaction, each record of which Kafka could take."""
    records = owner.transaction(now)
    for record in records:
        encoded(record)
    frames = [record.value for record in records if record.topic.dataset in ("recorded", "history")]
    return [series for frame in frames for series in frame["series"]]


def understood(content: Any) -> tuple[list[int], list[int | None]] | None:
    """Instants of the items that can be read, and those of the others; None if the content is no list of items or a failure."""
    if isinstance(content, Values):
        content = {"Items": content.plain()}
    if isinstance(content, BridgeError) or not isinstance(content, dict) or not isinstance(content.get("Items"), list):
        return None
    good, bad = [], list[int | None]()
    for one in content["Items"]:
        try:
            good.append(sample_of(one, "Float64").ticks)
        except PIUnreadable as error:
            bad.append(error.ticks)
    return good, bad


def check(owner: Incarnation, asked: Batch, contents: dict[str, Any]) -> None:
    """Asserts that the statements hold what the answer held and could be read, and reach over nothing else."""
    answers = {task.coverage.point_key: contents.get(next(iter(named))) for task, named in zip(asked.tasks, asked.named, strict=True)}
    for series in statements(owner):
        stated, items = series["statement"], understood(answers[series["point_key"]])
        assert items is not None, "a statement from an answer that holds no items"
        begin = stated["from_time"] * 10 + stated["from_ticks"]
        end = stated["to_time"] * 10 + stated["to_ticks"]
        good, bad = items
        assert None not in bad
        assert not [ticks for ticks in bad if ticks is not None and begin <= ticks < end]
        assert sorted(ticks for ticks in good if begin <= ticks < end) == [ticks_of(sample) for sample in series["samples"]]


def run(owner: Incarnation, data: st.DataObject, now: Moment) -> int:
    """Answers, spoilt, all that is asked until nothing is; how many requests that took."""
    for request in range(60):
        asked = owner.reads.next(now)
        if asked is None:
            return request
        document = {key: valid(address) for key, address in asked.addresses.items()}
        contents = give(owner, asked, data.draw(bytes_of(data.draw(spoil(document)))), now)
        check(owner, asked, contents)
    raise AssertionError("the reads do not come to an end")


@given(st.data())
@STEADY
def test_a_spoilt_answer_to_reads_of_covered_hours_ends_in_statements_of_what_was_understood(data: st.DataObject) -> None:
    owner = ready(1, 2, 3)
    for key in owner.points:
        owner.coverage[key].as_of = data.draw(st.sampled_from([0, at("10:25")]))  # a forward read is due, or not
    assert run(owner, data, NOW) > 0
    assert all(coverage.in_flight is None for coverage in owner.coverage.values())


@given(st.data())
@STEADY
def test_a_spoilt_answer_to_a_first_look_ends_in_coverage_that_begins_where_it_may(data: st.DataObject) -> None:
    owner = incarnation(1, 2)
    run(owner, data, NOW)
    for coverage in owner.coverage.values():
        assert coverage.in_flight is None
        assert coverage.high is None or coverage.high <= at("10:30") - owner.rules.settle


@given(st.data())
@STEADY
def test_what_one_answer_spoils_the_next_one_mends(data: st.DataObject) -> None:
    owner = ready(1, 2)
    run(owner, data, NOW)
    later = moment("11:00")
    for _ in range(20):
        if (asked := owner.reads.next(later)) is not None:
            give(owner, asked, json.dumps({key: valid(address) for key, address in asked.addresses.items()}).encode(), later)
    assert all(not coverage.dirty for coverage in owner.coverage.values())


@given(st.data())
@STEADY
def test_a_dead_letter_is_written_once_however_often_the_same_answer_comes(data: st.DataObject) -> None:
    body = data.draw(bytes_of(data.draw(spoil({"0": valid("/recorded?startTime=2024-01-01T07&endTime=2024-01-01T08")}))))
    owner, letters = ready(1), []
    for minute in (30, 31, 33, 36, 41, 50):
        now = moment(f"10:{minute}")
        asked = owner.reads.next(now)
        if asked is not None:
            give(owner, asked, body, now)
        letters += [r.value["content_hash"] for r in owner.transaction(now) if r.topic.dataset == "dead-letters"]
    assert len(letters) == len(set(letters))


@pytest.mark.parametrize("where", ["answer", "content", "items", "value", "errors", "exception"])
@pytest.mark.parametrize("kind", ["list", "object"])
def test_no_depth_of_nesting_stops_the_reads(where: str, kind: str) -> None:
    wholes = {
        "answer": b"%b",
        "content": b'{"0":{"Status":200,"Content":%b}}',
        "items": b'{"0":{"Status":200,"Content":{"Items":%b}}}',
        "value": b'{"0":{"Status":200,"Content":{"Items":[{"Timestamp":"2024-01-01T07:10:00Z","Value":%b},'
        b'{"Timestamp":"2024-01-01T07:20:00Z","Value":1}]}}}',
        "errors": b'{"0":{"Status":500,"Content":{"Errors":%b}}}',
        "exception": b'{"0":{"Status":200,"Content":{"WebException":%b}}}',
    }
    for depth in DEPTHS:
        owner = ready(1)
        asked = owner.reads.next(NOW)
        assert asked is not None
        contents = give(owner, asked, wholes[where] % nested(depth, kind))
        check(owner, asked, contents)
