"""The proof with processes: its points exist, a process dies where it says, and what did not happen as it was to is no success."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.publish import Message
from proofs.evidence import ROOT
from proofs.processes import load, part, transactions
from proofs.processes.accident import Accident
from proofs.processes.deaths import CAUSES, Death
from proofs.processes.defects import DEFECTS
from proofs.processes.points import POINTS
from proofs.processes.transactions import Kind
from proofs.processes.watch import Seen, frames_again
from proofs.seeded_defects.patches import applied

_PASSES = """
import sys
from pathlib import Path
from proofs.processes.accident import Accident
accident = Accident("here", 3, 9, Path(sys.argv[1]))
for passing in range(int(sys.argv[2])):
    accident()
"""


def passes(mark: Path, times: int) -> int:
    return subprocess.run([sys.executable, "-c", _PASSES, str(mark), str(times)], cwd=ROOT, check=False).returncode


def test_a_process_is_killed_at_the_passing_that_was_asked_for_and_its_mark_says_where(tmp_path: Path) -> None:
    assert passes(tmp_path / "mark", 4) == -signal.SIGKILL
    assert (tmp_path / "mark").read_text() == "here"


def test_a_process_that_passes_less_often_lives_and_leaves_no_mark(tmp_path: Path) -> None:
    assert passes(tmp_path / "mark", 2) == 0
    assert not (tmp_path / "mark").exists()


def test_there_are_twenty_points_and_more_five_of_them_in_open_transactions() -> None:
    assert len(POINTS) >= 20
    assert sum(point.open for point in POINTS.values()) >= 5
    assert {point.cause for point in POINTS.values()} <= {"", "more points", *CAUSES}


@pytest.mark.parametrize("name", [*POINTS, *DEFECTS])
def test_a_point_is_a_place_that_the_bridge_has(name: str, tmp_path: Path) -> None:
    with applied(lambda: (POINTS | DEFECTS)[name].arm(Accident(name, 1, signal.SIGKILL, tmp_path / "mark"))):
        pass


@pytest.mark.parametrize(
    ("death", "as_expected"),
    [
        (Death("all produced", there=True, wanted_open=True, open_records=7), True),
        (Death("batch asked", there=True), True),
        (Death("all produced", there=True, wanted_open=True, open_records=0), False),
        (Death("all produced", there=False, wanted_open=True, open_records=7), False),
    ],
)
def test_a_death_elsewhere_or_without_its_open_transaction_is_not_as_expected(death: Death, as_expected: bool) -> None:
    assert death.as_expected is as_expected


@pytest.mark.parametrize(
    ("transactional_id", "datasets", "first", "kind"),
    [
        ("pibridge.p.inventory", ["points"], True, Kind.INVENTORY),
        ("pibridge.p.0", ["progress", "incidents"], True, Kind.EPOCH),
        ("pibridge.p.0", ["live", "recorded", "progress"], False, Kind.STATEMENTS),
        ("pibridge.p.0", ["live", "progress"], False, Kind.PREVIEWS),
        ("pibridge.p.0", ["progress"], False, Kind.SIGN_OF_LIFE),
        ("pibridge.p.1", ["live", "recorded", "progress"], False, Kind.LAST),
    ],
)
def test_a_transaction_is_known_by_what_is_in_it(
    transactional_id: str, datasets: list[str], first: bool, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "_revoked", {1})
    messages = [Message(f"pi.p.{dataset}", 0, None, b"") for dataset in datasets]
    assert transactions._kind_of(transactional_id, messages, first) is kind


def test_an_announced_epoch_is_no_recovery_and_its_first_frame_is() -> None:
    old, announced = Seen(1, 40, 10.0, 110.0), Seen(2, 40, 12.0, 112.0)
    assert frames_again([old, announced], above_epoch=1, since=0.0) is None
    assert frames_again([old, announced, Seen(2, 43, 13.0, 113.0)], above_epoch=1, since=0.0) == 113.0


def test_frames_of_an_epoch_that_lives_on_count_from_the_end_of_the_outage_only() -> None:
    records = [Seen(1, 40, 10.0, 110.0), Seen(1, 41, 11.0, 150.0), Seen(1, 42, 30.0, 151.0)]
    assert frames_again(records, above_epoch=0, since=20.0) == 151.0


def test_the_rate_is_that_of_the_points_in_scope_from_the_start(tmp_path: Path) -> None:
    second = 10_000_000
    entries = [
        {"k": "point", "p": 1, "name": "U1:TI-1000.PV"},
        {"k": "point", "p": 2, "name": "U1:TI-1009.PV"},
        *({"k": "write", "p": 1 + at % 2, "at": at * second} for at in range(11)),
    ]
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries), encoding="utf-8")
    assert load.values_per_second(journal) == 0.6


def test_the_table_names_what_did_not_happen_where_it_was_to() -> None:
    death = {"point": "all produced", "as_expected": False, "open_records": 0, "first_frame_seconds": 6.5, "all_shards_seconds": 7.5}
    result = {"deaths": [death], "failures": {"V5": 2}, "as_expected": False, "values_per_second": 2100, "seconds": 61.0}
    text = part.table({"committing": result})
    assert "| committing | 1 (0) | V5 2 (NOT AS EXPECTED: all produced) | 2100 | 6.5, 6.5 | 61 |" in text
    assert text.endswith("recovery: first frame p50 6.5 s, max 6.5 s; of the last shard p50 7.5 s, max 7.5 s")
