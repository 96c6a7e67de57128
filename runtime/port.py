"""The HTTP port where a process can be asked: /metrics, /livez, /readyz."""

import socket
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Protocol, Self

import structlog

from schemas import sections

log = structlog.get_logger("runtime.port")
_PATIENCE_SECONDS = 5.0
"""A client that says nothing for so long is hung up on."""


class PortTaken(Exception):
    """The port cannot be listened on; the message says which, and why."""


class Asked(Protocol):
    """Who answers."""

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a GET."""


def answer(
    path: str, figures: Callable[[], bytes], why_dead: Callable[[], Sequence[str]], why_not_ready: Callable[[], Sequence[str]]
) -> tuple[int, str, bytes]:
    """What a process answers to a GET: its figures, or why it is dead or not ready, a sentence a line."""
    match path.partition("?")[0]:
        case "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", figures()
        case "/livez":
            return _verdict("alive", why_dead())
        case "/readyz":
            return _verdict("ready", why_not_ready())
    return 404, "text/plain; charset=utf-8", b"there are /metrics, /livez and /readyz\n"


def _verdict(good: str, reasons: Sequence[str]) -> tuple[int, str, bytes]:
    body = "".join(f"{reason}\n" for reason in reasons) or f"{good}\n"
    return 503 if reasons else 200, "text/plain; charset=utf-8", body.encode()


class _Get(BaseHTTPRequestHandler):
    """Answers one GET; nothing else is allowed, and nothing is logged: probes come every few seconds."""

    timeout = _PATIENCE_SECONDS
    server_version, sys_version = "pibridge", ""
    asked: Asked

    def do_GET(self) -> None:
        status, content_type, body = self.asked.answer(self.path)
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

    def __init__(self, section: sections.Monitoring, asked: Asked) -> None:
        """Listens. Raises PortTaken if it cannot."""
        get = type("_Get", (_Get,), {"asked": asked})
        try:
            self._server = _server(section.host)((section.host, section.port), get)
        except OSError as error:
            raise PortTaken(f"monitoring: {section.host}:{section.port} cannot be listened on: {error}") from error
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
