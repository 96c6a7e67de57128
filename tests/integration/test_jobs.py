"""Commands given to a bridge that runs, over real Kafka and against the simulator: taken, done, reported, followed."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge import jobs, kafka
from console.plant import Plant
from console.stack import Stack
from schemas.topics import HISTORY, RECORDED
from tests.containers.world import PASSWORD, PASSWORD_VARIABLE, POINTS, SHARDS, Deployment, Servers, start_plant, wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    child, control = start_plant(tmp_path_factory.mktemp("plant"))
    yield control
    control.close()
    child.stop()


@pytest.fixture(scope="module")
def deployment(stack: Stack, plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A source whose bridge runs."""
    made = Deployment("jobs", Servers(stack.bootstrap_servers, stack.registry_url), plant, tmp_path_factory.mktemp("jobs")).prepare()
    bridge = made.start_bridge()
    wait_until(lambda: bridge.log().count('"shard taken over"') >= SHARDS, "shards taken over", bridge)
    yield made
    made.end()


def command_line(deployment: Deployment, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "console", *arguments, "--config", str(deployment.file)]


def pibridge(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {PASSWORD_VARIABLE: PASSWORD}
    return subprocess.run(command_line(deployment, *arguments), env=environment, capture_output=True, text=True, timeout=240, check=False)


def ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def statements(deployment: Deployment, cause: str) -> list[dict[str, Any]]:
    """Series of committed statements that a job caused."""
    found: list[dict[str, Any]] = []
    codec = kafka.codec(deployment.config)
    try:
        for topic in (RECORDED, HISTORY):
            for shard in range(SHARDS):
                for _, value in kafka.read_partition(deployment.config, topic.name(deployment.source), shard):
                    frame = codec.decode(topic, value or b"")
                    found += frame["series"] if frame["cause"] == cause else []
    finally:
        codec.close()
    return found


def covered(deployment: Deployment) -> bool:
    """Whether every point is filled back, which a rescan of two minutes tells."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(minutes=62), now - timedelta(minutes=60)
    command = jobs.command_of(deployment.config, "RESCAN", begin, end, [], [], None)
    jobs.give(deployment.config, command)
    assert jobs.follow(deployment.config, "a job that nobody took", io.StringIO(), 0.5).result == "waiting"
    reports = jobs.follow(deployment.config, command["job_id"], io.StringIO())
    return reports.sum("points") == POINTS and reports.sum("hours_uncovered") == 0


def test_a_rescan_is_read_again_and_followed_until_it_is_done(deployment: Deployment) -> None:
    wait_until(lambda: covered(deployment), "every point covered")
    done = pibridge(deployment, "rescan", "--from", ago(50), "--to", ago(40), "--reason", "the meter was swapped", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["result"], result["points"], result["hours_done"]) == ("done", POINTS, result["hours"])
    assert result["hours"] >= POINTS
    assert {shard["shard"] for shard in result["shards"]} == set(range(SHARDS))
    assert {shard["reason"] for shard in result["shards"]} == {"the meter was swapped"}
    assert "shards are done" in done.stderr
    told = statements(deployment, result["job_id"])
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0).timestamp() * 1e6  # forward reads go on in the present one
    closed = [one["statement"]["kind"] for one in told if one["statement"]["to_time"] <= hour]
    assert set(closed) == {"STATED"}, "who asks for it may have lost what was stated before"
    assert len({one["point_key"] for one in told}) == POINTS


def test_pi_is_asked_for_its_counts_of_the_points_in_scope(deployment: Deployment, tmp_path: Path) -> None:
    into = tmp_path / "counts.jsonl"
    command = [
        sys.executable,
        "-m",
        "bridge",
        "count",
        "--from",
        ago(180),
        "--to",
        ago(0),
        "--into",
        str(into),
        "--config",
        str(deployment.file),
    ]
    environment = os.environ | {PASSWORD_VARIABLE: PASSWORD}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in into.read_text().splitlines()]
    hours = {line["hour"] for line in lines}
    assert len(hours) in (2, 3)
    assert len(lines) == POINTS * len(hours)
    assert all(line["problem"] is None for line in lines)
    assert f"PI counted {len(lines)} hours of points" in done.stderr


def test_a_back_fill_of_one_point_reads_below_its_configured_start(deployment: Deployment, plant: Plant) -> None:
    begin, key = ago(95), f"main:{next(point.point_id for point in plant.points() if point.live)}"
    done = pibridge(deployment, "backfill", "--to-start", begin, "--point", key, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["result"], result["points"]) == ("done", 1)
    assert result["hours"] >= 1
    wanted = datetime.fromisoformat(begin).timestamp() * 1e6
    codec = kafka.codec(deployment.config)
    lows = []
    for shard in range(SHARDS):
        for _, value in kafka.read_partition(deployment.config, HISTORY.name(deployment.source), shard):
            lows += [s["statement"]["from_time"] for s in codec.decode(HISTORY, value or b"")["series"] if s["point_key"] == key]
    codec.close()
    assert min(lows) <= wanted


def test_a_name_that_no_point_has_is_told_and_is_exit_code_1(deployment: Deployment) -> None:
    done = pibridge(deployment, "rescan", "--from", "1h", "--to", "30m", "--point", "nobody")
    assert done.returncode == 1
    assert "no point in scope has such a name" in done.stdout


def test_a_command_that_makes_no_sense_is_not_given(deployment: Deployment) -> None:
    before = jobs.known(deployment.config).keys()
    done = pibridge(deployment, "rescan", "--from", "30m", "--to", "1h")
    assert done.returncode == 2
    assert "a later one to end at" in done.stderr
    done = pibridge(deployment, "rescan", "--from", "yesterday", "--to", "1h")
    assert done.returncode == 2
    assert "neither a duration" in done.stderr
    assert jobs.known(deployment.config).keys() == before


def test_jobs_lists_what_was_given_and_tells_of_one(deployment: Deployment) -> None:
    given = pibridge(deployment, "rescan", "--from", "1h", "--to", "30m", "--filter", "*1*", "--no-wait", "--json")
    assert given.returncode == 0
    job_id = json.loads(given.stdout)["job_id"]
    followed = pibridge(deployment, "jobs", job_id)
    assert followed.returncode == 0
    assert f"{job_id}: done" in followed.stdout
    listed = json.loads(pibridge(deployment, "jobs", "--json").stdout)["jobs"]
    assert listed[-1]["job_id"] == job_id
    assert job_id in pibridge(deployment, "jobs").stdout


def test_ctrl_c_leaves_the_job_and_says_how_to_follow_it_again(stack: Stack, plant: Plant, tmp_path: Path) -> None:
    idle = Deployment("idle", Servers(stack.bootstrap_servers, stack.registry_url), plant, tmp_path).prepare()
    environment = os.environ | {PASSWORD_VARIABLE: PASSWORD}
    following = subprocess.Popen(
        command_line(idle, "rescan", "--from", "1h", "--to", "30m"),
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert following.stderr is not None
    told = following.stderr.readline() + following.stderr.readline()
    assert "is a bridge running?" in told
    os.killpg(following.pid, signal.SIGINT)
    _, errors = following.communicate(timeout=240)
    assert following.returncode == 130
    assert "the job goes on; to follow it again: pibridge jobs rescan-" in errors
    assert "Traceback" not in errors
