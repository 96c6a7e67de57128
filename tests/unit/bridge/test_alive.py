"""The image's health check, as the program that it is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.monitoring import Monitoring
from runtime.port import Port
from schemas import sections


def asked(directory: Path, text: str) -> tuple[int, str]:
    path = directory / "pibridge.yaml"
    path.write_text(text)
    environment = os.environ | {"PIBRIDGE_CONFIG": str(path), "http_proxy": "http://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-m", "bridge.alive"], env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_bridge_that_lives_is_alive_wherever_it_listens(tmp_path: Path, host: str) -> None:
    with Port(sections.Monitoring(host=host, port=0), Monitoring()) as port:
        number = port.address.rpartition(":")[2]
        assert asked(tmp_path, f"monitoring: {{host: '{host}', port: {number}}}") == (0, "alive\n")


def test_a_bridge_that_hangs_is_not_and_says_why(tmp_path: Path) -> None:
    monitoring = Monitoring()
    monitoring.health.beat(time.monotonic() - 100)
    with Port(sections.Monitoring(port=0), monitoring) as port:
        code, said = asked(tmp_path, f"monitoring: {{port: {port.address.rpartition(':')[2]}}}")
    assert code == 1
    assert "event loop has stood still" in said


def test_a_port_where_nobody_answers_is_not_alive(tmp_path: Path) -> None:
    code, said = asked(tmp_path, "monitoring: {port: 1}")
    assert code == 1
    assert "127.0.0.1:1 does not answer" in said


@pytest.mark.parametrize("text", ["source: plant1", "", "monitoring: {port: 0}"])
def test_without_a_port_there_is_nothing_to_ask(tmp_path: Path, text: str) -> None:
    assert asked(tmp_path, text)[0] == 0


def test_a_secret_that_is_away_for_a_moment_does_not_make_a_bridge_dead(tmp_path: Path) -> None:
    with Port(sections.Monitoring(port=0), Monitoring()) as port:
        text = f"monitoring: {{port: {port.address.rpartition(':')[2]}}}\npi: {{auth: {{password: '${{file:/absent}}'}}}}"
        assert asked(tmp_path, text) == (0, "alive\n")


@pytest.mark.parametrize("text", ["monitoring: {port: x}", "monitoring: {host: '${env:ABSENT}'}", "monitoring: ["])
def test_a_section_that_cannot_be_read_is_a_sentence(tmp_path: Path, text: str) -> None:
    code, said = asked(tmp_path, text)
    assert code == 1
    assert said.startswith("the configuration cannot be read")
