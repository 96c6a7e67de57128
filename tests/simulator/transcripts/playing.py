"""Recorded exchanges with a PI Web API, and how they are replayed against a running simulator over HTTP and WebSocket.

A file holds `exchanges`, each with a `name`, the `section` of pi-web-api.md it was written from, and `steps`; its `shapes` are only there
to be named by anchors. A step is one of

- `request` ("GET /path" below /piwebapi, or a whole URL) with `headers`, `body` and what is `repeated` at the end of the URL,
  and its `response`: `status` or several, `headers`, `body`
- `open` a channel, `message` the next frame on it, `close`
- what happens in the plant: `write`, `edit`, `delete` a value, an `element` or a `frame` that is created, a `change` to a frame, `fault`,
  `pass_seconds` on the clock, `poll` so many ticks of the server

`{{float}}` is the WebID (IDOnly) of the first Float32 point, `{{float.full}}`, `.id`, `.name` and so on are what else is known of it;
`{{name}}` is what an earlier placeholder kept; `{{name|url}}` is the same as it stands in a URL.
"""

import asyncio
import base64
import json
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import yaml
from yarl import URL

from tests.simulator.transcripts.matching import differences
from tests.simulator.world import Sim

FOLDER = Path(__file__).parent
_NAMED = re.compile(r"\{\{([a-z0-9_.]+)(\|url)?\}\}")
_WAIT_SECONDS = 5
POINTS = {
    "float": ("Float32", 0),
    "other": ("Float32", 1),
    "third": ("Float32", 2),
    "double": ("Float64", 0),
    "int": ("Int32", 0),
    "digital": ("Digital", 0),
    "string": ("String", 0),
    "time": ("Timestamp", 0),
    "blob": ("Blob", 0),
    "short": ("Int16", 0),
}
"""By what name exchanges know a point: the nth of a type. `future` is the first whose values lie ahead."""


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange. `settings` are what the server is started with besides the plant of all exchanges."""

    name: str
    section: str
    steps: list[dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.section, str) or not re.fullmatch(r"\d+(\.\d+)?", self.section):
            raise ValueError(f'"{self.name}": the section {self.section!r} must be a text such as "2.3"')
        for step in self.steps:
            if len(step.keys() & _VERBS.keys()) != 1:
                raise ValueError(f'"{self.name}": a step must have exactly one of {", ".join(_VERBS)}, not {sorted(step)}')


def load(folder: Path = FOLDER) -> list[Exchange]:
    """All exchanges, by file and place. Raises ValueError or TypeError for what is none."""
    found = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [Exchange(**exchange) for exchange in document["exchanges"]]
    return found


def web_ids(server: bytes, server_name: str, point_id: int, name: str) -> dict[str, str]:
    """The five WebIDs of a point, written by the words of pi-web-api.md 1.4 and not by the simulator."""
    owner, own = _packed(server), _packed(struct.pack("<i", point_id))
    path = _packed(f"{server_name}\\{name}".upper().encode())
    return {
        "full": f"F1DP{owner}{own}{path}",
        "idonly": f"I1DP{owner}{own}",
        "pathonly": f"P1DP{path}",
        "localidonly": f"L1DP{own}",
        "defaultidonly": f"D1DP{own}",
    }


def _packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def known_of(sim: Sim) -> dict[str, Any]:
    """What exchanges may say between double braces."""
    running = sim.running
    server, name = running.server_id, running.settings.server_name
    known: dict[str, Any] = {
        "url": sim.url,
        "server": "I1DS" + _packed(server.bytes_le),
        "server.full": f"F1DS{_packed(server.bytes_le)}{_packed(name.upper().encode())}",
        "server.id": str(server),
    }
    chosen = {"future": next(s.point for s in running.store.streams if s.point.future)}
    for alias, (kind, number) in POINTS.items():
        chosen[alias] = [s.point for s in running.store.streams if s.point.point_type == kind and not s.point.future][number]
    for alias, point in chosen.items():
        ids = web_ids(server.bytes_le, name, point.point_id, point.name)
        more = {
            "id": point.point_id,
            "name": point.name,
            "set": point.digital_set,
            "source": point.source,
            "units": point.units,
            "lower": ids["idonly"].lower(),
        }
        known |= {alias: ids["idonly"]} | {f"{alias}.{key}": value for key, value in (ids | more).items()}
    return known


def filled(item: Any, known: dict[str, Any]) -> Any:
    """`item` with what stands between double braces put in; a text that is nothing else becomes that thing with its type."""
    if isinstance(item, dict):
        return {filled(key, known): filled(value, known) for key, value in item.items()}
    if isinstance(item, list):
        return [filled(value, known) for value in item]
    if not isinstance(item, str):
        return item
    whole = _NAMED.fullmatch(item)
    if whole and not whole[2]:
        return known[whole[1]]
    return _NAMED.sub(lambda match: quote(str(known[match[1]]), safe="") if match[2] else str(known[match[1]]), item)


def decoded(text: str) -> Any:
    """The JSON of an answer. Raises ValueError if an object has a key twice, which the last would win."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError(f"an object has a key twice: {[key for key, _ in pairs]}")
        return found

    return json.loads(text, object_pairs_hook=unique)


class Replay:
    """Replays the steps of one exchange; every difference is an AssertionError that names the step."""

    def __init__(self, sim: Sim) -> None:
        self._sim = sim
        # The window of the rate limit stands still, as the clock does.
        sim.running.gate._seconds = lambda: 0.0
        self._known = known_of(sim)
        self._channel: aiohttp.ClientWebSocketResponse | None = None

    async def run(self, exchange: Exchange) -> None:
        for number, step in enumerate(exchange.steps, 1):
            verb = next(iter(step.keys() & _VERBS.keys()))
            found = await _VERBS[verb](self, filled(step, self._known))
            assert not found, f'"{exchange.name}" (pi-web-api.md {exchange.section}), step {number}, {verb} {step[verb]}:\n' + "\n".join(
                found
            )

    async def _request(self, step: dict[str, Any]) -> list[str]:
        method, _, path = step["request"].partition(" ")
        body = step.get("body")
        headers = dict(step.get("headers", {}))
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        url = path if path.startswith("http") else self._sim.url + path
        if "repeated" in step:
            url += step["repeated"]["part"] * step["repeated"]["times"]
        # The URL goes out as it was recorded, character by character.
        call = self._sim.session.request(method, URL(url, encoded=True), headers=headers, data=body)
        async with call as answer:
            text = await answer.text()
            is_json = answer.headers.get("Content-Type") == "application/json; charset=utf-8"
            got = decoded(text) if is_json and text else text
            return self._compare(step["response"], answer.status, answer.headers, got)

    def _compare(self, recorded: dict[str, Any], status: int, headers: Any, body: Any) -> list[str]:
        wanted = recorded["status"]
        allowed = wanted if isinstance(wanted, list) else [wanted]
        found = [] if status in allowed else [f"status: {wanted} was recorded, and it is {status} with {body!r}"]
        for name, value in recorded.get("headers", {}).items():
            found += differences(value, headers.get(name), self._known, f"header {name}")
        if "body" in recorded:
            found += differences(recorded["body"], body, self._known)
        return found

    async def _open(self, step: dict[str, Any]) -> list[str]:
        self._channel = await self._sim.session.ws_connect(self._sim.url + step["open"])
        async with asyncio.timeout(_WAIT_SECONDS):
            while len(self._sim.running.channels) != 1:
                await asyncio.sleep(0.01)
        return []

    async def _close(self, _: dict[str, Any]) -> list[str]:
        assert self._channel is not None
        await self._channel.close()
        async with asyncio.timeout(_WAIT_SECONDS):
            while len(self._sim.running.channels):
                await asyncio.sleep(0.01)
        return []

    async def _message(self, step: dict[str, Any]) -> list[str]:
        assert self._channel is not None
        try:
            frame = await self._channel.receive(timeout=_WAIT_SECONDS)
        except TimeoutError:
            return [f"a text frame was recorded, and none came within {_WAIT_SECONDS} seconds"]
        if frame.type is not aiohttp.WSMsgType.TEXT:
            return [f"a text frame was recorded, and it is {frame}"]
        return differences(step["message"], decoded(frame.data), self._known)

    async def _write(self, step: dict[str, Any]) -> list[str]:
        event = dict(step["write"])
        await self._sim.control("/insert", {"point_id": self._known[f"{event.pop('point')}.id"], "events": [event]})
        return []

    async def _edit(self, step: dict[str, Any]) -> list[str]:
        return await self._change("/edit", step["edit"])

    async def _delete(self, step: dict[str, Any]) -> list[str]:
        return await self._change("/delete", step["delete"])

    async def _change(self, path: str, order: dict[str, Any]) -> list[str]:
        point = self._known[f"{order['point']}.id"]
        await self._sim.control(path, {"point_id": point} | {key: value for key, value in order.items() if key != "point"})
        return []

    async def _element(self, step: dict[str, Any]) -> list[str]:
        await self._sim.control("/elements", step["element"])
        return []

    async def _frame(self, step: dict[str, Any]) -> list[str]:
        """The GUID of the frame is kept under `keep`."""
        created = await self._sim.control("/event-frames", step["frame"])
        self._known[step["keep"]] = created["ef"]
        return []

    async def _change_frame(self, step: dict[str, Any]) -> list[str]:
        await self._sim.control("/event-frames/change", step["change"])
        return []

    async def _fault(self, step: dict[str, Any]) -> list[str]:
        await self._sim.control("/faults", step["fault"])
        return []

    async def _pass(self, step: dict[str, Any]) -> list[str]:
        self._sim.advance(step["pass_seconds"])
        return []

    async def _poll(self, step: dict[str, Any]) -> list[str]:
        for _ in range(step["poll"]):
            self._sim.running.tick()
        return []


_VERBS = {
    "request": Replay._request,
    "open": Replay._open,
    "close": Replay._close,
    "message": Replay._message,
    "write": Replay._write,
    "edit": Replay._edit,
    "delete": Replay._delete,
    "element": Replay._element,
    "frame": Replay._frame,
    "change": Replay._change_frame,
    "fault": Replay._fault,
    "pass_seconds": Replay._pass,
    "poll": Replay._poll,
}
