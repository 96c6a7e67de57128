"""A simulated PI in the test's own event loop, and configurations that point to it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import yaml

from schemas.config import Config, load
from simulator import server
from simulator.pitime import now_ticks
from simulator.server import Running
from simulator.settings import Settings

USER, PASSWORD = "PLANT\\reader", "Tank-7 öffnen"
ENVIRONMENT = {"PI_PASSWORD": PASSWORD, "CLIENT_SECRET": "Kessel & Pumpe/9"}
BASIC = {"kind": "basic", "username": USER, "password": "${env:PI_PASSWORD}"}


@contextlib.asynccontextmanager
async def simulated(**settings: Any) -> AsyncIterator[Running]:
    """A running simulator with a small plant; its clock is this machine's."""
    running = await server.start(Settings(**({"points": 20, "rate_per_second": 20.0, "tick_seconds": 0.1} | settings)), now_ticks)
    try:
        yield running
    finally:
        await running.stop()


async def begin_fault(running: Running, **fault: Any) -> None:
    """Begins a fault at once, by the control port."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        (await client.post(running.control_url + "/faults", json=fault)).raise_for_status()


def document(url: str, server_id: str, **pi: Any) -> dict[str, Any]:
    """A configuration whose Kafka and registry are not there; `pi` replaces parts of that section."""
    section = {"url": url, "auth": {"kind": "anonymous"}, "servers": {"main": server_id}, "points": [{"server": "main"}]}
    return {
        "source": "plant1",
        "pi": section | pi,
        "kafka": {"bootstrap_servers": "127.0.0.1:1", "replication": 1},
        "registry": {"url": "http://127.0.0.1:1"},
    }


def config_of(directory: Path, url: str, server_id: str, **pi: Any) -> Config:
    """The configuration as a process would load it from its file."""
    path = directory / "pibridge.yaml"
    path.write_text(yaml.safe_dump(document(url, server_id, **pi)), encoding="utf-8")
    return load(path, ENVIRONMENT)
