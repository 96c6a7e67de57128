"""The server: HTTP and WebSocket on one port, the control port beside it, and the one tick that moves both (pi-web-api.md 7)."""

import asyncio
import base64
import hmac
import logging
import random
from contextlib import suppress
from datetime import timedelta, timezone
from uuid import UUID

from aiohttp import web

from simulator.api import Query, Refusal, Request, Routes, split_path, unmodelled
from simulator.batch import Batch
from simulator.catalogue import Catalogue
from simulator.channels import Channels
from simulator.control import Control
from simulator.live import Load
from simulator.pitime import now_ticks
from simulator.plant import open_plant, server_id_of
from simulator.profiles import Clock
from simulator.settings import BadSettings, Settings
from simulator.store import Store
from simulator.streams import StreamAnswers

log = logging.getLogger("simulator")

# The ceilings of http.sys, below PI Web API (pi-web-api.md 3.5). Its refusals are HTML.
MAX_URL_BYTES = 16 * 1024
MAX_SEGMENT_CHARACTERS = 260
_AIOHTTP_LINE_BYTES = 1024 * 1024
_MAX_BODY_BYTES = 256 * 1024 * 1024
_HTML = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN"><HTML><HEAD><TITLE>{0}</TITLE></HEAD>'
    "<BODY><h2>{0}</h2><hr><p>HTTP Error {1}. {2}</p></BODY></HTML>"
)


class Running:
    """A started simulator. `url` ends in /piwebapi. Ends with `await stop()`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.url = ""
        self.control_url = ""
        self.server_id: UUID = server_id_of(settings)
        self._clock = clock
        randomness = random.Random(settings.seed)  # noqa: S311 - for disorder, not for secrets
        self.store: Store
        self.load: Load
        self.store, self.load = open_plant(settings, clock())
        self.catalogue = Catalogue(self.store, self.server_id, settings.server_name, clock())
        self.answers = StreamAnswers(self.catalogue, randomness)
        self.routes = Routes()
        self.catalogue.add_routes(self.routes)
        self.answers.add_routes(self.routes)
        self.batch = Batch(self.routes.answer, randomness)
        self.channels = Channels(self.catalogue, randomness)
        self._server_zone = timezone(timedelta(hours=settings.server_utc_offset_hours))
        secret = f"{settings.user}:{settings.password}".encode()
        self._authorization = None if settings.user is None else b"basic " + base64.b64encode(secret)
        self._runners: list[web.AppRunner] = []
        self.ticking: asyncio.Task[None] | None = None
        """Ends only by `stop()` or by a defect, which awaiting it raises."""

    async def open(self) -> None:
        """Listens on both ports and starts the tick. Raises `BadSettings` if a port is taken."""
        api = web.Application(client_max_size=_MAX_BODY_BYTES)
        # Every path is answered here, one with a line feed in it too, which "." would not match.
        api.router.add_route("*", r"/{path:[\s\S]*}", self._respond)
        control = Control(self.store, self.catalogue, self.answers, self.channels, self.load, self.routes.requests, self._clock)
        try:
            self.url = await self._listen(api, self.settings.host, self.settings.port) + "/piwebapi"
            self.control_url = await self._listen(control.app(), "127.0.0.1", self.settings.control_port)
        except BadSettings:
            await self.stop()
            raise
        self.ticking = asyncio.create_task(self._tick_for_ever())

    async def stop(self) -> None:
        """Closes channels with a close frame and frees both ports."""
        if self.ticking is not None:
            self.ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self.ticking
        await self.channels.drop(len(self.channels), close_frame=True)
        for runner in self._runners:
            await runner.cleanup()

    def tick(self) -> None:
        """Writes what is due and lets channels send it. Called once per tick; a test may call it at any time."""
        self.load.advance(self._clock())
        self.channels.tick()

    async def _tick_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            # After a pause of the process ticks are not made up for: the values are, by the clock.
            due = max(due + self.settings.tick_seconds, loop.time())
            await asyncio.sleep(due - loop.time())
            self.tick()

    async def _listen(self, app: web.Application, host: str, port: int) -> str:
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1,
            max_line_size=_AIOHTTP_LINE_BYTES,
            max_field_size=_AIOHTTP_LINE_BYTES,
        )
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise BadSettings(f"cannot listen on {host}:{port} ({error.strerror}): choose another port, or 0 for a free one") from error
        bound = runner.addresses[0]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        return f"http://{shown}:{bound[1]}"

    async def _respond(self, raw: web.Request) -> web.StreamResponse:
        too_long = _refuse_url(raw)
        if too_long is not None:
            return too_long
        try:
            request = await self._admit(raw)
            channel_of = _channel_stream(request)
            if channel_of is not None and "websocket" in raw.headers.get("Upgrade", "").lower():
                self.routes.requests["/" + "/".join(("streams/{}" if channel_of[0] else "streamsets", "channel"))] += 1
                return await self.channels.serve(raw, request, channel_of[0])
        except Refusal as refusal:
            answer = refusal.answer
        else:
            if request.segments == ("batch",) and request.method == "POST":
                self.routes.requests["/batch"] += 1
                answer = await self.batch.run(request)
            else:
                answer = self.routes.answer(request)
        return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type, **answer.headers})

    async def _admit(self, raw: web.Request) -> Request:
        """The request, if its sender may make it: first who, then the header that proves it was no foreign web page."""
        try:
            segments = split_path(raw.rel_url.raw_path)
        except LookupError:
            raise unmodelled(raw.method, raw.rel_url.raw_path, self.routes.requests) from None
        if self._authorization is not None and not self._authorized(raw.headers.get("Authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="piwebapi"'}
            raise Refusal(401, "Authorization has been denied for this request.", key="Message", headers=challenge)
        if raw.method in ("POST", "PUT", "PATCH", "DELETE") and "X-Requested-With" not in raw.headers:
            raise Refusal(403, "Missing or invalid X-Requested-With header.")
        body = await raw.read() if raw.can_read_body else b""
        base = f"{raw.scheme}://{raw.host}/piwebapi"
        query = Query(raw.rel_url.raw_query_string)
        return Request(raw.method, segments, query, base, self._clock(), self.settings.user, self._server_zone, raw.headers, body)

    def _authorized(self, header: str) -> bool:
        scheme, _, credentials = header.partition(" ")
        assert self._authorization is not None
        given = f"{scheme.lower()} {credentials.strip()}".encode()
        return hmac.compare_digest(given, self._authorization)


async def start(settings: Settings, clock: Clock = now_ticks) -> Running:
    """A running simulator. Raises `BadSettings`, `BadHistory`: sentences for the person who starts it."""
    settings.check()
    running = Running(settings, clock)
    await running.open()
    return running


def _channel_stream(request: Request) -> tuple[str | None] | None:
    """(WebID or None) if the path is a channel's."""
    match request.segments:
        case ("streamsets", "channel"):
            return (None,)
        case ("streams", web_id, "channel"):
            return (web_id,)
    return None


def _refuse_url(raw: web.Request) -> web.Response | None:
    if len(raw.raw_path) > MAX_URL_BYTES:
        return _html(414, "Request URL Too Long", "The request URL is too long.")
    path = raw.raw_path.partition("?")[0]
    if any(len(segment) > MAX_SEGMENT_CHARACTERS for segment in path.split("/")):
        return _html(400, "Bad Request - Invalid URL", "The request URL is invalid.")
    return None


def _html(status: int, title: str, text: str) -> web.Response:
    return web.Response(status=status, text=_HTML.format(title, status, text), content_type="text/html", charset="us-ascii")
