import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import simulator
from simulator.cli import main
from simulator.journal import parse_journal

FOLDER = Path(simulator.__file__).parent


def environment(**more: str) -> dict[str, str]:
    """Without the checkout on the path, so that only the folder itself is there to import."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more


@contextmanager
def process(folder: Path, *options: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "simulator", "--port", "0", "--control-port", "0", "--points", "20", *options]
    with subprocess.Popen(
        command, cwd=folder, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_runs_from_its_folder_alone_says_one_json_line_and_ends_at_a_signal(tmp_path: Path, number: signal.Signals, code: int) -> None:
    shutil.copytree(FOLDER, tmp_path / "simulator", ignore=shutil.ignore_patterns("__pycache__"))
    replay = "machine_temperature=history/machine_temperature_system_failure.csv"
    with process(tmp_path, "--json", "--replay-csv", replay, "--journal", "run.jsonl") as running:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert set(ready) == {"url", "control_url", "server_id", "server_name", "points"}
        assert ready["points"] == 21
        with urllib.request.urlopen(ready["url"] + "/dataservers?name=" + ready["server_name"]) as answer:
            assert json.load(answer)["Id"] == ready["server_id"]
        running.send_signal(number)
        rest, errors = running.communicate(timeout=240)
        assert (running.returncode, rest) == (code, "")
        assert "Traceback" not in errors
    journal = parse_journal((tmp_path / "run.jsonl").read_bytes())
    assert (journal[0]["server_id"], journal[0]["format"]) == (ready["server_id"], 1)
    assert sum(line["k"] == "point" for line in journal) == 21


def test_a_killed_simulator_leaves_a_journal_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with process(FOLDER.parent, "--json", "--profile", "verify", "--rate", "500", "--tick", "0.05", "--journal", str(path)) as running:
        assert running.stdout is not None
        running.stdout.readline()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and path.read_bytes().count(b'"write"') < 100:
            time.sleep(0.05)
    found = parse_journal(path.read_bytes())
    assert [line["n"] for line in found] == list(range(1, len(found) + 1))
    assert sum(line["k"] == "write" for line in found) >= 100


def test_a_busy_port_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--points", "1", "--port", str(taken.getsockname()[1])]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("simulator: cannot listen on 127.0.0.1:")
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--replay-csv", "a=missing.csv"], 'history file "missing.csv" cannot be read'),
        (["--replay-csv", "missing.csv"], "must have the form NAME=FILE"),
        (["--user", "me"], "--user needs a password"),
        (["--user", "me", "--password-env", "NOT_SET"], "NOT_SET"),
        (["--rate", "-1"], "--rate must lie"),
        (["--tick", "nan"], "--tick must lie"),
    ],
)
def test_what_cannot_start_is_one_sentence_and_exit_code_2(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--points", "1", *options]) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1


def test_no_source_file_of_the_simulator_imports_the_rest_of_the_house() -> None:
    house = ("schemas", "bridge", "stream_processors", "spark_jobs", "console", "verifier", "tests")
    files = list(FOLDER.glob("*.py"))
    assert len(files) > 15
    for file in files:
        for line in file.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].split(".")[0] not in house, f"{file.name}: {line}"
