"""The benchmark of the simulator, small: that it measures what it says. How fast anything is, is not asked here."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def measure(*options: str) -> tuple[int, Any]:
    small = ["--rounds", "1", "--requests", "1", "--points", "300", "--rate", "200", "--window-seconds", "1"]
    command = [sys.executable, "-m", "benchmarks.simulator", "--json", *small, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_plant_on_channels_loses_nothing(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    code, result = measure("--only", "live", "--output", str(output))
    assert code == 0
    live = result["live"]
    assert (live["points"], live["channels"], live["values_lost"]) == (300, 1, 0)
    assert live["values_written"] > 200
    assert live["peak_rss_bytes"] > 1 << 20
    written = json.loads(output.read_text())
    found = written["results"]
    assert {name: one["result"] for name, one in found.items()} == {"live": live, "goals": result["goals"]}
    assert {len(one["commit"].rstrip("+")) for one in found.values()} == {40}


def test_batches_are_served_warm_and_cold_beside_a_peer_that_answers_the_same() -> None:
    code, result = measure("--only", "batches")
    assert result["batches"]["values_per_batch"] > 10_000
    for state in ("warm", "cold"):
        figures = result["batches"][state]
        assert figures["json_dumps_values_per_cpu_second"]["median"] > 0
        assert figures["ratio"]["min"] <= figures["ratio"]["median"] <= figures["ratio"]["max"]
    assert code == (0 if all(goal["met"] for goal in result["goals"].values()) else 1)
