"""What the tests of this tier speak of: the plant behind PI, a deployment of the bridge, and the registry."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx2
import yaml

from console import subjects, topics
from console.plant import Plant
from console.stack.child import Child
from schemas.config import Config, load

ROOT = Path(__file__).parents[2]
USER = "pibridge"
PASSWORD_VARIABLE, PASSWORD = "PLANT_PASSWORD", "Tank-7 öffnen"
POINTS, VALUES_PER_SECOND, SHARDS = 60, 20, 3
PATIENCE_SECONDS = 90.0
"""Nothing that is promised may take longer, even on a busy machine."""


@dataclass(frozen=True)
class Servers:
    """Where the two containers answer."""

    bootstrap_servers: str
    registry_url: str


class Registry:
    """The registry's REST API, as anyone may ask it."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=30, trust_env=False)

    def latest(self, subject: str) -> dict[str, Any]:
        """The newest version of a subject."""
        return dict(self._get(f"/subjects/{subject}/versions/latest"))

    def versions(self, subject: str) -> list[int]:
        """The numbers of a subject's versions."""
        return list(self._get(f"/subjects/{subject}/versions"))

    def compatibility(self, subject: str) -> str:
        """The subject's own level; the registry's default does not count."""
        return str(self._get(f"/config/{subject}?defaultToGlobal=false")["compatibilityLevel"])

    def schema_of(self, schema_id: int) -> dict[str, Any]:
        """The Avro definition under an id: what `read_values` asks for."""
        return dict(json.loads(self._get(f"/schemas/ids/{schema_id}")["schema"]))

    def offer(self, subject: str, definition: dict[str, Any]) -> int:
        """Tries to register a further version; answers the HTTP status."""
        return self._client.post(f"/subjects/{subject}/versions", json={"schema": json.dumps(definition)}).status_code

    def close(self) -> None:
        self._client.close()

    def _get(self, path: str) -> Any:
        return self._client.get(path).raise_for_status().json()


class Startable(Protocol):
    """An image that containers can be started from."""

    def start(self, command: Sequence[str], configuration: Path, environment: dict[str, str]) -> Any:
        """A container of its own, started; not removed when it ends."""


class Started(Protocol):
    """Something that was started: a process, or a container."""

    @property
    def alive(self) -> bool: ...
    @property
    def exit_code(self) -> int | None: ...
    def send(self, number: signal.Signals) -> None: ...
    def log(self) -> str: ...
    def tail(self) -> list[str]: ...
    def stop(self) -> None: ...


class Process:
    """A process of this machine."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @property
    def alive(self) -> bool:
        return self._child.alive

    @property
    def exit_code(self) -> int | None:
        return self._child.exit_code

    def send(self, number: signal.Signals) -> None:
        os.kill(self._child.pid, number)

    def log(self) -> str:
        return self._child.log()

    def tail(self) -> list[str]:
        return self._child.tail()

    def stop(self) -> None:
        self._child.stop()


class Container:
    """A container that does not remove itself, so that its end can be looked at."""

    def __init__(self, container: Any) -> None:
        self.container = container

    @property
    def alive(self) -> bool:
        self.container.reload()
        return str(self.container.status) in ("created", "running", "restarting")

    @property
    def exit_code(self) -> int | None:
        return None if self.alive else int(self.container.attrs["State"]["ExitCode"])

    @property
    def health(self) -> str:
        """What the image's own health check says: starting, healthy, unhealthy."""
        self.container.reload()
        return str(self.container.attrs["State"]["Health"]["Status"])

    def send(self, number: signal.Signals) -> None:
        self.container.kill(signal=number.name)

    def log(self) -> str:
        return str(self.container.logs().decode(errors="replace"))

    def tail(self) -> list[str]:
        return self.log().splitlines()[-20:]

    def stop(self) -> None:
        self.container.remove(force=True, v=True)


class Bridge:
    """A bridge of its own."""

    def __init__(self, started: Started) -> None:
        self.started = started

    def terminate(self) -> int:
        """SIGTERM; answers the exit code."""
        self.started.send(signal.SIGTERM)
        return self.exit_code()

    def kill(self) -> None:
        """SIGKILL: it gets no time to do anything."""
        self.started.send(signal.SIGKILL)
        assert self.exit_code() == 128 + signal.SIGKILL

    def exit_code(self) -> int:
        """Waits until it has ended."""
        wait_until(lambda: not self.started.alive, "the end of the bridge", self)
        code = self.started.exit_code
        assert code is not None
        return code

    def must_run(self) -> None:
        """Fails, with the end of the log, if it has ended by itself."""
        assert self.started.alive, f"the bridge ended with {self.started.exit_code}\n{self.tail()}"

    def reason(self) -> str:
        """Why it stopped, as its log says."""
        entries = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        (reason,) = (entry["reason"] for entry in entries if entry["event"] == "the bridge stopped")
        return str(reason)

    def log(self) -> str:
        return self.started.log()

    def tail(self) -> str:
        return "\n".join(self.started.tail())

    def end(self) -> None:
        """Leaves nothing of it, however the test went."""
        self.started.stop()


class Deployment:
    """One source: its configuration file, its topics and subjects, its bridges."""

    def __init__(
        self, source: str, servers: Servers, plant: Plant, directory: Path, image: Startable | None = None, **delivery: float
    ) -> None:
        """`image` starts its bridges; without one they are processes of this checkout."""
        self.source, self.servers, self._image = source, servers, image
        self.file = directory / f"{source}.yaml"
        self.file.write_text(yaml.safe_dump(_document(source, servers, plant, delivery)), encoding="utf-8")
        self._bridges: list[Bridge] = []
        self._environment = os.environ | {PASSWORD_VARIABLE: PASSWORD}

    @property
    def config(self) -> Config:
        return load(self.file, self._environment)

    def prepare(self) -> "Deployment":
        """Creates the topics and registers the subjects, as `pibridge topics apply` and `pibridge schemas register` do."""
        topics.apply(self.config)
        subjects.register(self.config)
        return self

    def start_bridge(self, password: str = PASSWORD, command: Sequence[str] = ("run",)) -> Bridge:
        """The bridge's image, or `python -m bridge` where there is none, started."""
        name, environment = f"{self.source}-{len(self._bridges)}", {PASSWORD_VARIABLE: password}
        if self._image is not None:
            started: Started = Container(self._image.start(command, self.file, environment))
        else:
            child = Child.start(
                name,
                [sys.executable, "-m", "bridge", *command, "--config", self.file],
                log_path=self.file.with_name(f"{name}.log"),
                environment=self._environment | environment,
                directory=ROOT,
            )
            started = Process(child)
        bridge = Bridge(started)
        self._bridges.append(bridge)
        return bridge

    def pibridge(self, *command: str) -> None:
        """Runs `pibridge COMMAND --config <this deployment's>`."""
        script = Path(sys.executable).with_name("pibridge")
        done = subprocess.run(
            [script, *command, "--config", self.file], env=self._environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )
        assert done.returncode == 0, done.stderr

    def end(self) -> None:
        """Leaves none of its bridges."""
        for bridge in self._bridges:
            bridge.end()


def start_plant(directory: Path) -> tuple[Child, Plant]:
    """A simulator process that asks for Basic authentication, and its control port."""
    # Coverage begins at the last full hour; what is to be back-filled must lie before it at any time of day.
    options = {
        "--history": 6000,
        "--points": POINTS,
        "--rate": VALUES_PER_SECOND,
        "--tick": 0.2,
        "--user": USER,
        "--password-env": PASSWORD_VARIABLE,
    }
    child = Child.start(
        "simulator",
        [sys.executable, "-m", "simulator", "--json", *(str(part) for option in options.items() for part in option)],
        log_path=directory / "simulator.log",
        environment=os.environ | {PASSWORD_VARIABLE: PASSWORD},
        directory=ROOT,
    )

    def ready_lines() -> list[str]:
        return [line for line in child.log().splitlines() if line.startswith("{") and line.endswith("}")]

    def listening() -> bool:
        child.check()
        return bool(ready_lines())

    wait_until(listening, "a simulator that is ready")
    return child, Plant(ready_lines()[0])


def wait_until(condition: Callable[[], bool], what: str, bridge: Bridge | None = None) -> None:
    """Returns when the condition holds; fails, with the end of the bridge's log, when it does not come about."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        log = "" if bridge is None else f"\n{bridge.tail()}"
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:g} s{log}"
        time.sleep(0.1)


def _document(source: str, servers: Servers, plant: Plant, delivery: dict[str, float]) -> dict[str, Any]:
    return {
        "source": source,
        "pi": {
            "url": plant.url,
            "auth": {"kind": "basic", "username": USER, "password": f"${{env:{PASSWORD_VARIABLE}}}"},
            "servers": {"main": plant.server_id},
            "points": [{"server": "main"}],
        },
        "kafka": {"bootstrap_servers": servers.bootstrap_servers, "replication": 1, "group_id": f"{source}_bridge"},
        "registry": {"url": servers.registry_url},
        "coverage": {
            "start": "70m",
            "settle_seconds": 2,
            "seal_previews": 1,
            "seal_min_seconds": 2,
            "seal_max_seconds": 4,
            "quiet_seconds": 10,
            "blind_margin_seconds": 4200,
        },
        "delivery": {"shards": SHARDS, "session_timeout_seconds": 3, **delivery},
    }
