"""The proof with Spark's driver: its points exist, what lies there is read as it is, and what happened elsewhere is no success."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from proofs.convergence.changes import Change, _of_kind
from proofs.convergence.part import _is_told, delays
from proofs.convergence.seen import Seen
from proofs.deployment import ProofFailed
from proofs.driver import lost, part
from proofs.driver.accident import DriverAccident
from proofs.driver.deaths import Death
from proofs.driver.defects import DEFECTS
from proofs.driver.measured import compared
from proofs.driver.points import JOBS, POINTS, WRITES
from proofs.driver.scenes import SCENES
from proofs.driver.traces import Trace, left_by
from proofs.evidence import ROOT
from proofs.seeded_defects.patches import applied
from spark_jobs import refined, tables

# -- points --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*POINTS])
def test_a_point_is_a_place_that_a_job_has(name: str, tmp_path: Path) -> None:
    with applied(lambda: POINTS[name].arm(DriverAccident(name, 1, signal.SIGKILL, tmp_path / "mark"))):
        pass


@pytest.mark.parametrize("name", [*DEFECTS])
def test_a_defect_is_made_in_a_place_that_a_job_has(name: str) -> None:
    with applied(DEFECTS[name]):
        pass


def test_each_query_dies_in_each_phase_of_a_batch_and_writes_tables_that_no_other_writes() -> None:
    queries = [query for names in JOBS.values() for query in names]
    assert {point.query for point in POINTS.values()} == set(queries) == WRITES.keys()
    assert sorted(table.name for query in queries for table in WRITES[query]) == sorted(t.name for t in (*tables.TABLES, *refined.TABLES))
    assert len(POINTS) >= 15


def test_gold_is_compared_row_by_row_and_number_by_number() -> None:
    row = {"point_key": "main:1", "hour": 1, "events": 3, "average": 0.1 + 0.2, "uom": None}
    other = row | {"hour": 2}
    assert compared(refined.HOURLY, [row | {"average": 0.3}, other], [other, row]) == []
    name = refined.HOURLY.name
    assert compared(refined.HOURLY, [row | {"events": 4, "average": 0.31}], [row]) == [
        f"{name}, ('main:1', 1): events is 4, not 3, average is 0.31, not {0.1 + 0.2}"
    ]
    assert compared(refined.HOURLY, [row], [row, other]) == [f"{name}, ('main:1', 2): there is no row"]
    assert compared(refined.HOURLY, [row, row, other], [row, other]) == [f"{name}: 1 rows too many or twice"]


def test_scenes_have_names_of_their_own() -> None:
    assert len({scene.name for scene in SCENES}) == len(SCENES) == 14


_DIES = """
import subprocess, sys, time
from pathlib import Path
from proofs.driver.accident import DriverAccident
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
DriverAccident("here", 1, 9, Path(sys.argv[1]))()
"""


def test_the_driver_dies_with_the_process_that_leads_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path / "mark")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "mark").read_text() == "here"
    stat = Path(f"/proc/{done.stdout.strip()}/stat")
    deadline = time.monotonic() + 60
    while not _ended(stat):
        assert time.monotonic() < deadline, stat.read_text()
        time.sleep(0.05)


def _ended(stat: Path) -> bool:
    """Whether a process is gone, or waits only to be reaped."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


# -- traces --------------------------------------------------------------------------------------------------------------------------


class Query:
    """A checkpoint and tables, as Spark and Delta would leave them, a moment apart each."""

    def __init__(self, root: Path) -> None:
        self.root, self.checkpoint = root, root / "checkpoint"
        self._moment = 1_700_000_000_000_000_000

    def _write(self, path: Path, text: str = "") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._moment += 1_000_000
        os.utime(path, ns=(self._moment, self._moment))

    def plan(self, batch: int) -> None:
        self._write(self.checkpoint / "offsets" / str(batch))

    def done(self, batch: int) -> None:
        self._write(self.checkpoint / "commits" / str(batch))

    def parquet(self, table: str, name: str) -> None:
        self._write(self.root / table / name)

    def commit(self, table: str, version: int, operation: str, batch: int | None = None, **adds: str) -> None:
        actions: list[dict[str, Any]] = [{"commitInfo": {"operation": operation}}]
        actions += [] if batch is None else [{"txn": {"appId": "q", "version": batch}}]
        actions += [{"add": {"path": path}} for path in adds.values()]
        self._write(self.root / table / "_delta_log" / f"{version:020}.json", "\n".join(map(json.dumps, actions)))

    def trace(self, *names: str) -> Trace:
        return left_by(self.checkpoint, [self.root / name for name in names])


@pytest.fixture
def query(tmp_path: Path) -> Query:
    """A query with one batch that is done, in tables a and b, and a file from an earlier death."""
    made = Query(tmp_path)
    made.plan(0)
    made.parquet("a", "left.parquet")
    for name in ("a", "b"):
        made.parquet(name, "0.parquet")
        made.commit(name, 0, "WRITE", 0, file="0.parquet")
    made.done(0)
    return made


def test_a_batch_that_was_planned_and_not_begun_is_open_and_wrote_nothing(query: Query) -> None:
    assert not query.trace("a", "b").open
    query.plan(1)
    assert query.trace("a", "b") == Trace(1, 0)
    assert query.trace("a", "b").open


def test_a_file_that_no_commit_mentions_is_unfinished(query: Query) -> None:
    query.plan(1)
    query.parquet("a", "1.parquet")
    assert query.trace("a", "b") == Trace(1, 0, unfinished={"a": 1})


def test_commits_of_the_open_batch_are_told_by_table_with_its_number(query: Query) -> None:
    query.plan(1)
    query.parquet("a", "1.parquet")
    query.commit("a", 1, "WRITE", 1, file="1.parquet")
    query.commit("b", 1, "MERGE")
    assert query.trace("a", "b") == Trace(1, 0, {"a": ["WRITE"], "b": ["MERGE"]}, frozenset({"a"}))


def test_a_query_that_never_planned_left_nothing(tmp_path: Path) -> None:
    assert left_by(tmp_path / "none", [tmp_path]) == Trace(-1, -1)


CLEANED, CORRECTIONS, WATERMARKS = "pi_timeseries_cleaned", "pi_corrections", "pi_watermarks"


@pytest.mark.parametrize(
    ("point", "left", "shown"),
    [
        ("bronze: offsets planned", Trace(3, 2), True),
        ("bronze: offsets planned", Trace(3, 3), False),
        ("bronze: offsets planned", Trace(3, 2, {"pi_timeseries": ["WRITE"]}), False),
        ("bronze: Parquet of samples begun", Trace(3, 2, unfinished={"pi_timeseries": 1}), True),
        ("bronze: Parquet of samples begun", Trace(3, 2, {"pi_timeseries": ["WRITE"]}), False),
        ("bronze: samples committed, statements not", Trace(3, 2, {"pi_timeseries": ["WRITE"]}), True),
        ("bronze: samples committed, statements not", Trace(3, 2, {"pi_timeseries": ["WRITE"], "pi_coverage": ["WRITE"]}), False),
        ("bronze: all committed, commit log not written", Trace(3, 2, {"pi_coverage": ["WRITE"]}, frozenset({"pi_coverage"})), True),
        ("bronze: all committed, commit log not written", Trace(3, 3, {"pi_coverage": ["WRITE"]}, frozenset({"pi_coverage"})), False),
        ("bronze: all committed, commit log not written", Trace(3, 2, {"pi_coverage": ["WRITE"]}), False),
        ("silver: corrections written, events not merged", Trace(3, 2, {CORRECTIONS: ["WRITE"], CLEANED: ["WRITE"]}), True),
        ("silver: corrections written, events not merged", Trace(3, 2, {CORRECTIONS: ["WRITE"], CLEANED: ["MERGE"]}), False),
        ("silver: events merged, nothing marked", Trace(3, 2, {CORRECTIONS: ["WRITE"], CLEANED: ["WRITE", "MERGE"]}), True),
        ("silver: events merged, nothing marked", Trace(3, 2, {CLEANED: ["MERGE"], WATERMARKS: ["WRITE"]}), False),
        ("gold: hours measured, days not", Trace(3, 2, {"pi_metrics_hourly": ["WRITE"]}), True),
        ("gold: hours measured, days not", Trace(3, 2, {"pi_metrics_hourly": ["WRITE"], "pi_metrics_validated": ["WRITE"]}), False),
    ],
)
def test_what_lies_there_shows_a_point_or_another(point: str, left: Trace, shown: bool) -> None:
    assert POINTS[point].shown(left) is shown


@pytest.mark.parametrize(("there", "shown"), [(False, True), (True, False)])
def test_a_death_elsewhere_is_not_as_expected(there: bool, shown: bool) -> None:
    assert not Death("silver: marked", there, shown, {}).as_expected


def test_the_table_names_what_did_not_happen_where_it_was_to_and_what_operators_read() -> None:
    death = {
        "point": "gold: offsets planned", "as_expected": False, "repeated_seconds": 6.5,
        "found": {"gold": {"planned": 3, "committed": 2, "written": {}, "unfinished_files": {}}},
    }  # fmt: skip
    run = {"command": "pibridge land", "exit_code": 1, "said": [{"event": "failed", "problem": "table x is gone"}], "then": "removed y"}
    result = {
        "deaths": [death], "failures": {"V6": 2}, "as_expected": False, "seconds": 61.0, "lost": {"happened": "x went", "runs": [run]},
    }  # fmt: skip
    text = part.table({"gold": result})
    assert "| gold | 1 (1) | V6 2 (NOT AS EXPECTED: gold: offsets planned) | 6.5 | 61 |" in text
    assert text.endswith("gold: x went\n  pibridge land: exit code 1\n    failed: table x is gone\n  removed y")


# -- an operator who knows the sentence alone ----------------------------------------------------------------------------------------


class Place:
    source = "p"


def test_the_operator_removes_the_checkpoint_and_the_tables_that_a_sentence_names(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints" / "silver"
    checkpoint.mkdir(parents=True)
    for name in ("pi_a", "pi_b", "pi_c"):
        (tmp_path / "house" / "silver" / name / "_delta_log").mkdir(parents=True)
    sentence = (
        f"the tables pi_a are not those that the checkpoint filled: remove the checkpoint, and pi_b, pi_c "
        f"(checkpoint {checkpoint}, tables below {tmp_path / 'house'}). All of silver is then made again from what bronze holds"
    )
    told, flags = lost._follow(Place(), "refine", sentence)  # type: ignore[arg-type]
    assert flags == ()
    assert not checkpoint.exists()
    assert [path.name for path in (tmp_path / "house" / "silver").iterdir()] == ["pi_a"]
    assert str(checkpoint) in told


@pytest.mark.parametrize(
    "end",
    [" is damaged, offsets/3 is cut off: remove it. Nothing", " has read: remove the checkpoint. Nothing", " ends. Remove it. Nothing"],
)
def test_the_operator_removes_the_checkpoint_that_a_sentence_names(end: str, tmp_path: Path) -> None:
    (tmp_path / "silver").mkdir()
    lost._follow(Place(), "refine", f"checkpoint {tmp_path / 'silver'}{end}")  # type: ignore[arg-type]
    assert not (tmp_path / "silver").exists()


def test_a_sentence_that_asks_for_nothing_is_no_way_out() -> None:
    with pytest.raises(ProofFailed, match="says nothing that one could do"):
        lost._follow(Place(), "bronze", "the query ended: None.get")  # type: ignore[arg-type]
    assert lost._follow(Place(), "bronze", "bring it back, or start with --rebuild, to fill") == (  # type: ignore[arg-type]
        "started with --rebuild",
        ("--rebuild",),
    )


# -- convergence ---------------------------------------------------------------------------------------------------------------------

EDIT = Change("edit", "main:1", 70, 1.5, 5000.5, 1000.0, down=False)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([Seen(1.5, 5000.5, 1003.0)], True),
        ([], False),
        ([Seen(1.5, 5000.5, None)], False),
        ([Seen(1.25, 5000.5, 1003.0)], False),
        ([Seen(1.5, 5000.5, 1003.0)] * 2, False),
    ],
)
def test_a_change_is_told_of_once_with_what_was_before_and_after(seen: list[Seen], told: bool) -> None:
    assert _is_told(EDIT, {EDIT.identity: seen}) is told


def test_delays_are_told_by_kind_and_without_a_bridge_also_from_its_start() -> None:
    down = Change("delete", "main:2", 80, 1.0, None, 900.0, down=True)
    found = {EDIT.identity: [Seen(1.5, 5000.5, 1003.0)], down.identity: [Seen(1.0, None, 1010.0)]}
    told = delays([EDIT, down], found, restarted=1001.0)
    assert {name: spread["p50_seconds"] for name, spread in told.items()} == {
        "edit, bridge running": 3.0, "delete, no bridge": 110.0, "delete, from the bridge's start": 9.0,
    }  # fmt: skip


def test_a_change_has_an_instant_of_its_own() -> None:
    events = [(10, 1.0), (20, None), (30, 2.0), (30, 3.0), (32, 4.0)]
    assert list(_of_kind("edit", events)) == [(10, 1.0), (32, 4.0)]
    assert list(_of_kind("insert", events)) == [(15, None), (25, None)]
