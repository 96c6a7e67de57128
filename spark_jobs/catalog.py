"""Tables registered in Unity Catalog by its REST API, in the background: the stream writes by path and never waits for a catalog."""

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2
import structlog

from schemas.config import Lakehouse
from spark_jobs import http
from spark_jobs.tables import LAYERS, Table

_API = "/api/2.1/unity-catalog"
_RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_RECHECK_SECONDS = 300.0

log = structlog.get_logger()


class CatalogError(Exception):
    """The catalog refuses, or does not answer; trying again later may help."""


def storage_location(path: str) -> str:
    """Address of a table for the catalog."""
    return path if "://" in path else "file://" + quote(path.removeprefix("file:"))


def registration(table: Table, catalog: str, warehouse: str, source: str) -> dict[str, Any]:
    """Body of the request that registers a table."""
    return {
        "name": table.name,
        "catalog_name": catalog,
        "schema_name": table.layer,
        "table_type": "EXTERNAL",
        "data_source_format": "DELTA",
        "storage_location": storage_location(table.path(warehouse)),
        "comment": table.comment,
        "properties": {key: value for key, value in table.all_properties(source).items() if key.startswith("pibridge.")},
        "columns": [
            {
                "name": column.name,
                "type_text": column.kind.sql,
                "type_name": column.kind.catalog,
                "type_json": json.dumps(
                    {"name": column.name, "type": column.kind.json, "nullable": True, "metadata": {"comment": column.comment}},
                    ensure_ascii=False,
                ),
                "position": position,
                "nullable": True,
                "comment": column.comment,
            }
            for position, column in enumerate(table.columns)
        ],
    }


def differs(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a registration says something else than it should, as far as people see it."""
    columns = [(c.get("name"), str(c.get("type_text")).lower(), c.get("comment")) for c in _by_position(found.get("columns") or [])]
    if columns != [(c["name"], c["type_text"], c["comment"]) for c in wanted["columns"]] or found.get("comment") != wanted["comment"]:
        return True
    properties = found.get("properties") or {}
    return any(properties.get(key) != value for key, value in wanted["properties"].items())


def _by_position(columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(columns, key=lambda column: int(column.get("position") or 0))


def same_place(left: str, right: str) -> bool:
    """Whether two addresses are one, however the server writes them."""
    one, other = urlsplit(left), urlsplit(right)
    return (one.scheme or "file", one.netloc, one.path.rstrip("/")) == (other.scheme or "file", other.netloc, other.path.rstrip("/"))


class Catalog:
    """The catalog, schema and tables of a lakehouse at a Unity Catalog server."""

    def __init__(self, lakehouse: Lakehouse, warehouse: str) -> None:
        settings = lakehouse.catalog
        assert settings is not None
        self._name, self._warehouse = lakehouse.catalog_name, warehouse
        token = settings.token.get_secret_value() if settings.token else None
        self._client = http.client(settings.uri + _API, settings.ca_file, token=token)

    def close(self) -> None:
        self._client.close()

    def register(self, tables: Sequence[Table], source: str) -> list[str]:
        """Make the catalog show the tables as they are; names of those that had to be posted. Raises CatalogError."""
        root = storage_location(self._warehouse)
        self._ensure("catalogs", self._name, {"name": self._name, "comment": "PI data, landed by pibridge"}, {"storage_root": root})
        for layer in sorted({table.layer for table in tables}):
            self._ensure("schemas", f"{self._name}.{layer}", {"name": layer, "catalog_name": self._name, "comment": LAYERS[layer]}, {})
        return [table.name for table in tables if self._register(registration(table, self._name, self._warehouse, source))]

    def _ensure(self, kind: str, full_name: str, body: dict[str, str], where_asked: dict[str, str]) -> None:
        if self._get(kind, full_name) is not None:
            return
        answer = self._send("POST", f"/{kind}", body | where_asked)
        if answer.status_code == 400 and where_asked:  # a server that keeps its own place, or does not know the field
            answer = self._send("POST", f"/{kind}", body)
        if answer.status_code != 409:  # else somebody else was quicker
            _check(answer, f"{kind} {full_name}")

    def _register(self, wanted: dict[str, Any]) -> bool:
        full_name = f"{self._name}.{wanted['schema_name']}.{wanted['name']}"
        found = self._get("tables", full_name)
        if found is not None:
            if found.get("table_type") != "EXTERNAL" or not same_place(str(found.get("storage_location")), wanted["storage_location"]):
                raise CatalogError(
                    f"table {full_name} is registered as {found.get('table_type')} at {found.get('storage_location')}, which is not ours: "
                    "remove it, or set lakehouse.catalog_name"
                )
            if not differs(found, wanted):
                return False
            # There is no change of columns. Deleting an EXTERNAL table removes the registration and leaves the data.
            _check(self._send("DELETE", f"/tables/{quote(full_name, safe='')}"), f"table {full_name}")
        _check(self._send("POST", "/tables", wanted), f"table {full_name}")
        return True

    def _get(self, kind: str, full_name: str) -> dict[str, Any] | None:
        answer = self._send("GET", f"/{kind}/{quote(full_name, safe='')}")
        if answer.status_code == 404:
            return None
        _check(answer, f"{kind} {full_name}")
        try:
            found = answer.json()
        except ValueError as error:
            raise CatalogError(f"the catalog's answer for {kind} {full_name} is not JSON") from error
        if not isinstance(found, dict):
            raise CatalogError(f"the catalog's answer for {kind} {full_name} is no object")
        return found

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx2.Response:
        try:
            return self._client.request(method, path, json=body)
        except httpx2.RequestError as error:
            raise CatalogError(f"{type(error).__name__}: {error}") from error


def _check(answer: httpx2.Response, what: str) -> None:
    if not answer.is_success:
        raise CatalogError(f"{what}: status {answer.status_code}: {answer.text[:300]}")


class Registration(threading.Thread):
    """Keeps trying until the catalog shows the tables, then looks now and then whether it still does. Never ends the job."""

    def __init__(
        self, catalog: Catalog, tables: Callable[[], Sequence[Table]], source: str, recheck_seconds: float = _RECHECK_SECONDS
    ) -> None:
        super().__init__(name="catalog", daemon=True)
        self._catalog, self._tables, self._source, self._recheck_seconds = catalog, tables, source, recheck_seconds
        self._closing = threading.Event()
        self._wake = threading.Event()

    def look(self) -> None:
        """Look again soon: tables have changed."""
        self._wake.set()

    def run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            try:
                posted = self._catalog.register(self._tables(), self._source)
            except CatalogError as error:
                if failures == 0:
                    log.warning("catalog_away", problem=str(error))
                pause = _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]
                failures += 1
            else:
                if posted or failures:
                    log.info("catalog_registered", posted=posted, after_failures=failures)
                failures, pause = 0, self._recheck_seconds
            self._wake.wait(pause)
            self._wake.clear()

    def close(self) -> None:
        """Stop trying; waits for a request under way."""
        self._closing.set()
        self._wake.set()
        self.join(timeout=15.0)
        self._catalog.close()
