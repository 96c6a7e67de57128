"""A simulator in this process, its clock in the test's hand, and a client that speaks real HTTP and WebSocket to it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from simulator.pitime import TICKS_PER_SECOND, format_ticks
from simulator.server import Running
from simulator.store import Stream

NOON = 17_800_000_000_000_000 - 17_800_000_000_000_000 % TICKS_PER_SECOND
CSRF = {"X-Requested-With": "XmlHttpRequest"}


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self, ticks: int = NOON) -> None:
        self.ticks = ticks

    def __call__(self) -> int:
        return self.ticks


class Sim:
    """Speaks the words of the tests. Paths are relative to /piwebapi."""

    def __init__(self, running: Running, clock: Hand, session: aiohttp.ClientSession) -> None:
        self.running = running
        self.clock = clock
        self.session = session

    @property
    def url(self) -> str:
        return self.running.url

    async def ask(self, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.get(self.url + path, **options) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if "json" in answer.content_type else text

    async def get(self, path: str, **options: Any) -> Any:
        status, body = await self.ask(path, **options)
        assert status == 200, (status, body)
        return body

    async def refused(self, path: str, status: int) -> str:
        """The text of a refusal in PI Web API's own shape."""
        got, body = await self.ask(path)
        assert got == status, (got, body)
        assert list(body) == ["Errors"]
        assert len(body["Errors"]) == 1
        return str(body["Errors"][0])

    async def batch(self, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        async with self.session.post(self.url + "/batch", json=body, headers=CSRF if headers is None else headers) as answer:
            return answer.status, await answer.json()

    async def control(self, path: str, body: Any = None) -> Any:
        status, answer = await self.control_status(path, body)
        assert status == 200, answer
        return answer

    async def control_status(self, path: str, body: Any = None) -> tuple[int, Any]:
        method = "GET" if body is None else "POST"
        async with self.session.request(method, self.running.control_url + path, json=body) as answer:
            return answer.status, await answer.json()

    async def channel(self, *streams: Stream, query: str = "") -> aiohttp.ClientWebSocketResponse:
        webs = "&".join(f"webId={self.web_id(stream)}" for stream in streams)
        return await self.session.ws_connect(f"{self.url}/streamsets/channel?{webs}{query}")

    async def write(self, stream: Stream, at: str, value: Any, **flags: bool) -> Any:
        order = {"point_id": stream.point.point_id, "events": [{"time": at, "value": value, **flags}]}
        return await self.control("/insert", order)

    async def archive(self, stream: Stream, query: str = "") -> list[Any]:
        answer = await self.control(f"/archive?point_id={stream.point.point_id}{query}")
        assert answer["point_id"] == stream.point.point_id
        events: list[Any] = answer["events"]
        return events

    def advance(self, seconds: float) -> None:
        self.clock.ticks += round(seconds * TICKS_PER_SECOND)
        self.running.tick()

    def stream(self, point_type: str, number: int = 0) -> Stream:
        """The nth live stream of a type."""
        return [s for s in self.running.store.streams if s.point.point_type == point_type and s.live][number]

    def web_id(self, stream: Stream, letter: str = "I") -> str:
        return self.running.catalogue.web_id(stream.point, letter)

    def at(self, seconds: float) -> str:
        """A time string that many seconds from where the clock stands."""
        return format_ticks(self.clock.ticks + round(seconds * TICKS_PER_SECOND))


StartSimulator = Callable[..., Awaitable[Sim]]


def url_path(path: str) -> str:
    return quote(path, safe="")


def times(items: list[Any]) -> list[str]:
    return [item["Timestamp"] for item in items]


async def message(channel: aiohttp.ClientWebSocketResponse) -> Any:
    """The next message, decoded."""
    frame = await channel.receive(timeout=5)
    assert frame.type is aiohttp.WSMsgType.TEXT, frame
    return json.loads(frame.data)


async def silence(channel: aiohttp.ClientWebSocketResponse) -> None:
    """Nothing comes."""
    with pytest.raises(asyncio.TimeoutError):
        await channel.receive(timeout=0.1)
