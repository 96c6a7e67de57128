"""A channel's socket: opened, listened to and opened again as its ear says (pi-web-api.md 3)."""

import asyncio
import ssl
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from bridge import auth
from bridge.budget import wish_seconds
from bridge.hearing import Ear
from bridge.pitime import Moment
from bridge.piwebapi import trust
from schemas.config import PI


class _Direct(connect):
    """A connection that follows no redirect: credentials stay with the configured origin."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Channel:
    """Keeps one channel open until cancelled, or until PI refuses its streams."""

    def __init__(self, config: PI, ear: Ear, now: Callable[[], Moment]) -> None:
        self._config, self._ear, self._now = config, ear, now

    async def run(self) -> None:
        """Opens, listens, opens again; ends when the streams must be split."""
        ear = self._ear
        while True:
            while (pause_seconds := ear.pause_seconds(self._now())) > 0:  # noqa: ASYNC110 - a pause, which may have grown meanwhile
                await asyncio.sleep(pause_seconds)
            status = wish = None
            try:
                async with self._connect() as socket:
                    ear.opened(self._now())
                    reason = await self._listen(socket)
            except InvalidStatus as error:
                status, headers = error.response.status_code, error.response.headers
                wish = wish_seconds(*(next(iter(headers.get_all(name)), None) for name in ("Retry-After", "Date")))
                reason = f"the handshake was answered with status {status}"
            except (WebSocketException, OSError, TimeoutError) as error:
                reason = f"{type(error).__name__}: {error}"
            if ear.lost(reason, self._now(), status, wish):
                return

    def _connect(self) -> _Direct:
        channels = self._config.channels
        context: ssl.SSLContext | None = trust(self._config.ca_file) if self._ear.address.startswith("wss:") else None
        return _Direct(
            self._ear.address,
            additional_headers=auth.headers(self._config.auth),
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
        """Passes messages on until the ear wants the channel closed; answers why."""
        while (reason := self._ear.why_close(self._now())) is None:
            try:
                async with asyncio.timeout(self._ear.patience_seconds(self._now())):
                    body = await socket.recv()
            except TimeoutError:
                continue
            self._ear.message(body, self._now())
        return reason
