"""The command's exit codes and sentences, by the command itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.config import load

ROOT = Path(__file__).parents[3]


def pibridge(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "console", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "PI_PASSWORD": "x"})


@pytest.fixture
def broken(tmp_path: Path) -> str:
    path = tmp_path / "pibridge.yaml"
    path.write_text("source: P!\nnonsense: 1\n")
    return str(path)


@pytest.mark.parametrize(
    "command",
    [("topics", "plan"), ("schemas", "plan"), ("check",), ("run",), ("process",), ("land",), ("jobs",), ("tap", "late"), ("reconcile",)],
)
def test_a_bad_configuration_is_named_with_all_that_is_wrong_and_exit_code_2(command: tuple[str, ...], broken: str) -> None:
    done = pibridge(*command, "--config", broken)
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("source", "nonsense", "pi", "kafka", "registry"))
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--nonsense"),
        ("demo", "--seconds", "3"),
        ("demo", "--points", "many"),
        ("demo", "--points", "49"),
        ("demo", "--rate", "9"),
        ("nonsense",),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = pibridge(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_ctrl_c_at_the_start_of_a_demo_is_a_sentence_and_exit_code_130(tmp_path: Path) -> None:
    demo = subprocess.Popen([sys.executable, "-m", "console", "demo", "--dir", str(tmp_path)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "stack.lock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate(timeout=240)
    assert demo.returncode == 130
    assert "Traceback" not in errors


def test_the_example_configuration_is_valid(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t")
    path = tmp_path / "pibridge.yaml"
    path.write_text((ROOT / "docs" / "pibridge.example.yaml").read_text().replace("/run/secrets/catalog-token", str(token)))
    config = load(path, {"PI_PASSWORD": "secret-1", "KAFKA_PASSWORD": "secret-2"})
    assert config.source == "plant1"
    assert "secret" not in repr(config)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("rescan", "--from", "yesterday", "--to", "1h"), "neither a duration"),
        (("rescan", "--from", "1h", "--to", "2h"), "a later one to end at"),
        (("backfill", "--to-start", "2999-01-01T00:00:00Z"), "lies in the past"),
        (("rescan", "--from", "1h"), "--to"),
        (("backfill",), "--to-start"),
        (("reconcile", "--from", "yesterday"), "neither a duration"),
        (("query",), "--file"),
        (("query", "SELECT 1", "--file", "last_values"), "--file"),
    ],
)
def test_a_command_that_makes_no_sense_is_a_sentence_and_exit_code_2(arguments: tuple[str, ...], wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "pibridge.yaml"
    path.write_text((ROOT / "docs" / "pibridge.example.yaml").read_text().replace("/run/secrets/catalog-token", str(path)))
    done = subprocess.run(
        [sys.executable, "-m", "console", *arguments, "--config", str(path)],
        capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "PI_PASSWORD": "x", "KAFKA_PASSWORD": "y"},
    )  # fmt: skip
    assert done.returncode == 2
    assert wanted in done.stderr
    assert "Traceback" not in done.stderr
