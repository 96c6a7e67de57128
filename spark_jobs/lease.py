"""One job at a time: a file beside the checkpoint and one beside the tables, that whoever holds them writes again every few seconds.

A holder that was killed leaves its files behind. They count as held for as long as they may still change: that takes `LEASE_SECONDS` of
looking; where the holder's process was on this very machine and is gone, no time at all. Clocks of machines are not compared.
This spares people two jobs that get in each other's way. What keeps rows from landing twice even so is Delta, by the batch's number, and
Spark, which lets only one query plan a batch.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from py4j.protocol import Py4JError  # type: ignore[import-untyped]

from spark_jobs.errors import Refused, Unavailable
from spark_jobs.session import SPARK_ERRORS, java_is_gone
from spark_jobs.storage import Storage

LEASE_SECONDS = 15.0
_BEAT_SECONDS = 3.0
_LOOK_SECONDS = 1.0
_SETTLE_SECONDS = 0.3

log = structlog.get_logger()


class Lease(threading.Thread):
    """Held from `take` to `close`. `lost` says why it is not held any more, once another job took it or it could not be renewed."""

    def __init__(self, storage: Storage, files: Sequence[str], stop: threading.Event, beat_seconds: float = _BEAT_SECONDS) -> None:
        super().__init__(name="lease", daemon=True)
        self._storage, self._files, self._stop_job, self._beat_seconds = storage, files, stop, beat_seconds
        self._me = {"holder": secrets.token_hex(8), **this_process()}
        self._closing = threading.Event()
        self._beat = 0
        self.lost: str | None = None

    def take(self, wait: Callable[[float], object] | None = None) -> None:
        """Take it. Raises Refused if another job holds it."""
        wait = wait or self._closing.wait
        for file in self._files:
            self._await_free(file, wait)
        self._write()
        wait(_SETTLE_SECONDS)  # two that found it free at the same moment both wrote: the later one has it
        for file in self._files:
            if (found := self._read(file)).get("holder") != self._me["holder"]:
                raise Refused(f"another job took {file} at the same moment ({_who(found)})")
        self.start()

    def run(self) -> None:
        renewed = time.monotonic()
        while not self._closing.wait(self._beat_seconds):
            try:
                if (other := self._other()) is not None:
                    self._give_up(f"another job took {other}")
                    return
                self._write()
                renewed = time.monotonic()
            except (*SPARK_ERRORS, Unavailable) as error:
                problem = "Java does not answer" if java_is_gone(error) else str(error).partition("\n")[0]
                log.warning("lease_not_renewed", problem=problem)
            if time.monotonic() - renewed > LEASE_SECONDS:
                self._give_up(f"the lease {', '.join(self._files)} could not be renewed for {LEASE_SECONDS:g} s")
                return

    def close(self) -> None:
        """Give it back."""
        self._closing.set()
        if self.is_alive():
            self.join(timeout=10.0)
        if self.lost is None:
            for file in self._files:
                if self._read(file).get("holder") == self._me["holder"]:
                    self._storage.remove(file)

    def _give_up(self, reason: str) -> None:
        self.lost = reason
        self._stop_job.set()

    def _other(self) -> str | None:
        return next((file for file in self._files if self._read(file).get("holder") not in (None, self._me["holder"])), None)

    def _await_free(self, file: str, wait: Callable[[float], object]) -> None:
        first = found = self._read(file)
        looked = 0.0
        while found and not is_gone(found) and looked < LEASE_SECONDS:
            if looked == 0.0:
                log.info("lease_held", file=file, holder=_who(found), looking_seconds=LEASE_SECONDS)
            wait(_LOOK_SECONDS)
            looked += _LOOK_SECONDS
            found = self._read(file)
            if found and found != first:
                raise Refused(
                    f"another job lands into the same tables, {_who(found)}: it renews {file}. Stop it first; if it is not one of yours, "
                    "give this one a checkpoint and a warehouse of its own"
                )

    def _read(self, file: str) -> dict[str, Any]:
        if not self._storage.exists(file):
            return {}
        try:
            return dict(json.loads(self._storage.read(file)))
        except (ValueError, TypeError, Py4JError):  # being written, or left behind half written
            return {"holder": None}

    def _write(self) -> None:
        self._beat += 1
        for file in self._files:
            self._storage.write(file, json.dumps(self._me | {"beat": self._beat}) + "\n")


def this_process() -> dict[str, Any]:
    """What tells this process from every other: machine, its start, name space of process ids, process id and its start."""
    boot, space, started = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid"), _started(os.getpid())
    return {
        "host": socket.gethostname(),
        "boot": boot.read_text().strip() if boot.exists() else None,
        "pids": str(space.readlink()) if space.is_symlink() else None,
        "pid": os.getpid(),
        "started": started,
    }


def is_gone(holder: dict[str, Any]) -> bool:
    """Whether a holder's process was on this machine, where we can see it, and is there no more."""
    here = this_process()
    if here["boot"] is None or any(holder.get(key) != here[key] for key in ("host", "boot", "pids")):
        return False
    return _started(int(holder["pid"])) != holder.get("started")


def _started(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def _who(holder: dict[str, Any]) -> str:
    return f"process {holder.get('pid')} on {holder.get('host')}"
