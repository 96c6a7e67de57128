"""The short form of the proof `seeded_defects`: a defect in the job, and the accident without one."""

from pathlib import Path

import pytest

from console.stack import Stack
from proofs.seeded_defects.part import play
from proofs.seeded_defects.patches import PATCHES
from proofs.seeded_defects.scenes import DEFECTS

pytestmark = pytest.mark.spark


def test_a_defect_in_the_real_path_is_noticed_by_its_check(stack: Stack, tmp_path: Path) -> None:
    defect = next(defect for defect in DEFECTS if defect.patch == "spark reads uncommitted")
    outcome = play(stack, tmp_path, f"defect{DEFECTS.index(defect)}", defect.scene, defect.patch, defect.checks)
    assert outcome.failures.keys() & defect.checks, outcome
    assert outcome.as_expected


def test_the_accident_of_the_crash_alone_is_not_taken_for_a_defect(stack: Stack, tmp_path: Path) -> None:
    scene = next(defect.scene for defect in DEFECTS if defect.scene.name == "crash")
    outcome = play(stack, tmp_path, "nodefect", scene, "", ())
    assert outcome.failures == {}
    assert outcome.came_to_rest


def test_every_defect_is_a_patch_that_exists() -> None:
    assert {defect.patch for defect in DEFECTS} <= PATCHES.keys()
