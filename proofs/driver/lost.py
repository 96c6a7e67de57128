"""Checkpoints and tables that are lost: what the operator does at first, what the jobs say to it, what is done as they say, in words.

The operator of these scenes knows nothing but the sentence that he reads: what it asks for is found in it, paths included.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from proofs.deployment import Deployment, ProofFailed
from proofs.driver.points import JOBS
from proofs.driver.traces import newest
from spark_jobs import gold, silver
from spark_jobs.refined import WATERMARKS
from spark_jobs.tables import COVERAGE

_FLOW_SECONDS = 12.0
_STEPS = 5
"""So often an operator does as he is told before he gives up."""
_TELLS = ("failed", "checkpoint_rebuilt", "checkpoint_removed", "tables_filled_again", "records_lost", "lease_held")
_MEANING = ("event", "problem", "exit_code", "because", "batch_id", "lacking", "tables", "records", "checkpoint")


@dataclass
class Run:
    """A job, started to land or refine what is there."""

    command: str
    exit_code: int
    said: list[dict[str, Any]]
    """What is not said in every run."""
    then: str = ""
    """What the operator did next, because of it."""


@dataclass
class Lost:
    """A loss, and the way out of it."""

    happened: str
    runs: list[Run] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """For the evidence."""
        return asdict(self)


Damage = Callable[[Deployment, Path], str]
"""Does the damage, and says it in words; given a copy of all checkpoints from before the newest batches."""


def play(deployment: Deployment, damage: Damage, defect: str = "") -> Lost:
    """Something is landed and refined, twice; then it is damaged, more is landed, and the operator follows what he is told."""
    older = deployment.directory / "older"
    for number in range(2):
        time.sleep(_FLOW_SECONDS)
        for job in JOBS:
            if (code := run(deployment, job, f"{job}-before-{number}", defect).exit_code) != 0:
                raise ProofFailed(f"{deployment.source}: {job} ended with exit code {code} before anything was damaged")
        if number == 0:
            shutil.copytree(deployment.checkpoints, older)
    lost = Lost(damage(deployment, older))
    time.sleep(_FLOW_SECONDS / 2)
    for job in JOBS:
        lost.runs += _until_it_runs(deployment, job, defect)
    return lost


def _until_it_runs(deployment: Deployment, job: str, defect: str) -> Iterator[Run]:
    flags: tuple[str, ...] = ()
    for number in range(_STEPS):
        ended = run(deployment, job, f"{job}-after-{number}", defect, *flags)
        if ended.exit_code != 0:
            ended.then, flags = _follow(deployment, job, " ".join(str(line.get("problem")) for line in ended.said))
        yield ended
        if ended.exit_code == 0:
            return
    raise ProofFailed(
        f"{deployment.source}: {job} does not run after {_STEPS} times of doing what it says; its logs are in {deployment.directory}"
    )


def run(deployment: Deployment, job: str, name: str, defect: str, *flags: str) -> Run:
    """One of the jobs, until it has done what is there."""
    arguments = (job, "--config", str(deployment.config_path), "--available-now", *flags)
    child = deployment.start(name, "proofs.driver", defect, "", "0", "", *arguments)
    code = deployment.ended(child)
    lines = [json.loads(line) for line in child.log().splitlines() if line.startswith("{")]
    said = [{key: line[key] for key in _MEANING if key in line} for line in lines if line["event"] in _TELLS]
    return Run(f"pibridge {'land' if job == 'bronze' else job} --available-now {' '.join(flags)}".strip(), code, said)


def _follow(deployment: Deployment, job: str, sentence: str) -> tuple[str, tuple[str, ...]]:
    """What a sentence asks for: done, and told; with the flags of the next start. Raises ProofFailed if it asks for nothing."""
    if "start with --rebuild" in sentence:
        return "started with --rebuild", ("--rebuild",)
    checkpoint = re.search(r"checkpoint (/\S+?)[,)]? ", sentence + " ")
    if checkpoint is None or not re.search(r"[Rr]emove (it|the checkpoint)", sentence):
        raise ProofFailed(f"{deployment.source}: {job} says nothing that one could do: {sentence}")
    gone = [Path(checkpoint[1])]
    if (tables := re.search(r"remove the checkpoint, and ([\w, ]+?)(\.| \()", sentence)) and (
        below := re.search(r"below (/\S+?)\)", sentence)
    ):
        names = tables[1].split(", ")
        gone += [path.parent for path in Path(below[1]).glob("*/*/_delta_log") if path.parent.name in names]
        if len(gone) != 1 + len(names):
            raise ProofFailed(f"{deployment.source}: not all of {names} are below {below[1]}")
    for path in gone:
        shutil.rmtree(path)
    return f"removed {', '.join(str(path) for path in gone)}", ()


# -- damage --------------------------------------------------------------------------------------------------------------------------


def _checkpoints_deleted(deployment: Deployment, _: Path) -> str:
    for query in _queries():
        shutil.rmtree(deployment.checkpoints / query)
    return "the checkpoints of bronze, silver and gold were deleted"


def _checkpoints_truncated(deployment: Deployment, _: Path) -> str:
    for query in _queries():
        offsets = deployment.checkpoints / query / "offsets"
        file = offsets / str(newest(offsets))
        text = file.read_bytes()
        file.with_name(f".{file.name}.crc").unlink(missing_ok=True)
        file.write_bytes(text[: len(text) // 2])
    return "the newest offsets in the checkpoints of bronze, silver and gold were cut off in the middle"


def _checkpoints_copied_back(deployment: Deployment, older: Path) -> str:
    for query in _queries():
        shutil.rmtree(deployment.checkpoints / query)
        shutil.copytree(older / query, deployment.checkpoints / query)
    return "the checkpoints of bronze, silver and gold were restored from a copy that is some batches old"


def _bronze_table_removed(deployment: Deployment, _: Path) -> str:
    shutil.rmtree(COVERAGE.path(str(deployment.warehouse)))
    return f"the directory of bronze's {COVERAGE.name} was removed"


def _silver_table_removed(deployment: Deployment, _: Path) -> str:
    shutil.rmtree(WATERMARKS.path(str(deployment.warehouse)))
    return f"the directory of silver's {WATERMARKS.name} was removed"


def _queries() -> tuple[str, ...]:
    return ("bronze", silver.NAME, gold.NAME)


LOSSES: dict[str, Damage] = {
    "checkpoints deleted": _checkpoints_deleted,
    "checkpoints truncated": _checkpoints_truncated,
    "checkpoints restored from an old copy": _checkpoints_copied_back,
    "a bronze table removed": _bronze_table_removed,
    "a silver table removed": _silver_table_removed,
}
