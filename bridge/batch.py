"""Requests of the batch controller and their answers (pi-web-api.md 2.2, 2.3 and 4). Pure."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from bridge import pitime
from bridge.errors import BridgeError, PIArchiveAway, PIRefused, PITooLarge, PIUnavailable, PIUnreadable
from bridge.normalise import NO_DATA, Unreadable, parse_json
from bridge.ranges import Page, between, ticks_of
from bridge.regular import MISFIT, Values, ranges_of, samples_of
from bridge.wording import shown, written

AHEAD = 600 * 10_000_000
"""Ordinary points accept values up to about ten minutes ahead of PI's clock (8.2): forward reads reach so far beyond it."""

_VALUE_FIELDS = ("Timestamp", "Value", "Good", "Questionable", "Substituted", "Annotated", "Errors")
_SINGLE = ";".join((*_VALUE_FIELDS, "WebException"))
_RANGE = ";".join((*(f"Items.{name}" for name in _VALUE_FIELDS), "WebException"))
_COUNT = "Items.Type;Items.Value.Value;Items.Value.Good;Items.Value.Errors;WebException"
_RECORDED = "/recorded?"
_TRY_AGAIN = frozenset({408, 425, 429})
_BAD_REQUEST, _CONTENT_TOO_LARGE = 400, 413


def recorded(base: str, web_id: str, begin: int, end: int, max_count: int) -> str:
    """Address of a point's archive from `begin` to `end`, in whole seconds around them: the answer is cut to size by `page_of`."""
    first, last = pitime.text_of(pitime.whole_second(begin)), pitime.text_of(pitime.whole_second(end, up=True))
    return (
        f"{base}/streams/{quote(web_id)}{_RECORDED}startTime={first}&endTime={last}&boundaryType=Inside"
        f"&maxCount={max_count}&selectedFields={_RANGE}"
    )


def at_or_before(base: str, web_id: str, ticks: int, up: bool = False) -> str:
    """Address of a point's last archived value at or before an instant, which is rounded to a whole second, downwards or `up`."""
    at = pitime.text_of(pitime.whole_second(ticks, up))
    return f"{base}/streams/{quote(web_id)}/recordedattime?time={at}&retrievalMode=AtOrBefore&selectedFields={_SINGLE}"


def snapshot(base: str, web_id: str) -> str:
    """Address of a point's snapshot."""
    return f"{base}/streams/{quote(web_id)}/value?selectedFields={_SINGLE}"


def event_count(base: str, web_id: str, begin: int, end: int) -> str:
    """Address of PI's own count of a point's events from `begin` to `end`, whole seconds, those at either end included.

    Weighed by time, PI's default, Count would be seconds; several intervals in one request would leave out ends by rules of their own.
    """
    return (
        f"{base}/streams/{quote(web_id)}/summary?summaryType=Count&calculationBasis=EventWeighted"
        f"&startTime={pitime.text_of(begin)}&endTime={pitime.text_of(end)}&selectedFields={_COUNT}"
    )


def body(resources: Mapping[str, str]) -> bytes:
    """The batch request that gets each address, under the given keys."""
    return json.dumps({key: {"Method": "GET", "Resource": address} for key, address in resources.items()}).encode()


class _Answer(msgspec.Struct):
    """A sub-answer, its content not yet decoded (2.2)."""

    Status: int
    Content: msgspec.Raw

    def holds_range(self, address: str) -> bool:
        """True if it answers a request for recorded values with what should be some."""
        return _RECORDED in address and 200 <= self.Status < 300


decode_answers = msgspec.json.Decoder(dict[str, _Answer]).decode


def parse(body: bytes) -> Any:
    """A batch answer for `contents`. Raises PIUnreadable if it is no JSON; any other shape is left as it is."""
    try:
        return decode_answers(body)
    except MISFIT:
        return parse_json(body)


def contents(document: Any, resources: Mapping[str, str]) -> dict[str, Any | BridgeError]:
    """Content of each sub-answer by key, or the failure in its place: a failed sub-request is a value, not an exception (trap 4).

    What answers a request for recorded values is `Values`, if all of them have the regular shape; else a content is plain JSON.
    Raises PIUnavailable if the document is no batch answer at all.
    """
    if not isinstance(document, dict):
        raise PIUnavailable("the batch answer is not an object keyed by request")
    answers = {key: document.get(key) for key in resources}
    ranges = {k: answer.Content for k, answer in answers.items() if isinstance(answer, _Answer) and answer.holds_range(resources[k])}
    values = dict(zip(ranges, ranges_of(list(ranges.values())), strict=True))
    return {key: values.get(key) or _content(answer, key) for key, answer in answers.items()}


def _content(answer: Any, key: str) -> Any | BridgeError:
    if isinstance(answer, _Answer):
        try:
            answer = {"Status": answer.Status, "Content": parse_json(bytes(answer.Content))}
        except PIUnreadable as error:
            return PIUnavailable(f"request {key}: {error}")
    if not isinstance(answer, dict) or not isinstance(answer.get("Status"), int):
        return PIUnavailable(f"the batch answer lacks request {key}, or its status")
    return failure_of(answer["Status"], answer.get("Content"), f"request {key}") or answer["Content"]


def failure_of(status: int, content: Any, what: str, retry_after_seconds: float | None = None) -> BridgeError | None:
    """The failure that a status and a body stand for, None if they are a success. 200 with `WebException` or `Errors` is none (7.5)."""
    if 200 <= status < 300:
        if not isinstance(content, dict):
            return PIUnavailable(f"{what}: status {status} with a body that is not an object")
        exception = content.get("WebException")
        if exception is None and not content.get("Errors"):
            return None
        inner = exception.get("StatusCode") if isinstance(exception, dict) else None
        status = inner if isinstance(inner, int) and inner >= 400 else 500
    text = f"{what}: status {status}, {_reason(content)}"
    if status == _CONTENT_TOO_LARGE:
        return PITooLarge(text)
    if status >= 500 or status in _TRY_AGAIN or status < 400:
        return PIUnavailable(text, retry_after_seconds)
    return PIRefused(text, status)


def may_be_too_many(answer: Any) -> bool:
    """True if a range of values was refused in a way that stands, among others, for more items than PI gives in one answer.

    A limit exceeded is a 400 like a malformed WebID is, and the texts differ from site to site: branch on status, never on text (7.5).
    """
    return isinstance(answer, PITooLarge) or (isinstance(answer, PIRefused) and answer.status == _BAD_REQUEST)


def _reason(content: Any) -> str:
    if isinstance(content, dict):
        content = content.get("Errors") or content.get("Message") or content.get("WebException") or content
    return shown(content, 300)


def page_of(content: Any, begin: int, end: int | None, asked_to: int, max_count: int, point_type: str) -> tuple[Page, list[Unreadable]]:
    """The items of a `recorded` answer in [begin, end) as a page, and what could not be understood. `asked_to` is where the request ended.

    Raises PIUnavailable where the answer does not say what the archive holds: no list; nothing but values that failed, which PI sends in
    place of a stream's values (7.5). Raises PIArchiveAway at the state "No Data" just where the request began or ended, which stands for an
    archive that is not there (design 3.2). Raises PIUnreadable where an item has no readable time.
    """
    values = content if isinstance(content, Values) else content.get("Items") if isinstance(content, dict) else None
    if not isinstance(values, Values | list):
        raise PIUnavailable("an answer without a list `Items`")
    if isinstance(values, list) and values and all(isinstance(item, dict) and item.get("Errors") for item in values):
        raise PIUnavailable(f"in place of values: {shown(values[0]['Errors'], 200)}")
    samples, unreadable = samples_of(values, point_type)
    asked = {pitime.whole_second(begin), pitime.whole_second(asked_to, up=True)}
    for end_sample in (*samples[:1], *samples[-1:]):
        if end_sample.shape.system_state == NO_DATA and end_sample.ticks in asked:
            raise PIArchiveAway(f"the archive is not available at {pitime.text_of(end_sample.ticks)}: PI answers No Data")
    count = len(samples) + len(unreadable)
    holes = [item.ticks for item in unreadable if item.ticks is not None]
    if len(holes) < len(unreadable):
        raise PIUnreadable(f"an item of {count} has no readable time, so nothing is stated from this answer")
    cut = count >= max_count  # a page that is full may end inside an instant: what is sure ends before its last one
    if cut and end is not None and max([*map(ticks_of, samples[-1:]), *holes]) >= end:
        cut = False
    unread = [ticks for ticks in holes if ticks >= begin and (end is None or ticks < end)]
    return Page(between(samples, begin, end), unread, cut), unreadable


def empty(content: Any) -> bool:
    """True if a `recorded` answer holds no item at all: nothing is there, or the archive is not."""
    return not content.items if isinstance(content, Values) else isinstance(content, dict) and content.get("Items") == []


def shows_a_value(content: Any) -> bool:
    """True if a `recorded` answer holds an item that is a value: neither one that failed, nor "No Data"."""
    if isinstance(content, Values):
        return any(not _no_data(item.Value) for item in content.items)
    items = content.get("Items") if isinstance(content, dict) else None
    return isinstance(items, list) and any(isinstance(i, dict) and not i.get("Errors") and not _no_data(i.get("Value")) for i in items)


def as_bytes(contents: list[Any]) -> bytes:
    """Contents as JSON, for a dead letter."""
    return written([{"Items": content.plain()} if isinstance(content, Values) else content for content in contents])


def _no_data(value: Any) -> bool:
    return isinstance(value, dict) and value.get("IsSystem") is True and value.get("Value") == NO_DATA


def single_time(content: Any, point_type: str) -> int | None:
    """Instant of a `value` or `recordedattime` answer; None for "No Data", which is not an event. Raises PIUnreadable."""
    samples, unreadable = samples_of([content], point_type)
    if unreadable and unreadable[0].ticks is None:
        raise PIUnreadable(unreadable[0].reason)
    if unreadable:
        return unreadable[0].ticks
    return None if samples[0].shape.system_state == NO_DATA else samples[0].ticks


def counted(content: Any) -> int | None:
    """Number of events in an answer to `event_count`; None where PI says "No Data": it has none, or not the archive that holds them.

    Raises PIUnavailable where the answer is no count.
    """
    items = content.get("Items") if isinstance(content, dict) else None
    item = items[0] if isinstance(items, list) and len(items) == 1 else None
    if isinstance(item, dict) and item.get("Type") == "Count" and isinstance(value := item.get("Value"), dict) and not value.get("Errors"):
        found = value.get("Value")
        if _no_data(found):
            return None
        if isinstance(found, int | float) and not isinstance(found, bool) and found >= 0 and found == int(found):
            return int(found)
    raise PIUnavailable(f"in place of a count: {shown(content, 200)}")
