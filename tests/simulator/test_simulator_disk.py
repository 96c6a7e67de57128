"""A journal that cannot be written: one sentence, an exit code, and nothing silently left out."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from simulator import server
from simulator.journal import Journal, JournalLost, parse_journal
from simulator.pitime import now_ticks
from simulator.settings import Settings

FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not FULL.is_char_device(), reason="there is no /dev/full here")


def run(*options: str, most_bytes: int | None = None) -> tuple[int, str, str]:
    """A simulator that ends by itself: exit code, stdout, stderr without log lines. `most_bytes`: no file may grow beyond."""
    limit = f"ulimit -f {most_bytes // 512}; " if most_bytes else ""
    command = [sys.executable, "-m", "simulator", "--points", "5", *options]
    done = subprocess.run(["sh", "-c", limit + 'exec "$@"', "sh", *command], capture_output=True, text=True, timeout=240)
    errors = [line for line in done.stderr.splitlines(keepends=True) if " INFO " not in line]
    return done.returncode, done.stdout, "".join(errors)


@needs_full_device
def test_a_disk_that_is_full_at_the_start_is_one_sentence_and_it_never_is_ready() -> None:
    code, ready, errors = run("--json", "--journal", str(FULL))
    assert (code, ready) == (3, "")
    assert errors.startswith('simulator: journal "/dev/full" cannot be written any more (No space left on device)')
    assert errors.count("\n") == 1
    assert FULL.is_char_device(), "what is no file is never removed"


def test_a_disk_that_fills_up_is_one_sentence_and_leaves_a_journal_without_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    code, ready, errors = run("--json", "--rate", "2000", "--tick", "0.05", "--journal", str(path), most_bytes=64 * 1024)
    assert code == 3
    assert ready
    assert errors.startswith(f'simulator: journal "{path}" cannot be written any more')
    assert errors.count("\n") == 1
    found = parse_journal(path.read_bytes())
    assert [line["n"] for line in found] == list(range(1, len(found) + 1))
    assert len(found) > 100


def test_a_journal_in_a_folder_that_is_not_there_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    code, _, errors = run("--journal", str(tmp_path / "missing" / "run.jsonl"))
    assert code == 2
    assert "missing/run.jsonl" in errors
    assert "does not exist" in errors
    assert errors.count("\n") == 1


def test_a_journal_that_is_removed_under_the_simulator_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    command = [sys.executable, "-m", "simulator", "--points", "5", "--json", "--rate", "500", "--tick", "0.05", "--journal", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        path.unlink()
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 3
    assert "the file was removed" in errors
    assert "Traceback" not in errors


@needs_full_device
async def test_nothing_is_written_behind_lines_that_were_lost(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    journal = Journal(now_ticks, path)
    journal.fault("first", "once", {})
    await journal.sync()
    whole, disk, full = path.read_bytes(), os.dup(journal.fileno()), os.open(FULL, os.O_WRONLY)
    os.dup2(full, journal.fileno())
    journal.fault("lost", "once", {})
    with pytest.raises(JournalLost):
        await journal.sync()
    os.dup2(disk, journal.fileno())
    journal.fault("after", "once", {})
    for write in (journal.sync, journal.close):
        with pytest.raises(JournalLost):
            await write()
    assert path.read_bytes() == whole
    os.close(disk)
    os.close(full)


@needs_full_device
async def test_a_simulator_that_cannot_start_its_journal_frees_everything() -> None:
    with pytest.raises(JournalLost):
        await server.start(Settings(points=5, journal=FULL))


@needs_full_device
def test_a_signal_does_not_hide_that_the_last_lines_are_lost(tmp_path: Path) -> None:
    """Between two syncs the disk fills up and the simulator is told to end: its last write is that of the end."""
    program = (
        "import os, sys, simulator.journal as journal, simulator.cli as cli\n"
        "journal.SYNC_SECONDS = 1000\n"
        "started = cli.server.start\n"
        "async def start(settings):\n"
        "    running = await started(settings)\n"
        "    os.dup2(os.open('/dev/full', os.O_WRONLY), running.journal.fileno())\n"
        "    return running\n"
        "cli.server.start = start\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "--points", "5", "--json", "--journal", str(tmp_path / "run.jsonl")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        with urllib.request.urlopen(ready["control_url"] + "/faults", data=b'{"fault": "lose_markers"}'):
            pass
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 3
    assert "No space left on device" in errors
    assert "Traceback" not in errors


def test_help_documents_the_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "simulator", "--help"], capture_output=True, text=True, check=True)
    assert "3 the journal cannot be" in done.stdout
