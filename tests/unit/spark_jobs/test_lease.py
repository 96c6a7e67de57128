"""Who holds a lease, on a storage that is a dictionary and with time that does not pass by itself."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from structlog.testing import capture_logs

from spark_jobs import lease as lease_module
from spark_jobs.errors import Refused, Unavailable
from spark_jobs.lease import LEASE_SECONDS, Lease, is_gone, this_process
from spark_jobs.storage import Storage

FILE = "/w/bronze.lease"
ELSEWHERE = this_process() | {"host": "another", "holder": "other", "beat": 7}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What is logged goes nowhere: other tests leave a log behind that is closed."""
    with capture_logs():
        yield


class Files(dict[str, str]):
    """As much of a storage as a lease asks of it."""

    def exists(self, location: str) -> bool:
        return location in self

    def read(self, location: str) -> str:
        return self[location]

    def write(self, location: str, text: str) -> None:
        self[location] = text

    def remove(self, location: str) -> None:
        self.pop(location, None)


def lease(files: Files, stop: threading.Event | None = None) -> Lease:
    return Lease(cast(Storage, files), [FILE], stop or threading.Event(), beat_seconds=0.01)


def taking(files: Files, then: Callable[[int], None] = lambda _: None) -> list[float]:
    """Take it and give it back; how long was waited. `then` is called after each wait, with how many there were."""
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        then(len(waited))

    one = lease(files)
    one.take(wait)
    one.close()
    return waited


def test_a_free_lease_is_taken_and_given_back() -> None:
    assert sum(taking(files := Files())) < 1
    assert files == {}


def test_one_that_a_killed_job_left_elsewhere_is_taken_once_it_did_not_change_for_long_enough() -> None:
    waited = taking(Files({FILE: json.dumps(ELSEWHERE)}))
    assert LEASE_SECONDS <= sum(waited) < LEASE_SECONDS + 2


def test_one_that_changes_is_held() -> None:
    files = Files({FILE: json.dumps(ELSEWHERE)})

    def renew(count: int) -> None:
        if count == 5:
            files[FILE] = json.dumps(ELSEWHERE | {"beat": 8})

    with pytest.raises(Refused, match=r"another job lands into the same tables, process .* on another"):
        taking(files, renew)
    assert json.loads(files[FILE])["holder"] == "other"


def test_one_of_a_process_that_is_gone_from_this_machine_is_taken_at_once() -> None:
    died = subprocess.Popen([sys.executable, "-c", "pass"])
    died.wait()
    assert sum(taking(Files({FILE: json.dumps(this_process() | {"holder": "other", "pid": died.pid})}))) < 1


@pytest.mark.parametrize("left", ["", "{", '{"holder": '])
def test_what_was_written_in_part_is_no_reason_to_stop_for_good(left: str) -> None:
    assert sum(taking(Files({FILE: left}))) >= LEASE_SECONDS


def test_of_two_that_find_it_free_at_once_the_later_has_it() -> None:
    files = Files()

    def other_writes(_: int) -> None:
        files[FILE] = json.dumps(ELSEWHERE)

    with pytest.raises(Refused, match="at the same moment"):
        taking(files, other_writes)


@pytest.mark.parametrize("change", ["taken", "kept"])
def test_whoever_loses_it_ends_its_job(change: str) -> None:
    files, stop = Files(), threading.Event()
    held = lease(files, stop)
    held.take(lambda _: None)
    if change == "taken":
        files[FILE] = json.dumps(ELSEWHERE)
        assert stop.wait(10)
        assert "another job took" in (held.lost or "")
    else:
        assert not stop.wait(0.1)
    held.close()
    assert (FILE in files) is (change == "taken")


@pytest.mark.parametrize("error", [ConnectionError(), PySparkException("stopped"), Py4JError("gone"), Unavailable("no space")])
def test_one_that_cannot_be_renewed_ends_its_job_whatever_the_reason_looks_like(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "LEASE_SECONDS", 0.05)
    files, stop = Files(), threading.Event()
    held = lease(files, stop)
    held.take(lambda _: None)

    def fails(*_: str) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Files, "write", fails)
        assert stop.wait(10)
    assert "could not be renewed" in (held.lost or "")
    held.close()


def test_this_process_is_here_and_another_machines_is_never_said_to_be_gone() -> None:
    here: dict[str, Any] = this_process()
    assert here["pid"] == os.getpid()
    assert not is_gone(here)
    assert is_gone(here | {"started": "0"})
    assert not is_gone(here | {"started": "0", "boot": "another"})
    assert not is_gone(here | {"started": "0", "pids": "another"})
