"""A channel's socket: opened, listened to and opened again as its ear says (pi-web-api.md 3)."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, WebSocketException

from bridge.budget import wish_seconds
from bridge.errors import PIRefused, PIUnavailable
from bridge.hearing import Ear
from bridge.pitime import Moment
from bridge.piwebapi import PIWebAPI
from bridge.tls import distrust, trust
from schemas.config import PI


class _Direct(connect):
    """A connection that follows no redirect: credentials stay with the configured origin."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _Ending(NamedTuple):
    """Why a channel ended, or was not opened; `status`, `wish_seconds`: the handshake's answer and its Retry-After, if it was refused."""

    reason: str
    status: int | None = None
    wish_seconds: float | None = None


class Channel:
    """Keeps one channel open until cancelled, or until PI refuses its streams."""

    def __init__(self, pi: PIWebAPI, config: PI, ear: Ear, now: Callable[[], Moment]) -> None:
        """`pi` lends its credentials and its figures."""
        self._pi, self._config, self._ear, self._now = pi, config, ear, now
        self._renewed = False
        """PI refused the credentials, and others were found, since it was open last."""

    async def run(self) -> None:
        """Opens, listens, opens again; ends when the streams must be split."""
        ear, metrics, again = self._ear, self._pi.metrics, False
        while True:
            while (pause_seconds := ear.pause_seconds(self._now())) > 0:  # noqa: ASYNC110 - a pause, which may have grown meanwhile
                await asyncio.sleep(pause_seconds)
            metrics.reconnects.inc(again)
            again = True
            if (ending := await self._hear()) is None:
                continue
            metrics.channels_lost.inc(ear.listening)
            if ear.lost(ending.reason, self._now(), ending.status, ending.wish_seconds):
                return

    async def _hear(self) -> _Ending | None:
        """Opens it once and listens until it ends, or cannot be opened; None: PI did not know us, and there are new credentials to show."""
        shown: dict[str, str] = {}
        try:
            shown = await self._pi.credentials.headers()
            async with self._connect(shown) as socket:
                with self._pi.metrics.channels_open.track_inprogress():
                    self._renewed = False
                    self._ear.opened(self._now())
                    return _Ending(await self._listen(socket))
        except InvalidStatus as error:
            status = error.response.status_code
            # Once: if the new ones are refused too, more of them would not help.
            if status == 401 and not self._renewed and await self._pi.credentials.renewed(shown):
                self._renewed = True
                return None
            headers = error.response.headers
            wish = wish_seconds(_first(headers, "Retry-After"), _first(headers, "Date"))
            return _Ending(_answered(status, headers), status, wish)
        except (PIUnavailable, PIRefused) as error:  # no credentials to be had, which says nothing of the streams
            return _Ending(str(error))
        except (WebSocketException, OSError, TimeoutError) as error:
            return _Ending(distrust(error, urlsplit(self._ear.address).hostname or "") or f"{type(error).__name__}: {error}")

    def _connect(self, credentials: dict[str, str]) -> _Direct:
        channels = self._config.channels
        context: ssl.SSLContext | None = trust(self._config.ca_file) if self._ear.address.startswith("wss:") else None
        return _Direct(
            self._ear.address,
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
        """Passes messages on until the ear wants the channel closed; answers why."""
        ear, now = self._ear, self._now()
        while (reason := ear.why_close(now)) is None:
            # Not renewed with every message, which would cost as much as a small one: when it ends, the ear is asked again.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ear.patience_seconds(now)):
                    while ear.why_close(now) is None:
                        body = await socket.recv(decode=False)
                        now = self._now()
                        ear.message(body, now)
            now = self._now()
        return reason


def _answered(status: int, headers: Headers) -> str:
    reason = f"the handshake was answered with status {status}"
    return f"{reason}, a redirect to {_first(headers, 'Location') or ''!r:.200}; it is not followed" if 300 <= status < 400 else reason


def _first(headers: Headers, name: str) -> str | None:
    """A header's first value: to ask for *the* value raises where PI, or what stands before it, sent several."""
    return next(iter(headers.get_all(name)), None)
