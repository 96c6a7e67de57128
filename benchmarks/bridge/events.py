"""What values came out, against what PI sent: told from PI's JSON once more, without the bridge's code."""

import io
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import fastavro

from benchmarks import plant
from benchmarks.bridge.ground import Json, Void
from benchmarks.bridge.naive import SCHEMA

_PARSED = fastavro.parse_schema(SCHEMA)


class Event(NamedTuple):
    """A value of a point."""

    point_key: str
    ticks: int
    value: Any
    digital_code: int | None
    system_state: int | None
    flags: tuple[bool, bool, bool, bool]


@cache
def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp())


def sent(point_key: str, item: Json) -> Event:
    """A value object of PI's."""
    whole, _, fraction = item["Timestamp"].rstrip("Z").partition(".")
    value, code, state = item["Value"], None, None
    if isinstance(value, dict):
        value, code, state = (None, None, value["Value"]) if value["IsSystem"] else (value["Name"], value["Value"], None)
    flags = (item["Good"], item["Questionable"], item["Substituted"], item["Annotated"])
    return Event(point_key, _seconds(whole) * 10**7 + int(fraction.ljust(7, "0")), value, code, state, flags)


def of_messages(messages: Iterable[str]) -> "Counter[Event]":
    """The values in channel messages."""
    keys = {sender.point.web_id: sender.point.point_key for sender in plant.senders()}
    return Counter(sent(keys[s["WebId"]], item) for m in messages for s in json.loads(m)["Items"] for item in s["Items"])


def of_batch(body: bytes, keys: Iterable[str]) -> "Counter[Event]":
    """The values in as many batches as there are hundreds of keys, the n-th answer of each being that of the n-th key of its hundred."""
    contents = {int(number): answer["Content"]["Items"] for number, answer in json.loads(body).items()}
    return Counter(sent(key, item) for at, key in enumerate(keys) for item in contents[at % len(contents)])


def of_frames(frames: Iterable[Json]) -> "Counter[Event]":
    """The values in frames."""
    events: Counter[Event] = Counter()
    for frame in frames:
        for series in frame["series"]:
            for s in series["samples"]:
                value = next((s[name] for name in ("value_double", "value_long", "value_string") if s[name] is not None), None)
                flags = (s["good"], s["questionable"], s["substituted"], s["annotated"])
                ticks = s["event_time"] * 10 + s["ticks"]
                events[Event(series["point_key"], ticks, value, s["digital_code"], s["system_state"], flags)] += 1
    return events


def of_records(values: Iterable[bytes]) -> "Counter[Event]":
    """The values in the naive bridge's records, in whole microseconds."""
    events: Counter[Event] = Counter()
    for value in values:
        r: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), _PARSED, None)
        flags = (r["good"], r["questionable"], r["substituted"], r["annotated"])
        ticks = round(r["event_time"].timestamp() * 10**6) * 10
        events[Event(r["point_key"], ticks, r["value"], r["digital_code"], r["system_state"], flags)] += 1
    return events


def in_microseconds(events: "Counter[Event]") -> "Counter[Event]":
    """The same with times as the naive bridge keeps them."""
    cut: Counter[Event] = Counter()
    for event, count in events.items():
        cut[event._replace(ticks=event.ticks // 10 * 10)] += count
    return cut


def must_be(found: "Counter[Event]", expected: "Counter[Event]", what: str) -> None:
    """Raises Void unless the same values came out as went in, each as often."""
    if found == expected:
        return
    lost, more = expected - found, found - expected
    example = next(iter((lost or more).items()))
    raise Void(f"{what}: {lost.total()} values are missing and {more.total()} are too many, such as {example}")
