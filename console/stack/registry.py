"""Apicurio Registry, with its Confluent interface, on a loopback port."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import httpx2

from console.stack.artifacts import exclusive
from console.stack.child import Child, Children
from console.stack.errors import StackError
from console.stack.java import java, java_options, write_atomically
from console.stack.ports import LOOPBACK, await_server, free_port, on_free_port

START_TIMEOUT_SECONDS = 90.0
REQUEST_TIMEOUT_SECONDS = 20.0
COMPATIBILITY = "FULL_TRANSITIVE"
LISTENING = "Listening on: http"
JAVA_OPTIONS = ("-Xmx256m", "-XX:TieredStopAtLevel=1")  # it starts sooner so, and has little to do later


@dataclass(frozen=True)
class Registry:
    address: str
    child: Child

    @property
    def url(self) -> str:
        """The Confluent interface."""
        return f"{self.address}/apis/ccompat/v7"

    def version(self) -> str:
        """What the running registry says it is."""
        return str(information(self.address)["version"])


def start(directory: Path, archive: Path, *, children: Children, cache: Path, log_path: Path, port: int | None = None) -> Registry:
    """A registry that accepts only schemas compatible with all earlier ones, both ways.

    Its database lies in `directory`: schemas of an earlier start are there again under the same ids, as Kafka's old records need them.

    Raises ChildDied, PortBusy, StackError, Stopping.
    """
    home = unpack(archive, cache, children)
    directory.mkdir(parents=True, exist_ok=True)
    command = [str(java()), *JAVA_OPTIONS, *java_options(cache), "-jar", str(home / "quarkus-run.jar")]

    def serve(port: int) -> Registry:
        token = secrets.token_hex(16)
        child = children.start("registry", command, log_path=log_path, environment=environment(port, token), directory=directory)
        await_server(children, child, port, lambda: LISTENING in child.log(), START_TIMEOUT_SECONDS)
        registry = Registry(f"http://{LOOPBACK}:{port}", child)
        found = information(registry.address).get("description")
        child.check()
        if found != token:
            raise StackError(f"Another registry answers at {registry.address}.", "Stop it, or try again.")
        demand_compatibility(registry)
        return registry

    return on_free_port(serve, port)


def environment(port: int, token: str) -> dict[str, str]:
    """Ours without what would configure another registry. The token comes back in the registry's description: so we know it is ours."""
    management_port = free_port()
    while management_port == port:
        management_port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("QUARKUS_", "APICURIO_"))}
    return inherited | {
        "QUARKUS_HTTP_HOST": LOOPBACK,
        "QUARKUS_HTTP_PORT": str(port),
        # The management interface cannot be switched off in this build, and would listen on all interfaces.
        "QUARKUS_MANAGEMENT_HOST": LOOPBACK,
        "QUARKUS_MANAGEMENT_PORT": str(management_port),
        "APICURIO_APP_DESCRIPTION": token,
        "APICURIO_DATASOURCE_URL": "jdbc:h2:file:./database;WRITE_DELAY=0",
        "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "4",
        "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "4",
    }


def information(address: str) -> dict[str, object]:
    try:
        answer = httpx2.get(f"{address}/apis/registry/v3/system/info", timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False)
        answer.raise_for_status()
        found = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise StackError(f"What answers at {address} is no registry of ours: {error}.", "Try again; see the registry's log.") from error
    return dict(found)


def demand_compatibility(registry: Registry) -> None:
    try:
        answer = httpx2.put(
            f"{registry.url}/config", json={"compatibility": COMPATIBILITY}, timeout=REQUEST_TIMEOUT_SECONDS, trust_env=False
        )
        answer.raise_for_status()
    except httpx2.HTTPError as error:
        registry.child.check()
        raise StackError(f"The registry refused the compatibility rule: {error}.", f"Its log is {registry.child.log_path}.") from error


def unpack(archive: Path, cache: Path, children: Children) -> Path:
    """The archive's directory in the cache, unpacked again if a file in it is not as it was when unpacked."""
    home = cache / archive.name.removesuffix(".tar.gz")
    record = home.with_name(f"{home.name}.files.json")
    with exclusive(home.with_name(f"{home.name}.lock"), children):
        wanted = [archive.stat().st_size, archive.stat().st_mtime_ns]
        try:
            if json.loads(record.read_text()) == {"archive": wanted, "files": inventory(home)}:
                return home
        except (FileNotFoundError, ValueError):  # never unpacked, or cut short: unpacked now
            pass
        record.unlink(missing_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(home, filter="data")
        write_atomically(record, json.dumps({"archive": wanted, "files": inventory(home)}).encode())
    return home


def inventory(home: Path) -> dict[str, list[int]]:
    """Size and time of change of every file."""
    return {
        str(path.relative_to(home)): [path.stat().st_size, path.stat().st_mtime_ns] for path in sorted(home.rglob("*")) if path.is_file()
    }
