"""`POST /batch`: a graph of sub-requests, each answered by the same responders as a request of its own (pi-web-api.md 4)."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any
from urllib.parse import urlsplit

import msgspec

from simulator import jsonpath
from simulator.api import Answer, Query, Refusal, Request, split_path

_encode = msgspec.json.encode
_BREATH_SECONDS = 0.02
_VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@dataclass(slots=True)
class SubRequest:
    """One entry of the body, its shape checked."""

    method: str
    resource: str
    template: bool
    parameters: list[str]
    parents: list[str]
    headers: dict[str, str]
    content: str


@dataclass(slots=True)
class Result:
    """What one entry came to; `content` is JSON already, empty if there is none."""

    status: int
    headers: dict[str, str]
    content: bytes
    _document: Any = field(default=None)

    def json(self) -> bytes:
        return b'{"Status":%d,"Headers":%b,"Content":%b}' % (self.status, _encode(self.headers), self.content or b'""')

    def document(self) -> Any:
        """The entry as JSONPath sees it; parsed at most once, and only if somebody asks."""
        if self._document is None:
            self._document = msgspec.json.decode(self.json())
        return self._document


class Batch:
    """Runs batches. Answers of independent entries and the keys of the answer come in an order nobody may rely on."""

    def __init__(self, answer: Callable[[Request], Answer], randomness: random.Random) -> None:
        self._answer = answer
        self._random = randomness

    async def run(self, request: Request) -> Answer:
        """207 with one result per key, or a refusal of the whole request if its shape is wrong."""
        try:
            entries = parse(request)
        except Refusal as refusal:
            return refusal.answer
        keys = list(entries)
        self._random.shuffle(keys)
        try:
            order = list(TopologicalSorter({key: entries[key].parents for key in keys}).static_order())
        except CycleError:
            return Refusal(400, "The sub-requests depend on one another in a circle.").answer
        results: dict[str, Result] = {}
        rested = time.monotonic()
        for key in order:
            results[key] = self._run_entry(key, entries[key], results, request)
            if time.monotonic() - rested > _BREATH_SECONDS:
                # A large batch must not keep channels from their tick.
                await asyncio.sleep(0)
                rested = time.monotonic()
        return Answer(207, b"{%b}" % b",".join([b"%b:%b" % (_encode(key), results[key].json()) for key in keys]))

    def _run_entry(self, key: str, entry: SubRequest, results: dict[str, Result], outer: Request) -> Result:
        failed = [key for key in entry.parents if results[key].status >= 400]
        if failed:
            return _result_of(Refusal(424, f"The parent request '{failed[0]}' failed.").answer)
        try:
            if entry.template:
                return self._run_template(key, entry, results, outer)
            resource = entry.resource
            if resource.startswith("$"):
                resource = _single(resource, entry, results)
            else:
                resource = _fill(resource, [_single(path, entry, results) for path in entry.parameters])
            return self._run_one(key, resource, entry, outer)
        except Refusal as refusal:
            return _result_of(refusal.answer)

    def _run_template(self, key: str, entry: SubRequest, results: dict[str, Result], outer: Request) -> Result:
        """One sub-request per token; data sits at Content.Items[i].Content, in token order."""
        if entry.resource.startswith("$"):
            resources = [_text(token) for token in _select(entry.resource, entry, results)]
        else:
            columns = [[_text(token) for token in _select(path, entry, results)] for path in entry.parameters]
            if not columns or len({len(column) for column in columns}) != 1:
                raise Refusal(400, "The Parameters of a RequestTemplate must select equally many tokens.")
            resources = [_fill(entry.resource, list(row)) for row in zip(*columns, strict=True)]
        items = []
        for resource in resources:
            try:
                items.append(self._run_one(key, resource, entry, outer).json())
            except Refusal as refusal:
                items.append(_result_of(refusal.answer).json())
        return Result(207, _headers(), b'{"Items":[%b]}' % b",".join(items))

    def _run_one(self, key: str, resource: str, entry: SubRequest, outer: Request) -> Result:
        try:
            parts = urlsplit(resource)
        except ValueError:
            raise Refusal(400, f"The resource '{resource}' is not a valid URL.") from None
        # Host and port are ignored: everything runs here. Relative resources are documented nowhere, so they are refused.
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Refusal(400, f"The resource '{resource[:200]}' is not an absolute URL.")
        try:
            segments = split_path(parts.path)
        except LookupError:
            raise Refusal(404, f"No HTTP resource was found that matches the request URI '{resource[:200]}'.", key="Message") from None
        if segments == ("batch",):
            raise Refusal(400, "A batch cannot contain a batch.")
        inner = Request(
            entry.method,
            segments,
            Query(parts.query),
            outer.base,
            outer.now,
            outer.user,
            outer.server_zone,
            entry.headers,
            entry.content.encode(),
            f"{outer.id}/{key}",
            outer.fate,
        )
        return _result_of(self._answer(inner))


def parse(request: Request) -> dict[str, SubRequest]:
    """The entries of a batch body.

    Refuses every shape real servers do not understand, however plausible: a list, Parameters as a dictionary, Content as an object.
    """
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Refusal(415, f"The request entity's media type '{media_type}' is not supported for this resource.", key="Message")
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal(400, "The request body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The request body must be one JSON object keyed by request ids.")
    entries = {key: _parse_entry(key, entry) for key, entry in body.items()}
    for key, entry in entries.items():
        for parent in entry.parents:
            if parent not in entries:
                raise Refusal(400, f"Request '{key}' names the parent '{parent}', which is not part of the batch.")
    return entries


def _parse_entry(key: str, entry: Any) -> SubRequest:
    def wrong(what: str) -> Refusal:
        return Refusal(400, f"Request '{key}': {what}.")

    if not isinstance(entry, dict):
        raise wrong("must be an object")
    method = entry.get("Method")
    if not isinstance(method, str) or method.upper() not in _VERBS:
        raise wrong("Method must be an HTTP verb")
    template = entry.get("RequestTemplate")
    resource = entry.get("Resource")
    if template is not None:
        if resource is not None or not isinstance(template, dict):
            raise wrong("RequestTemplate must be an object and stand in place of Resource")
        resource = template.get("Resource")
    if not isinstance(resource, str) or not resource:
        raise wrong("Resource must be a URL or a JSONPath")
    parameters, parents, headers = entry.get("Parameters"), entry.get("ParentIds"), entry.get("Headers")
    content = entry.get("Content")
    if parameters is not None and not _texts(parameters):
        raise wrong("Parameters must be a list of JSONPath strings")
    if parents is not None and not _texts(parents):
        raise wrong("ParentIds must be a list of request ids")
    if headers is not None and not (isinstance(headers, dict) and _texts(list(headers.values()))):
        raise wrong("Headers must be an object of strings")
    if content is not None and not isinstance(content, str):
        raise wrong("Content must be a string containing JSON")
    return SubRequest(method.upper(), resource, template is not None, parameters or [], parents or [], headers or {}, content or "")


def _texts(item: Any) -> bool:
    return isinstance(item, list) and all(isinstance(part, str) for part in item)


def _select(text: str, entry: SubRequest, results: dict[str, Result]) -> list[Any]:
    try:
        steps = jsonpath.parse(text)
    except jsonpath.BadPath as error:
        raise Refusal(400, str(error)) from None
    parent = str(steps[0])
    if parent not in entry.parents:
        # Without the dependency the answer may or may not be there yet: never by luck.
        raise Refusal(400, f"The JSONPath '{text}' points at '{parent}', which is not among the ParentIds.")
    return jsonpath.select(steps[1:], results[parent].document())


def _single(text: str, entry: SubRequest, results: dict[str, Result]) -> str:
    tokens = _select(text, entry, results)
    if len(tokens) != 1:
        raise Refusal(400, f"The JSONPath '{text}' selects {len(tokens)} tokens where one is needed.")
    return _text(tokens[0])


def _text(token: Any) -> str:
    if isinstance(token, str):
        return token
    if isinstance(token, int | float) and not isinstance(token, bool):
        return str(token)
    raise Refusal(400, "A JSONPath selects something that is no text and no number.")


def _fill(resource: str, values: list[str]) -> str:
    for i, value in enumerate(values):
        resource = resource.replace(f"{{{i}}}", value)
    return resource


def _headers() -> dict[str, str]:
    return {"Content-Type": "application/json; charset=utf-8"}


def _result_of(answer: Answer) -> Result:
    return Result(answer.status, _headers() | answer.headers, answer.body)
