"""The server: HTTP and WebSocket on one port, the control port beside it, and the one tick that moves both (pi-web-api.md 7)."""

import asyncio
import logging
import random
import time
from datetime import timedelta, timezone
from uuid import UUID

from aiohttp import web

from simulator.api import Answer, Query, Refusal, Request, Routes, split_path, unmodelled
from simulator.asset_framework import AssetFramework
from simulator.batch import Batch
from simulator.catalogue import Catalogue
from simulator.channels import Channels
from simulator.control import Control
from simulator.corrections import Corrections
from simulator.disorder import Disorder, Plan, ServerClock, spoil
from simulator.faults import Script, read_script
from simulator.gate import Gate
from simulator.journal import Journal, JournalLost
from simulator.live import Load
from simulator.metadata import Metadata
from simulator.pitime import now_ticks
from simulator.plant import open_plant, server_id_of
from simulator.profiles import Clock
from simulator.replay import BadHistory
from simulator.settings import BadSettings, Settings
from simulator.store import Store
from simulator.streams import StreamAnswers
from simulator.summaries import Summaries
from simulator.updates import Updates

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

    def __init__(self, settings: Settings, clock: Clock, journal: Journal | None = None) -> None:
        self.settings = settings
        self.url = ""
        self.control_url = ""
        self.server_id: UUID = server_id_of(settings)
        self.clock = ServerClock(clock)
        if journal is not None:
            journal.clock = self.clock
        script = Script() if settings.faults is None else read_script(settings.faults)
        self.disorder = Disorder(script, settings.seed, clock, journal)
        randomness = random.Random(settings.seed)  # noqa: S311 - for disorder, not for secrets
        self.store: Store
        self.load: Load
        self.corrections: Corrections
        self.journal = journal
        self.store, self.load, self.corrections = open_plant(settings, clock(), journal)
        self.catalogue = Catalogue(self.store, self.server_id, settings.server_name, clock())
        self.answers = StreamAnswers(self.catalogue, randomness, self.disorder, journal)
        self.routes = Routes()
        Metadata(self.catalogue).add_routes(self.routes)
        self.catalogue.add_routes(self.routes)
        self.answers.add_routes(self.routes)
        Summaries(self.answers).add_routes(self.routes)
        self.framework = AssetFramework(settings, self.catalogue, clock(), journal)
        self.framework.add_routes(self.routes, self.catalogue, self.answers)
        self.batch = Batch(self._answer_inner, randomness)
        self.updates = Updates(self.catalogue, randomness, clock, journal)
        self.updates.add_routes(self.routes)
        self.channels = Channels(self.catalogue, randomness, self.clock, journal)
        self._server_zone = timezone(timedelta(hours=settings.server_utc_offset_hours))
        self.gate = Gate(settings, clock, time.monotonic)
        self._runners: list[web.AppRunner] = []
        self.ticking: asyncio.Task[None] | None = None
        """Ends only by `stop()`, by a defect or by a full disk under the journal, which awaiting it raises."""

    async def open(self) -> None:
        """Listens on both ports and starts the tick. Raises `BadSettings` if a port is taken."""
        api = web.Application(client_max_size=_MAX_BODY_BYTES)
        # Every path is answered here, one with a line feed in it too, which "." would not match.
        api.router.add_route("*", r"/{path:[\s\S]*}", self._respond)
        control = Control(self)
        try:
            self.url = await self._listen(api, self.settings.host, self.settings.port) + "/piwebapi"
            self.control_url = await self._listen(control.app(), "127.0.0.1", self.settings.control_port)
        except BadSettings:
            await self.stop()
            raise
        self.ticking = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Closes channels with a close frame and frees both ports. Then raises what ended the tick, and `JournalLost`."""
        failed: object = None
        if self.ticking is not None:
            self.ticking.cancel()
            [failed] = await asyncio.gather(self.ticking, return_exceptions=True)
        self.channels.thaw("server")
        await self.channels.drop(len(self.channels), close_frame=True, why="server")
        for runner in self._runners:
            await runner.cleanup()
        if self.journal is not None:
            await self.journal.close()
        if isinstance(failed, Exception):
            raise failed

    def tick(self) -> None:
        """Writes what is due and lets channels send it. Called once per tick; a test may call it at any time."""
        self.disorder.advance(self)
        now = self.clock.true()
        self.load.advance(now, self.clock())
        if self.load.running:
            self.corrections.advance(now)
        else:
            self.corrections.rest(now)
        self.framework.advance(now)
        self.channels.tick()
        self.updates.expire()

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tick_for_ever())
                if self.journal is not None:
                    group.create_task(self.journal.sync_for_ever())
        except ExceptionGroup as errors:
            # One of the two failed, and the other was only cancelled for it.
            raise errors.exceptions[0] from None

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
        plan = Plan()
        try:
            self.gate.check_rate(raw.remote or "")
            granted = await self.gate.answer(raw, tuple(raw.path.strip("/").split("/")))
            if granted is not None:
                return _response(granted)
            request = await self._admit(raw)
            plan = self.disorder.plan(request)
            request.fate = plan.fate
            channel_of = _channel_stream(request)
            if channel_of is not None and plan.refusal is None and "websocket" in raw.headers.get("Upgrade", "").lower():
                self.routes.requests["/" + "/".join(("streams/{}" if channel_of[0] else "streamsets", "channel"))] += 1
                return await self.channels.serve(raw, request, channel_of[0])
        except Refusal as refusal:
            answer = refusal.answer
        else:
            # An answer nobody gets is worked out all the same, for the journal, unless it would change something.
            if request.segments == ("batch",) and request.method == "POST":
                self.routes.requests["/batch"] += 1
                answer = await self.batch.run(request)
            elif plan.refusal is None or request.method == "GET":
                answer = self.routes.answer(request)
            answer = spoil(plan.refusal or answer, plan, request.base)
        if plan.delay:
            await asyncio.sleep(plan.delay)
        if plan.cut_after is not None:
            return await _cut(raw, answer, plan.cut_after)
        return _response(answer)

    def _answer_inner(self, request: Request) -> Answer:
        """Answers one entry of a batch."""
        refusal = self.disorder.inner(request)
        answer = self.routes.answer(request) if refusal is None or request.method == "GET" else refusal
        return refusal or answer

    async def _admit(self, raw: web.Request) -> Request:
        """The request, if its sender may make it: first who, then the header that proves it was no foreign web page."""
        try:
            segments = split_path(raw.rel_url.raw_path)
        except LookupError:
            raise unmodelled(raw.method, raw.rel_url.raw_path, self.routes.requests) from None
        user = self.gate.admit(raw.headers.get("Authorization", ""))
        if raw.method in ("POST", "PUT", "PATCH", "DELETE") and "X-Requested-With" not in raw.headers:
            raise Refusal(403, "Missing or invalid X-Requested-With header.")
        body = await raw.read() if raw.can_read_body else b""
        base = f"{raw.scheme}://{raw.host}/piwebapi"
        query = Query(raw.rel_url.raw_query_string)
        name = "" if self.journal is None else self.journal.next_request()
        return Request(raw.method, segments, query, base, self.clock(), user, self._server_zone, raw.headers, body, name)


async def start(settings: Settings, clock: Clock = now_ticks, journal: Journal | None = None) -> Running:
    """A running simulator, its journal begun. Raises `BadSettings`, `BadHistory`, `JournalLost`: sentences for the person who starts it.

    `journal` is for tests that keep it in memory; otherwise `settings.journal` names its file.
    """
    settings.check()
    if journal is None and settings.journal is not None:
        journal = Journal(clock, settings.journal)
    try:
        running = Running(settings, clock, journal)
        if journal is not None:
            await journal.sync()
        await running.open()
    except (BadSettings, BadHistory, JournalLost):
        if journal is not None:
            journal.abandon()
        raise
    return running


def _response(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.content_type, **answer.headers})


async def _cut(raw: web.Request, answer: Answer, after: float) -> web.StreamResponse:
    """Promises the whole answer and ends the connection inside it."""
    response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type, **answer.headers})
    response.content_length = len(answer.body)
    await response.prepare(raw)
    await response.write(answer.body[: min(int(len(answer.body) * after), len(answer.body) - 1)])
    if raw.transport is not None:
        raw.transport.close()
    return response


def _channel_stream(request: Request) -> tuple[str | None] | None:
    """(WebID or None) if the path is a channel's."""
    match request.segments:
        case ("streamsets", "channel"):
            return (None,)
        case ("streams" | "streamsets", web_id, "channel"):
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
