"""The short form of the proofs `driver` and `convergence`: deaths in each phase of a batch, a defect that they bring to light, changes."""

from pathlib import Path

import pytest

from console.stack import Stack
from proofs.convergence import part as convergence
from proofs.driver.part import play
from proofs.driver.points import POINTS
from proofs.driver.scenes import WITH_DEFECTS, Scene, conditions, dying

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]
SMALL = conditions(points=20, rate=10, changes=0.4)
OF_BRONZE = ("bronze: Parquet of samples begun", "bronze: all committed, commit log not written")
OF_SILVER = ("silver: events appended, nothing marked",)


def test_a_driver_that_dies_in_any_phase_of_a_batch_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    of_bronze, of_silver = ({name: POINTS[name] for name in names} for names in (OF_BRONZE, OF_SILVER))
    outcome = play(stack, tmp_path, "driverdies", Scene("some of each phase", dying(of_bronze, of_silver)), SMALL)
    assert [death["point"] for death in outcome.deaths if death["as_expected"]] == [*OF_BRONZE, *OF_SILVER], outcome.deaths
    assert outcome.failures == {}, outcome.examples
    assert outcome.examined["archived_events_looked_for_in_silver"] > 0
    assert outcome.as_expected, outcome


def test_a_defect_that_only_a_death_brings_to_light_is_noticed(stack: Stack, tmp_path: Path) -> None:
    outcome = play(stack, tmp_path, "driverharm", WITH_DEFECTS[0], SMALL)
    assert outcome.failures.keys() & WITH_DEFECTS[0].checks, outcome
    assert outcome.as_expected


def test_silver_follows_what_is_changed_in_the_archive_while_a_bridge_runs_and_while_none_does(stack: Stack, tmp_path: Path) -> None:
    outcome = convergence.play(stack, tmp_path, "converges", convergence.SHORT)
    assert outcome.missing == []
    assert outcome.unscripted == 0
    assert outcome.failures == {}, outcome.examples
    assert sum(outcome.changes.values()) == convergence.SHORT.changes
    assert len(outcome.delays) == 9
    assert outcome.as_expected, outcome
