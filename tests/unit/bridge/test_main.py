"""`python -m bridge` as a program."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.metrics import reference


def test_sigterm_ends_it_at_once_even_before_it_has_read_its_configuration(tmp_path: Path) -> None:
    waiting = tmp_path / "pibridge.yaml"
    os.mkfifo(waiting)
    with subprocess.Popen([sys.executable, "-m", "bridge", "run", "--config", waiting], stderr=subprocess.PIPE, text=True) as process:
        with waiting.open("w"):  # returns when the process opens the other end
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_reference_of_the_figures_needs_no_configuration() -> None:
    done = subprocess.run([sys.executable, "-m", "bridge", "metrics"], capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout == reference()


@pytest.mark.parametrize(("command", "words"), [("check", ("not checked", "exit codes", "pi.*")), ("run", ("exit codes", "SIGTERM"))])
def test_help_teaches_what_a_command_does_and_what_its_exit_codes_mean(command: str, words: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-m", "bridge", command, "--help"], capture_output=True, text=True, timeout=240, check=True)
    assert all(word in done.stdout for word in words)


@pytest.mark.parametrize("named", ["variable", "option"])
def test_the_configuration_is_named_by_a_variable_or_an_option(tmp_path: Path, named: str) -> None:
    path = tmp_path / "elsewhere.yaml"
    path.write_text("source: P!\n")
    option = ["--config", str(path)] if named == "option" else []
    environment = os.environ | {"PIBRIDGE_CONFIG": str(path) if named == "variable" else "/absent.yaml"}
    command = [sys.executable, "-m", "bridge", "check", *option]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{path}: ")
