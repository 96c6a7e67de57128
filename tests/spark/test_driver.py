"""The short form of the proof `driver`: one death of each job amid a batch; `make prove` has every phase, defects, changes, and gold."""

from dataclasses import replace
from pathlib import Path

import pytest

from console.stack import Stack
from proofs.deployment import Deployment
from proofs.driver.deaths import Jobs, die_at
from proofs.driver.part import play
from proofs.driver.points import POINTS
from proofs.driver.scenes import Played, Scene, conditions

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]
SMALL = conditions(points=20, rate=10, changes=0.4)
OF_BRONZE, OF_SILVER = "bronze: all committed, commit log not written", "silver: events appended, nothing marked"


def one_of_each(deployment: Deployment) -> Played:
    """Each job dies in its first batch, silver on what bronze had committed by then; the jobs that come last do both again."""
    landing, refining = Jobs(deployment, "bronze"), Jobs(deployment, "refine")
    die_at(landing, OF_BRONZE, replace(POINTS[OF_BRONZE], passing=1))
    die_at(refining, OF_SILVER, replace(POINTS[OF_SILVER], passing=1))
    return Played(landing.deaths + refining.deaths)


def test_jobs_that_die_in_the_middle_of_a_batch_lose_and_double_nothing(stack: Stack, tmp_path: Path) -> None:
    outcome = play(stack, tmp_path, "driverdies", Scene("one of each job", one_of_each), SMALL, again=False)
    assert [death["point"] for death in outcome.deaths if death["as_expected"]] == [OF_BRONZE, OF_SILVER], outcome.deaths
    assert outcome.failures == {}, outcome.examples
    assert outcome.examined["archived_events_looked_for_in_silver"] > 0
    assert outcome.as_expected, outcome
