"""What a request asks, what an answer is, and which of ours gives it. The same for a request from the wire and for one inside a batch."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from simulator.fields import Fields
from simulator.pitime import BadTime, parse_time

log = logging.getLogger("simulator")

JSON_TYPE = "application/json; charset=utf-8"
MAX_RETURNED_ITEMS = 150_000
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Answer:
    """A status and a body that is JSON already."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


class Refusal(Exception):
    """An answer that is an error (pi-web-api.md 7.5).

    The body is `{"Errors":[...]}` for PI Web API's own errors, `{"Message":...}` for those of the framework below it.
    """

    def __init__(self, status: int, text: str, *, key: str = "Errors", headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        body = {"Errors": [text]} if key == "Errors" else {key: text}
        self.answer = Answer(status, _encode(body), headers or {})


class Query:
    """Query parameters; names are bound without case, multi-valued ones are repeated (pi-web-api.md, introduction)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            self._values.setdefault(name.lower(), []).append(value)

    def all(self, name: str) -> list[str]:
        return self._values.get(name.lower(), [])

    def one(self, name: str) -> str | None:
        """The value, or None. Twice the same single-valued parameter is refused rather than half ignored."""
        values = self.all(name)
        if len(values) > 1:
            raise Refusal(400, f"The parameter '{name}' was specified more than once.")
        return values[0] if values else None

    def integer(self, name: str, default: int, *, least: int = 0, most: int = MAX_RETURNED_ITEMS) -> int:
        text = self.one(name)
        if text is None:
            return default
        # Python's int() also reads "1_000", " 7 " and other scripts' digits.
        if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 11:
            raise Refusal(400, f"The parameter '{name}' must be an integer, not '{text}'.")
        number = int(text)
        if number > most:
            raise Refusal(400, f"Parameter ({name}) is greater than the maximum allowed ({most}).")
        if number < least:
            raise Refusal(400, f"Parameter ({name}) is less than the minimum allowed ({least}).")
        return number

    def boolean(self, name: str, default: bool) -> bool:
        text = self.one(name)
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            raise Refusal(400, f"The parameter '{name}' must be true or false, not '{text}'.")
        return text.lower() == "true"

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        text = self.one(name)
        if text is None:
            return default
        for word in allowed:
            if word.lower() == text.lower():
                return word
        raise Refusal(400, f"The parameter '{name}' must be one of {', '.join(allowed)}, not '{text}'.")


@dataclass(slots=True)
class Request:
    """One request. `segments` is the path behind /piwebapi, `base` the URL up to and with /piwebapi, `now` the data server's clock."""

    method: str
    segments: tuple[str, ...]
    query: Query
    base: str
    now: int
    user: str | None
    server_zone: tzinfo
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    id: str = ""
    """What the journal calls it."""
    fate: int = 200
    """The status under which the journal writes what is read for it: another than 200 if the answer is going to be spoilt."""

    @property
    def fields(self) -> Fields | None:
        return Fields.parse(self.query.one("selectedFields"))

    def time(self, name: str, default: str, *, relative_to: int | None = None) -> int:
        """Ticks of the time string in parameter `name`."""
        text = self.query.one(name)
        try:
            return parse_time(default if text is None else text, self.now, self._zone(), relative_to=relative_to)
        except BadTime as error:
            raise Refusal(400, str(error)) from None

    def _zone(self) -> tzinfo:
        name = self.query.one("timeZone")
        if not name:
            return self.server_zone
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise Refusal(400, f"The time zone '{name}' is not known.") from None

    def refuse_unmodelled(self, *names: str) -> None:
        """Parameters a real server would obey and this one does not are refused, never ignored."""
        for name in names:
            if self.query.all(name):
                log.warning("parameter %s of %s is not modelled", name, "/".join(self.segments))
                raise Refusal(400, f"The parameter '{name}' is not modelled by this simulator.")


def split_path(path: str) -> tuple[str, ...]:
    """The decoded segments behind /piwebapi; an encoded slash stays inside its segment. Raises LookupError for other paths."""
    head, *rest = path.lstrip("/").split("/")
    if head.lower() != "piwebapi":
        raise LookupError(path)
    if rest and rest[-1] == "":
        rest.pop()
    return tuple(unquote(part) for part in rest)


def reply(request: Request, item: Any) -> Answer:
    """200 with `item`, less what `selectedFields` leaves out."""
    fields = request.fields
    return Answer(200, _encode(item if fields is None else fields.pick(item)))


Responder = Callable[..., Answer]


class Routes:
    """The table of what is modelled. Everything else is 404 and named in the log."""

    def __init__(self) -> None:
        self._by_length: dict[int, list[tuple[tuple[str, ...], str, dict[str, Responder]]]] = {}
        self.requests: Counter[str] = Counter()

    def get(self, pattern: str, responder: Responder) -> None:
        """`pattern` such as "streams/{}/recorded"; the responder gets the request and each `{}`."""
        self._add("GET", pattern, responder)

    def post(self, pattern: str, responder: Responder) -> None:
        self._add("POST", pattern, responder)

    def patch(self, pattern: str, responder: Responder) -> None:
        self._add("PATCH", pattern, responder)

    def _add(self, method: str, pattern: str, responder: Responder) -> None:
        steps = tuple(pattern.split("/")) if pattern else ()
        known = self._by_length.setdefault(len(steps), [])
        for other, _, methods in known:
            if other == steps:
                methods[method] = responder
                return
        known.append((steps, "/" + pattern, {method: responder}))

    def answer(self, request: Request) -> Answer:
        """Never raises for anything a client can send."""
        try:
            return self._answer(request)
        except Refusal as refusal:
            return refusal.answer

    def _answer(self, request: Request) -> Answer:
        for steps, name, methods in self._by_length.get(len(request.segments), []):
            captured = []
            for step, segment in zip(steps, request.segments, strict=True):
                if step == "{}":
                    captured.append(segment)
                elif step != segment:
                    break
            else:
                self.requests[name] += 1
                responder = methods.get(request.method)
                if responder is None:
                    text = f"The requested resource does not support http method '{request.method}'."
                    raise Refusal(405, text, key="Message", headers={"Allow": ", ".join(methods)})
                return responder(request, *captured)
        raise unmodelled(request.method, "/piwebapi/" + "/".join(request.segments), self.requests)


def unmodelled(method: str, path: str, requests: Counter[str]) -> Refusal:
    requests["unmodelled"] += 1
    # %r: a path can hold a line feed, and a log line must stay one line.
    log.warning("unmodelled route %s %r", method, path[:500])
    return Refusal(404, f"No HTTP resource was found that matches the request URI '{path[:500]}'.", key="Message")
