"""What the parts of the process tell about themselves, and the HTTP port where it can be asked: /metrics, /livez, /readyz."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import structlog

from bridge.errors import NotReady
from bridge.health import Health
from bridge.metrics import Metrics
from bridge.publish import Message
from schemas import config
from schemas.records import ValueFrame
from schemas.topics import Topic

log = structlog.get_logger("bridge.monitoring")
_BEAT_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
"""A client that says nothing for so long is hung up on."""


class Monitoring:
    """Figures and health of one process."""

    def __init__(self, metrics: Metrics | None = None, health: Health | None = None) -> None:
        self.metrics, self.health = metrics or Metrics(), health or Health()
        self.committing_bytes = 0
        """Of transactions that are under way."""

    async def transaction(
        self, shard: int | None, frames: Sequence[tuple[Topic, ValueFrame]], messages: Sequence[Message], commit: Awaitable[None]
    ) -> None:
        """Awaits the commit of a shard's messages, or of the inventory's (None), and takes note of how it went."""
        sizes = [(message.topic.rpartition(".")[2], len(message.value)) for message in messages]
        size, began = sum(one for _, one in sizes), time.monotonic()
        self.committing_bytes += size
        try:
            await commit
        except Exception:
            self.metrics.transactions.labels("failed").inc()
            raise
        finally:
            self.committing_bytes -= size
        now = time.monotonic()
        self.metrics.committed(frames, sizes, now - began)
        if shard is not None and self.health.committed(shard, now):
            self.metrics.take_overs.inc()

    async def beat(self) -> None:
        """Tells that the event loop turns, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.health.beat(time.monotonic())
            due = loop.time() + _BEAT_SECONDS
            await asyncio.sleep(_BEAT_SECONDS)
            self.metrics.loop_delay.set(max(0.0, loop.time() - due))

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a GET."""
        match path.partition("?")[0]:
            case "/metrics":
                return 200, "text/plain; version=0.0.4; charset=utf-8", self.metrics.exposition()
            case "/livez":
                return _verdict("alive", self.health.why_dead(time.monotonic()))
            case "/readyz":
                return _verdict("ready", self.health.why_not_ready())
        return 404, "text/plain; charset=utf-8", b"there are /metrics, /livez and /readyz\n"


def _verdict(good: str, reasons: Sequence[str]) -> tuple[int, str, bytes]:
    body = "".join(f"{reason}\n" for reason in reasons) or f"{good}\n"
    return 503 if reasons else 200, "text/plain; charset=utf-8", body.encode()


class _Asked(BaseHTTPRequestHandler):
    """Answers one GET; nothing else is allowed, and nothing is logged: probes come every few seconds."""

    timeout = _PATIENCE_SECONDS
    server_version, sys_version = "pibridge", ""
    monitoring: Monitoring

    def do_GET(self) -> None:
        status, content_type, body = self.monitoring.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


class Port:
    """The HTTP port, served by threads of its own: it answers even if the event loop hangs, which is when it is needed."""

    def __init__(self, section: config.Monitoring, monitoring: Monitoring) -> None:
        """Listens. Raises NotReady if it cannot."""
        asked = type("_Asked", (_Asked,), {"monitoring": monitoring})
        try:
            self._server = _server(section.host)((section.host, section.port), asked)
        except OSError as error:
            raise NotReady(f"monitoring: {section.host}:{section.port} cannot be listened on: {error}") from error
        host, port = self._server.server_address[:2]
        self.address = f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        log.info("figures and health can be asked", address=self.address)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _server(host: str) -> type[ThreadingHTTPServer]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Threads of clients that are slow do not hold up the end of the process.
    return type("_Server", (ThreadingHTTPServer,), {"address_family": family, "daemon_threads": True, "block_on_close": False})
