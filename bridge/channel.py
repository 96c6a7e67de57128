"""A channel: a WebSocket to PI Web API that pushes snapshots of many points (pi-web-api.md 3). What it misses, reads make good."""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from bridge.errors import PIRefused, PIUnavailable
from bridge.piwebapi import DENIED_PAUSE_SECONDS, PIWebAPI
from bridge.tls import distrust, trust
from schemas.config import PI

_REFUSED = frozenset({400, 404, 409, 414})
"""What a handshake answers when it is about the streams asked for."""
_DENIED = frozenset({401, 403})


class Listener(Protocol):
    """What a channel tells: each message, and when it begins and ceases to hear."""

    def opened(self) -> None: ...
    def message(self, body: str | bytes) -> None: ...
    def lost(self, reason: str) -> None: ...


def addresses(base: str, web_ids: Sequence[str], heartbeat_polls: int, url_bytes: int) -> list[tuple[str, list[str]]]:
    """The channels that cover all streams, each with its address of at most `url_bytes` and the streams on it."""
    parts = urlsplit(base)
    prefix = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path}/streamsets/channel?webIdType=IDOnly&heartbeatRate={heartbeat_polls}"
    channels: list[tuple[str, list[str]]] = []
    for web_id in web_ids:
        part = "&webId=" + quote(web_id)
        if not channels or len(channels[-1][0]) + len(part) > url_bytes:
            channels.append((prefix, []))
        address, streams = channels[-1]
        channels[-1] = (address + part, [*streams, web_id])
    return channels


@dataclass
class Reconnect:
    """Pauses between attempts: doubling up to a limit, with full jitter, so that not all come back at once (trap 37)."""

    first_seconds: float
    limit_seconds: float
    chance: random.Random
    _attempt: int = 0

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self._attempt = 0

    def pause_seconds(self) -> float:
        """How long to wait before the next attempt."""
        ceiling = min(self.first_seconds * 2**self._attempt, self.limit_seconds)
        self._attempt = min(self._attempt + 1, 30)
        return float(ceiling * self.chance.random())


class _Direct(connect):
    """A connection that follows no redirect: credentials stay with the configured origin."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Channel:
    """Keeps one channel open until cancelled. Raises PIRefused if PI refuses the handshake itself: then the streams must be split."""

    def __init__(
        self, pi: PIWebAPI, config: PI, address: str, listener: Listener, reconnect: Reconnect, overloaded: Callable[[], bool]
    ) -> None:
        """`pi` lends its credentials and its figures."""
        self._pi = pi
        self._config, self._address, self._listener, self._reconnect = config, address, listener, reconnect
        self._overloaded = overloaded

    async def run(self) -> None:
        """Opens, listens, opens again."""
        metrics, again, renewed = self._pi.metrics, False, False
        while True:
            pause_seconds, opened = 0.0, False
            while self._overloaded():  # noqa: ASYNC110 - a size, which no event announces
                await asyncio.sleep(0.2)
            metrics.reconnects.inc(again)
            again = True
            shown: dict[str, str] = {}
            try:
                shown = await self._pi.credentials.headers()
                async with self._connect(shown) as socket:
                    with metrics.channels_open.track_inprogress():
                        opened, renewed = True, False
                        self._listener.opened()
                        self._reconnect.succeeded()
                        reason = await self._listen(socket)
            except InvalidStatus as error:
                status = error.response.status_code
                reason = f"the handshake was answered with status {status}"
                if 300 <= status < 400:
                    reason += f", a redirect to {error.response.headers.get('Location', '')!r:.200}; it is not followed"
                if status in _REFUSED:
                    raise PIRefused(f"channel: {reason}", status) from error
                if status == 401 and not renewed and await self._pi.credentials.renewed(shown):
                    renewed = True  # once: if the new ones are refused too, more of them would not help
                    continue
                if status in _DENIED:
                    pause_seconds = DENIED_PAUSE_SECONDS
            except (PIUnavailable, PIRefused) as error:  # no credentials to be had
                reason = str(error)
            except (WebSocketException, OSError, TimeoutError) as error:
                reason = distrust(error, urlsplit(self._address).hostname or "") or f"{type(error).__name__}: {error}"
            metrics.channels_lost.inc(opened)
            self._listener.lost(reason)
            await asyncio.sleep(max(pause_seconds, self._reconnect.pause_seconds()))

    def _connect(self, credentials: dict[str, str]) -> _Direct:
        channels = self._config.channels
        context: ssl.SSLContext | None = trust(self._config.ca_file) if self._address.startswith("wss:") else None
        return _Direct(
            self._address,
            additional_headers=credentials,
            user_agent_header="pibridge",
            ssl=context,
            proxy=None,
            compression=None,
            max_size=channels.message_bytes,
            open_timeout=10,
            ping_interval=20,
            ping_timeout=20,
            close_timeout=1,
        )

    async def _listen(self, socket: ClientConnection) -> str:
        """Passes messages on until the channel is silent for too long, or Kafka is too slow; answers why it ended."""
        while not self._overloaded():
            try:
                async with asyncio.timeout(self._config.channels.silence_seconds):
                    body = await socket.recv()
            except TimeoutError:
                return f"no message and no heartbeat for {self._config.channels.silence_seconds:g} s"
            self._listener.message(body)
        return "Kafka does not take frames fast enough, so the channel was closed"
