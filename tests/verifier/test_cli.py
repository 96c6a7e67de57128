"""The command line: what it teaches, what it refuses, what it prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verifier.scenes import scene
from tests.verifier.test_seeded_defects import lost_event
from verifier import cli, report
from verifier.findings import RULES

NOWHERE = ["--bootstrap-servers", "127.0.0.1:1", "--source", "plant1"]


def test_help_teaches_every_check_and_exit_code() -> None:
    done = subprocess.run([sys.executable, "-m", "verifier", "--help"], capture_output=True, text=True, check=True)
    for check, rule in RULES.items():
        assert f"{check:4} {rule}" in done.stdout
    for word in ("exit codes", "--settled", "examples", "not_yet_seen"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--journal", "x", *NOWHERE],
        ["--journal", "x", *NOWHERE, "--registry", "http://r", "--schemas", "d"],
        ["--journal", "x", *NOWHERE, "--registry", "http://r", "--alias", "main"],
    ],
    ids=["nothing", "no schemas", "both schemas", "half an alias"],
)
def test_wrong_options_are_usage(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(options)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_warehouse_without_tables_is_unavailable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["--journal", "x", *NOWHERE, "--registry", "http://r", "--warehouse", str(tmp_path)])
    assert code == 3
    assert "there is no Delta table" in capsys.readouterr().err


def test_the_json_has_each_check_with_count_and_example() -> None:
    world = scene()
    lost_event(world)
    found = json.loads(json.dumps(report.as_object(world.verify(), "plant1", {"bronze.pi_timeseries": 3})))
    assert (found["schema_version"], found["source"], found["ok"]) == (1, "plant1", False)
    assert [check["check"] for check in found["checks"]] == list(RULES)
    assert found["checks"][0]["count"] == 1
    assert "lost" in found["checks"][0]["example"]
    assert found["checks"][5]["skipped"] == ["no warehouse was named"]
    assert found["table_versions"] == {"bronze.pi_timeseries": 3}


def test_the_table_has_the_example_below_its_check() -> None:
    world = scene()
    assert report.as_table(world.verify()).endswith("all zero")
    lost_event(world)
    lines = report.as_table(world.verify()).splitlines()
    assert lines[0].split()[:2] == ["V1", "1"]
    assert "e.g. main:1001 lost" in lines[1]
    assert lines[-1] == "failures: 1"
