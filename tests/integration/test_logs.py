"""A server that repeats what it was sent: neither the log of a bridge nor a check shows a secret."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from console import subjects, topics
from console.stack import Stack
from schemas.config import load

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
SECRET = 'Tank-7 "öffnen"/&'
ENVIRONMENT = os.environ | {"LEAKY_SECRET": SECRET}
BASIC = {"kind": "basic", "username": "reader", "password": "${env:LEAKY_SECRET}"}


class _Repeating(BaseHTTPRequestHandler):
    """Refuses, and tells everything it knows."""

    def do_GET(self) -> None:
        shown = self.headers.get("Authorization", "")
        body = json.dumps({"Errors": [f"no: {shown} is {SECRET}, in an address {quote(SECRET)}"]}).encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def leaky() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Repeating) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/piwebapi"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("command", "code"), [(("run",), 3), (("check",), 1), (("check", "--json"), 1)])
def test_a_secret_that_comes_back_in_an_error_is_masked(
    stack: Stack, leaky: str, tmp_path: Path, command: tuple[str, ...], code: int
) -> None:
    document: dict[str, Any] = {
        "source": "leaky",
        "pi": {
            "url": leaky,
            "auth": dict(BASIC),
            "servers": {"main": "85bb49d6-f101-4807-baf9-57c2fbd33000"},
            "points": [{"server": "main"}],
        },
        "kafka": {"bootstrap_servers": stack.bootstrap_servers, "replication": 1},
        "registry": {"url": stack.registry_url, "auth": dict(BASIC)},
        "delivery": {"shards": 1},
    }
    path = tmp_path / "leaky.yaml"
    path.write_text(yaml.safe_dump(document))
    config = load(path, ENVIRONMENT)
    topics.apply(config)
    subjects.register(config)
    done = subprocess.run(
        [sys.executable, "-m", "bridge", *command, "--config", str(path)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "*****" in said, "the refusal is told, and with it what the server repeated"
    sent = base64.b64encode(f"reader:{SECRET}".encode()).decode()
    for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(json.dumps(SECRET))[1:-1], quote(SECRET), quote(SECRET, safe=""), sent):
        assert form not in said
    assert "Tank-7" not in said
