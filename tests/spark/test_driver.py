"""The short form of the proof `driver`: one death of each job amid a batch; `make prove` has every phase, defects, and changes."""

from pathlib import Path

import pytest

from console.stack import Stack
from proofs.driver.part import play
from proofs.driver.points import POINTS
from proofs.driver.scenes import Scene, conditions, dying

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]
SMALL = conditions(points=20, rate=10, changes=0.4)
OF_BRONZE, OF_SILVER = "bronze: all committed, commit log not written", "silver: events appended, nothing marked"


def test_jobs_that_die_in_the_middle_of_a_batch_lose_and_double_nothing(stack: Stack, tmp_path: Path) -> None:
    scene = Scene("one of each job", dying({OF_BRONZE: POINTS[OF_BRONZE]}, {OF_SILVER: POINTS[OF_SILVER]}))
    outcome = play(stack, tmp_path, "driverdies", scene, SMALL)
    assert [death["point"] for death in outcome.deaths if death["as_expected"]] == [OF_BRONZE, OF_SILVER], outcome.deaths
    assert outcome.failures == {}, outcome.examples
    assert outcome.examined["archived_events_looked_for_in_silver"] > 0
    assert outcome.as_expected, outcome
