"""`python -m stream_processors` as a program."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from stream_processors.metrics import reference

COMMAND = [sys.executable, "-m", "stream_processors"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=240, check=False)


def test_sigterm_ends_it_at_once_even_before_it_has_read_its_configuration(tmp_path: Path) -> None:
    waiting = tmp_path / "pibridge.yaml"
    os.mkfifo(waiting)
    with subprocess.Popen([*COMMAND, "run", "--config", waiting], stderr=subprocess.PIPE, text=True) as process:
        with waiting.open("w"):  # returns when the process opens the other end
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_help_teaches_what_it_reads_and_writes_and_what_its_exit_codes_mean() -> None:
    assert all(word in run("run", "--help").stdout for word in ("exit codes", "SIGTERM", "late", "assessments", "pibridge tap"))


def test_the_reference_of_the_figures_needs_no_configuration() -> None:
    assert run("metrics").stdout == reference()


def test_a_bad_configuration_is_named_with_all_that_is_wrong_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "pibridge.yaml"
    path.write_text("source: P!\nnonsense: 1\n")
    done = run("run", "--config", str(path))
    assert done.returncode == 2
    assert all(name in done.stderr for name in ("source", "nonsense", "pi", "kafka", "registry"))
    assert "Traceback" not in done.stderr
