"""The short form of the proof `processes`: a death in each phase of a bridge's life, and defects that deaths bring to light."""

from pathlib import Path

import pytest

from console.stack import Stack
from console.stack.child import Child
from proofs.processes import deaths
from proofs.processes.deaths import Bridges
from proofs.processes.load import conditions
from proofs.processes.part import play
from proofs.processes.points import POINTS
from proofs.processes.scenes import WITH_DEFECTS, Scene

pytestmark = pytest.mark.integration
SMALL = conditions(points=120, rate=300)
ONE_OF_EACH_PHASE = ("epoch produced", "batch answered", "message taken", "all produced", "inside commit", "last records produced")


@pytest.mark.timeout(600)
def test_a_bridge_that_dies_in_any_phase_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    points = {name: POINTS[name] for name in ONE_OF_EACH_PHASE}

    def die_in_each(bridges: Bridges) -> list[Child]:
        return [deaths.at_points(bridges, points)]

    outcome = play(stack, tmp_path, "dies", Scene("one of each phase", die_in_each), SMALL, 200)
    assert [death["point"] for death in outcome.deaths if death["there"]] == list(points)
    assert {name for name in points if points[name].open} <= {death["point"] for death in outcome.deaths if death["open_records"]}
    assert outcome.failures == {}, outcome.examples
    assert outcome.as_expected, outcome


@pytest.mark.parametrize("scene", [WITH_DEFECTS[0], WITH_DEFECTS[-1]], ids=lambda scene: scene.name)
def test_a_defect_that_only_an_accident_brings_to_light_is_noticed(scene: Scene, stack: Stack, tmp_path: Path) -> None:
    outcome = play(stack, tmp_path, f"harm{WITH_DEFECTS.index(scene)}", scene, SMALL, 200, landed=False)
    assert outcome.failures.keys() & scene.checks, outcome
    assert outcome.as_expected
