"""Unity Catalog: a `uc-server` found on PATH, or a server at a given address."""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from console.stack.child import Child, Children
from console.stack.errors import StackError
from console.stack.ports import LOOPBACK, await_server, on_free_port

PROGRAM = "uc-server"
API = "/api/2.1/unity-catalog"
CATALOG = "pibridge"
START_TIMEOUT_SECONDS = 60.0
REQUEST_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class Catalog:
    address: str
    child: Child | None
    program: str = ""

    def version(self) -> str | None:
        """What the program says that we started; None for a server elsewhere, which Unity Catalog's interface offers no way to ask."""
        if self.child is None:
            return None
        answer = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603
        return answer.stdout.strip()


def found_on_path() -> str | None:
    return shutil.which(PROGRAM)


def check(address: str) -> Catalog:
    """The server at the address, which must answer as Unity Catalog does. Raises StackError."""
    address = address.rstrip("/").removesuffix(API)
    try:
        answer = httpx2.get(f"{address}{API}/catalogs", timeout=REQUEST_TIMEOUT_SECONDS)
        answer.raise_for_status()
        answer.json()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
        raise StackError(
            f"No Unity Catalog answers at {address}{API}/catalogs: {error}.",
            "Start the server or correct the address; without an address the stack does without a catalog.",
        ) from error
    return Catalog(address, None)


def start(program: str, directory: Path, warehouse: Path, *, children: Children, log_path: Path) -> Catalog:
    """A Unity Catalog, empty if its directory is, with the catalog `pibridge`, whose tables may lie anywhere in `warehouse`.

    Raises ChildDied, PortBusy, StackError, Stopping.
    """
    directory.mkdir(parents=True, exist_ok=True)
    configuration = directory / "uc-server.yaml"
    if not configuration.exists():
        (directory / "token").write_text(secrets.token_hex(16))
        configuration.touch(mode=0o600)
        configuration.write_text(json.dumps(settings(directory, warehouse)))
    prepared = subprocess.run([program, "migrate", "-c", str(configuration)], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    if prepared.returncode != 0:
        raise StackError(
            f"Unity Catalog cannot prepare {directory}: {prepared.stderr.strip()}", "Make the directory writable, or name another."
        )

    def serve(port: int) -> Catalog:
        address = f"http://{LOOPBACK}:{port}"
        command = [program, "serve", "-c", str(configuration), "--host", LOOPBACK, "-p", str(port), "--no-ui"]
        child = children.start("catalog", command, log_path=log_path)
        with httpx2.Client(base_url=address + API, timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False) as client:
            await_server(children, child, port, lambda: answers(client), START_TIMEOUT_SECONDS)
            furnish(client, warehouse, (directory / "token").read_text())
        child.check()
        return Catalog(address, child, program)

    return on_free_port(serve)


def settings(directory: Path, warehouse: Path) -> dict[str, Any]:
    """What the server has to know. In memory, its default, it forgets all within half an hour: its connection is closed then.

    A file wants a key for the secrets in it, of which there are none.
    """
    return {
        "local_storage": {"allowed-roots": [str(warehouse)]},
        "backend": {"engine": "sqlite", "path": str(directory / "catalog.db")},
        "encryption": {"active": {"id": "local", "key": base64.b64encode(secrets.token_bytes(32)).decode()}},
    }


def answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/catalogs").is_success
    except httpx2.TransportError:
        return False


def furnish(client: httpx2.Client, warehouse: Path, token: str) -> None:
    """Makes what local tables need, and the catalog; its comment holds the token and tells that the server is ours."""
    role = {"role_arn": "arn:aws:iam::123456789012:role/local"}  # never used: the files are local, but the interface wants a credential
    make(client, "credentials", {"name": "local", "purpose": "STORAGE", "aws_iam_role": role})
    make(client, "external-locations", {"name": "warehouse", "url": f"{warehouse.as_uri()}/", "credential_name": "local"})
    make(client, "catalogs", {"name": CATALOG, "storage_root": f"{warehouse.as_uri()}/{CATALOG}", "comment": f"local stack {token}"})
    if token not in str(client.get(f"/catalogs/{CATALOG}").json().get("comment")):
        raise StackError(f"Another Unity Catalog answers at {client.base_url}.", "Stop it, or try again.")


def make(client: httpx2.Client, kind: str, thing: dict[str, object]) -> None:
    """Posts the thing unless one of its name is there."""
    try:
        if client.get(f"/{kind}/{thing['name']}").status_code == httpx2.codes.NOT_FOUND:
            answer = client.post(f"/{kind}", json=thing)
            if not answer.is_success:
                raise StackError(f"Unity Catalog refused {kind} {thing['name']}: {answer.status_code} {answer.text}.", "See its log.")
    except httpx2.HTTPError as error:
        raise StackError(f"Unity Catalog did not take {kind} {thing['name']}: {error}.", "See its log.") from error
