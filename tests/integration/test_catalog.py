"""What the jobs ask of Unity Catalog, against a real server: registered once, kept in step, whatever is called what."""

import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import pytest

from console.stack import Stack
from schemas.config import Lakehouse
from schemas.references import Referenced
from spark_jobs import tables
from spark_jobs.catalog import Catalog, CatalogError, Registration
from spark_jobs.tables import Table
from tests.unit.bridge.tls_front import Authority

pytestmark = pytest.mark.integration

API = "/api/2.1/unity-catalog"
TOKEN = "s3cret-token"
SILVER = replace(tables.POINTS, name="pi_watermarks", layer="silver")
HOSTILE = """it's-a-`catalog`-"ü"-;drop"""


@pytest.fixture(scope="module")
def uri(stack: Stack) -> str:
    if stack.catalog_uri is None:
        if os.environ.get("CI"):
            pytest.fail("no Unity Catalog server: uc-server must be on PATH where CI is set")
        pytest.skip("no Unity Catalog server: uc-server is not on PATH")
    return stack.catalog_uri


@contextmanager
def opened(uri: str, warehouse: Path, name: str, **settings: Any) -> Iterator[Catalog]:
    lakehouse = Lakehouse.model_validate(
        {"warehouse": str(warehouse), "checkpoints": "/c", "catalog_name": name, "catalog": {"uri": uri, **settings}}
    )
    catalog = Catalog(lakehouse, str(warehouse))
    try:
        yield catalog
    finally:
        catalog.close()


def name_of_own() -> str:
    return f"c{uuid4().hex[:8]}"


@pytest.fixture
def warehouse(stack: Stack) -> Path:
    """One of its own: the server lets no two tables lie at one place."""
    return stack.warehouse / name_of_own()


def get(uri: str, kind: str, name: str) -> Any:
    answer = httpx2.get(f"{uri}{API}/{kind}/{quote(name, safe='')}", timeout=10)
    answer.raise_for_status()
    return answer.json()


def columns(uri: str, name: str) -> list[tuple[str, str, str]]:
    found = sorted(get(uri, "tables", name)["columns"], key=lambda column: column["position"])
    return [(column["name"], column["type_text"], column["comment"]) for column in found]


def test_tables_are_registered_by_layer_and_a_second_time_nothing_is_posted(uri: str, warehouse: Path) -> None:
    name = name_of_own()
    with opened(uri, warehouse, name) as catalog:
        everything = [*tables.TABLES, SILVER]
        assert catalog.register(everything, "plant1") == [table.name for table in everything]
        assert catalog.register(everything, "plant1") == []
    assert get(uri, "schemas", f"{name}.silver")["comment"] == tables.LAYERS["silver"]
    for table in everything:
        assert columns(uri, f"{name}.{table.layer}.{table.name}") == [(c.name, c.kind.sql, c.comment) for c in table.columns]
    found = get(uri, "tables", f"{name}.silver.pi_watermarks")
    assert found["storage_location"].rstrip("/").endswith(f"{warehouse}/silver/pi_watermarks")
    assert found["properties"]["pibridge.source"] == "plant1"


def test_after_a_change_of_schema_the_registration_is_made_anew(uri: str, warehouse: Path) -> None:
    name = name_of_own()
    note = replace(tables.POINTS.columns[0], name="note", comment="A remark, with 'quotes' and `ticks`.")
    changed: list[Table] = [replace(tables.POINTS, columns=(*tables.POINTS.columns, note)), replace(tables.INCIDENTS, comment="Anew.")]
    with opened(uri, warehouse, name) as catalog:
        catalog.register(tables.TABLES, "plant1")
        assert catalog.register(changed, "plant1") == ["pi_points", "pi_incidents"]
        assert catalog.register(changed, "plant1") == []
    assert columns(uri, f"{name}.bronze.pi_points")[-1] == ("note", "string", note.comment)
    assert get(uri, "tables", f"{name}.bronze.pi_incidents")["comment"] == "Anew."


def test_a_catalog_of_a_hostile_name_and_a_table_of_one_are_registered_as_any_other(uri: str, warehouse: Path) -> None:
    name = HOSTILE + name_of_own()
    hostile = replace(tables.POINTS, name="""p`i'"ü;--""", columns=(replace(tables.POINTS.columns[0], name="""`c'"ö"""),))
    with opened(uri, warehouse, name) as catalog:
        assert catalog.register([hostile], "plant1") == [hostile.name]
        assert catalog.register([hostile], "plant1") == []
    assert columns(uri, f"{name}.bronze.{hostile.name}") == [("""`c'"ö""", "string", tables.POINTS.columns[0].comment)]


def test_a_table_of_somebody_else_is_not_replaced(uri: str, warehouse: Path) -> None:
    name = name_of_own()
    with opened(uri, warehouse, name) as catalog:
        catalog.register([tables.POINTS], "plant1")
    with opened(uri, warehouse / "elsewhere", name) as catalog, pytest.raises(CatalogError, match="which is not ours"):
        catalog.register([tables.POINTS], "plant1")


@contextmanager
def guarded(target: str, context: ssl.SSLContext) -> Iterator[tuple[str, list[str]]]:
    """The catalog behind TLS, for whoever shows the token; its address, and the requests that were let through."""
    asked: list[str] = []

    class Guard(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self._answer(401, b'{"message": "who are you?"}')
                return
            asked.append(f"{self.command} {self.path}")
            kind = {"Content-Type": self.headers.get("Content-Type") or "application/json"}
            answer = httpx2.request(self.command, target + self.path, content=body, headers=kind, timeout=10, trust_env=False)
            self._answer(answer.status_code, answer.content)

        do_GET = do_POST = do_DELETE = _pass_on

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing: tests say what is wrong."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Guard) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_the_token_is_shown_over_tls_by_the_plants_own_authority(uri: str, warehouse: Path, tmp_path: Path) -> None:
    name, authority = name_of_own(), Authority(tmp_path)
    with guarded(uri, authority.context_for("127.0.0.1")) as (address, asked):
        with (
            opened(address, warehouse, name, ca_file=str(authority.ca_file), token=Referenced("another")) as catalog,
            pytest.raises(CatalogError, match="status 401"),
        ):
            catalog.register([tables.POINTS], "plant1")
        with opened(address, warehouse, name, token=Referenced(TOKEN)) as catalog, pytest.raises(CatalogError, match="certificate"):
            catalog.register([tables.POINTS], "plant1")
        assert asked == []
        with opened(address, warehouse, name, ca_file=str(authority.ca_file), token=Referenced(TOKEN)) as catalog:
            assert catalog.register([tables.POINTS], "plant1") == ["pi_points"]
        assert f"POST {API}/tables" in asked


def test_a_change_while_it_waits_is_registered_at_once(uri: str, warehouse: Path) -> None:
    name = name_of_own()
    known: list[Table] = [tables.POINTS]
    with opened(uri, warehouse, name) as catalog:
        registration = Registration(catalog, lambda: known, "plant1", recheck_seconds=3600)
        registration.start()
        try:
            _until(lambda: _is_there(uri, f"{name}.bronze.pi_points"))
            known.append(tables.INCIDENTS)
            registration.look()
            _until(lambda: _is_there(uri, f"{name}.bronze.pi_incidents"))
        finally:
            registration.close()


def _is_there(uri: str, name: str) -> bool:
    return httpx2.get(f"{uri}{API}/tables/{name}", timeout=10).status_code == 200


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
