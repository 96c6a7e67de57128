"""The pytest plugin, in the tests of another project."""

import subprocess
import sys
from pathlib import Path

import pytest

OTHER_PROJECT = """
import json
import urllib.request

import pytest
from simulator.pytest_plugin import Refused


def ask(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def values(pi, point):
    found = ask(f"{pi.url}/streams/{point['web_id']}/recorded?startTime=*-30m")
    return [item["Value"] for item in found["Items"]]


def float_of(pi):
    return next(point for point in pi.points() if point["type"] == "Float64" and point["live"])


def test_what_is_inserted_edited_and_deleted_is_read(pi_web_api):
    point = float_of(pi_web_api)
    ticks = pi_web_api.insert(point["point_id"], "2026-01-01T00:00:00Z", 4.25, questionable=True)
    assert [ticks, 4.25, True, True, False, False] in pi_web_api.archive(point["point_id"])
    pi_web_api.insert(point["point_id"], "*-5m", 7.125)
    assert 7.125 in values(pi_web_api, point)
    pi_web_api.edit(point["point_id"], "2026-01-01T00:00:00Z", 5.5)
    assert [ticks, 5.5, True, False, True, False] in pi_web_api.archive(point["point_id"])
    pi_web_api.delete(point["point_id"], "2026-01-01T00:00:00Z")
    assert ticks not in [row[0] for row in pi_web_api.archive(point["point_id"])]


def test_faults_begin_and_end(pi_web_api):
    point = float_of(pi_web_api)
    pi_web_api.begin_fault("refuse", for_seconds=600, status=503)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        values(pi_web_api, point)
    assert pi_web_api.end_fault() == 1
    assert values(pi_web_api, point)
    with pytest.raises(Refused, match="unknown fault"):
        pi_web_api.begin_fault("explode")


def test_the_plant_is_stopped_and_its_channels_are_dropped(pi_web_api):
    pi_web_api.run_load(False)
    assert pi_web_api.status()["load_running"] is False
    assert pi_web_api.drop_channels() == 0


FOUND = []


@pytest.mark.parametrize("number", [1, 2])
def test_tests_that_only_read_share_one(shared_pi_web_api, pi_web_api, number):
    FOUND.append((shared_pi_web_api.url, pi_web_api.url))
    assert len(shared_pi_web_api.points()) == 7


def test_each_other_test_has_its_own():
    assert len({shared for shared, _ in FOUND}) == 1
    assert len({own for _, own in FOUND}) == 2


def test_further_ones_have_options_of_their_own(start_pi_web_api, pi_web_api):
    other = start_pi_web_api("--points", "3", "--server-name", "OTHER")
    assert (other.server_name, len(other.points())) == ("OTHER", 3)
    assert other.server_id != pi_web_api.server_id
    with pytest.raises(RuntimeError, match="exit code 2: simulator: --rate must lie"):
        start_pi_web_api("--rate", "-1")
"""
CONFTEST = """
import pytest

pytest_plugins = ["simulator.pytest_plugin"]


@pytest.fixture(scope="session")
def pi_web_api_options():
    return "--points", "7", "--rate", "5"
"""


def pytest_of(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-W",
        "error::ResourceWarning",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        *options,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


def test_another_project_has_simulators_for_its_tests(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_client.py").write_text(OTHER_PROJECT)
    done = pytest_of(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout


def test_nothing_is_loaded_unless_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_client.py").write_text("def test_it(pi_web_api):\n    pass\n")
    done = pytest_of(tmp_path)
    assert done.returncode == 1
    assert "fixture 'pi_web_api' not found" in done.stdout
    assert pytest_of(tmp_path, "-p", "simulator.pytest_plugin").returncode == 0


@pytest.mark.parametrize("name", ["pi_web_api", "pi_web_api_options", "shared_pi_web_api", "start_pi_web_api"])
def test_pytest_lists_each_fixture_with_what_it_is(tmp_path: Path, name: str) -> None:
    done = pytest_of(tmp_path, "-p", "simulator.pytest_plugin", "--fixtures")
    listed = done.stdout.splitlines()
    at = next(number for number, line in enumerate(listed) if line.startswith(name + " "))
    assert listed[at + 1].strip()
