"""Digest, shards, contents, ledger, differences: each against a definition or a plain model."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.shards import shard_of as shard_of_bridge
from verifier.differences import differences
from verifier.digest import Sum, hash_of
from verifier.events import Content, Event, event_text, of_journal, of_sample, stray_columns, ticks_of_text, time_text
from verifier.frames import Statement
from verifier.ledger import Claim, holding, uncovered
from verifier.shards import shard_of

VECTORS = json.loads((Path(__file__).parents[2] / "schemas" / "digest_vectors.json").read_text(encoding="utf-8"))


def sample_of_vector(sample: dict[str, Any]) -> dict[str, Any]:
    blob, double = sample["value_bytes"], sample["value_double"]
    return sample | {
        "value_bytes": None if blob is None else bytes.fromhex(blob),
        "value_double": float(double) if isinstance(double, str) else double,
    }


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["what"])
def test_the_digest_agrees_with_the_test_vectors(vector: dict[str, Any]) -> None:
    assert hash_of(of_sample(sample_of_vector(vector["sample"]))) == int(vector["hash_unsigned"])


def test_the_digest_of_all_vectors_together() -> None:
    events = [of_sample(sample_of_vector(vector["sample"])) for vector in VECTORS["vectors"]]
    assert Sum(events).digest == int(VECTORS["digest"])
    assert Sum(reversed(events)).digest == int(VECTORS["digest"])
    assert Sum().digest == 0


@given(key=st.text(max_size=40), partitions=st.integers(1, 64))
def test_a_shard_is_the_one_that_the_bridge_takes(key: str, partitions: int) -> None:
    assert shard_of(key, partitions) == shard_of_bridge(key, partitions)


@pytest.mark.parametrize(
    ("value", "point_type", "expected"),
    [
        (1, "Float32", ("DOUBLE", 1.0)),
        (1.5, "Int32", ("DOUBLE", 1.5)),
        (7, "Int32", ("LONG", 7)),
        (-0.0, "Float64", ("DOUBLE", "-0.0")),
        ("NaN", "Float64", ("DOUBLE", "NaN")),
        ("-Infinity", "Float64", ("DOUBLE", -math.inf)),
        ("NaN", "String", ("STRING", "NaN")),
        ("2024-02-29T01:02:03.5Z", "Timestamp", ("TIMESTAMP", 1709168523500000)),
        ("2024-02-29T01:02:03.0000001Z", "Timestamp", ("STRING", "2024-02-29T01:02:03.0000001Z")),
        (base64.b64encode(b"\x00\xff").decode(), "Blob", ("BYTES", b"\x00\xff")),
        (None, "Float32", ("NONE", None)),
    ],
)
def test_a_value_of_the_journal_has_its_type(value: Any, point_type: str, expected: tuple[str, Any]) -> None:
    content = of_journal(value, 1, point_type)
    assert (content.kind, content.value) == expected


@pytest.mark.parametrize(("value", "point_type"), [(True, "Int32"), ([1], "Int32"), ("yesterday", "Timestamp"), ("?", "Blob")])
def test_a_value_that_no_point_has_is_refused(value: Any, point_type: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        of_journal(value, 1, point_type)


def test_states_of_a_set_and_of_the_system_differ() -> None:
    state = {"Name": "No Data", "Value": 248}
    assert of_journal(state | {"IsSystem": True}, 0, "Digital").kind == "NONE"
    assert of_journal(state | {"IsSystem": False}, 0, "Digital").kind == "DIGITAL"


def test_zeros_of_either_sign_differ_and_each_nan_is_the_same() -> None:
    minus, plus = of_journal(-0.0, 1, "Float64"), of_journal(0.0, 1, "Float64")
    assert minus != plus
    assert of_journal("NaN", 1, "Float64") == of_journal("NaN", 1, "Float64")
    assert hash_of(Event(0, 0, minus)) == hash_of(Event(0, 0, plus))


def test_times_have_seven_digits() -> None:
    assert time_text(ticks_of_text("2024-02-29T01:02:03.0000001Z")) == "2024-02-29T01:02:03.0000001Z"
    assert time_text(-1) == "1969-12-31T23:59:59.9999999Z"
    assert time_text(1 << 62).endswith("ticks")


def event(ticks: int, value: int, ordinal: int = 0) -> Event:
    return Event(ticks, ordinal, Content("LONG", value, None, None, 1))


def test_text_of_an_event_says_which_of_an_instant_it_is() -> None:
    assert event_text(event(0, 5, 2)) == "1970-01-01T00:00:00.0000000Z (event 3 there): LONG 5 (good)"


def test_a_value_in_a_column_of_another_type_is_seen() -> None:
    columns = ("value_double", "value_long", "value_string", "value_bytes", "digital_code", "system_state", "system_state_name")
    sample: dict[str, Any] = {"value_type": "DOUBLE", **dict.fromkeys(columns)}
    assert stray_columns(sample | {"value_double": 1.0}) == []
    assert stray_columns(sample | {"value_double": 1.0, "value_string": "1"}) == ["value_string"]
    assert stray_columns(sample | {"value_type": "UNKNOWN", "value_long": 1}) == ["value_long"]


EVENTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=8)


def in_order(pairs: list[tuple[int, int]]) -> list[Event]:
    places: dict[int, int] = {}
    made = []
    for ticks, value in sorted(pairs, key=lambda pair: pair[0]):
        places[ticks] = places.get(ticks, -1) + 1
        made.append(event(ticks, value, places[ticks]))
    return made


@given(expected=EVENTS, found=EVENTS)
def test_differences_account_for_every_event(expected: list[tuple[int, int]], found: list[tuple[int, int]]) -> None:
    wanted, there = in_order(expected), in_order(found)
    result = differences(wanted, there)
    assert (result == []) == (wanted == there)
    counts = {check: sum(difference.check == check for difference in result) for check in ("V1", "V2", "V3")}
    assert len(wanted) - counts["V1"] == len(there) - counts["V2"]
    assert sum(counts.values()) <= len(wanted) + len(there)


def claim(begin: int, end: int, as_of_clock: int, clock: int) -> Claim:
    return Claim(Statement("STATED", begin, end, 0, as_of_clock, 0, 0), clock, ("recorded", 0, clock), 0, [])


CLAIMS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 8), st.integers(0, 5)), max_size=12)


@given(ranges=CLAIMS)
def test_at_each_instant_the_greatest_rank_holds(ranges: list[tuple[int, int, int]]) -> None:
    claims = [claim(begin, begin + width, as_of_clock, clock) for clock, (begin, width, as_of_clock) in enumerate(ranges)]
    spans = list(holding(claims))
    for ticks in range(30):
        there = [c for c in claims if c.statement.begin <= ticks < c.statement.end]
        held = [span.claim for span in spans if span.begin <= ticks < span.end]
        assert held == ([max(there, key=lambda c: c.rank)] if there else [])


@given(ranges=CLAIMS, low=st.integers(0, 10), width=st.integers(1, 20))
def test_what_is_uncovered_is_what_no_claim_covers(ranges: list[tuple[int, int, int]], low: int, width: int) -> None:
    claims = [claim(begin, begin + wide, as_of_clock, clock) for clock, (begin, wide, as_of_clock) in enumerate(ranges)]
    gaps = uncovered(low, low + width, claims)
    for ticks in range(low, low + width):
        assert any(begin <= ticks < end for begin, end in gaps) != any(c.statement.begin <= ticks < c.statement.end for c in claims)
    assert all(begin < end for begin, end in gaps)
