"""However the demo ends, it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.demo, pytest.mark.timeout(300)]
ENDS_WITHIN_SECONDS = 30.0
"""Two watchers may take 5 s each, the children 6 s and the guards that kill them 5 s."""


def start(directory: Path, mark: str) -> subprocess.Popen[str]:
    """A demo whose processes all carry a mark in their environment, once the bridge is running."""
    command = [sys.executable, "-m", "console", "demo", "--points", "50", "--dir", str(directory)]
    demo = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PIBRIDGE_TEST_MARK": mark}, start_new_session=True
    )
    assert demo.stderr is not None
    for line in demo.stderr:
        if "first preview in Kafka" in line:
            return demo
    raise AssertionError("the demo ended before a preview came")


def marked(mark: str) -> list[str]:
    """Every process that still carries the mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get("PIBRIDGE_TEST_MARK") == mark:
                found.append(" ".join(process.cmdline())[:120])
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def nothing_is_left(mark: str) -> bool:
    deadline = time.monotonic() + ENDS_WITHIN_SECONDS
    while marked(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def test_ctrl_c_ends_the_demo_and_all_it_started(tmp_path: Path) -> None:
    demo = start(tmp_path, "interrupted")
    assert len(marked("interrupted")) >= 6
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=ENDS_WITHIN_SECONDS)
    assert demo.returncode == 130
    assert "Traceback" not in errors
    assert nothing_is_left("interrupted"), marked("interrupted")


def test_kill_of_the_demo_leaves_no_process(tmp_path: Path) -> None:
    demo = start(tmp_path, "killed")
    demo.kill()
    demo.communicate(timeout=10)
    assert nothing_is_left("killed"), marked("killed")
