"""Evidence of the long proofs: what counts as done, and what is written down."""

import json
from pathlib import Path

import pytest

from proofs import evidence
from proofs.evidence import Evidence
from proofs.seeded_defects import part, patches


def test_a_result_of_the_same_commit_is_not_asked_for_again(tmp_path: Path) -> None:
    Evidence("speed", "abc", tmp_path).add("one", {"as_expected": True})
    again = Evidence("speed", "abc", tmp_path)
    again.resume()
    assert again.results == {"one": {"as_expected": True}}


@pytest.mark.parametrize(("then", "now"), [("abc", "def"), ("abc+", "abc+"), ("abc", "abc+")])
def test_a_result_of_other_sources_does_not_count(then: str, now: str, tmp_path: Path) -> None:
    Evidence("speed", then, tmp_path).add("one", {"as_expected": True})
    again = Evidence("speed", now, tmp_path)
    again.resume()
    assert again.results == {}


def test_results_of_another_commit_stay_until_they_are_found_anew(tmp_path: Path) -> None:
    older = Evidence("speed", "abc", tmp_path)
    older.add("one", 1)
    older.add("two", 2)
    newer = Evidence("speed", "def", tmp_path)
    newer.resume()
    newer.add("two", 22)
    written = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))["results"]
    assert written == {"one": {"commit": "abc", "result": 1}, "two": {"commit": "def", "result": 22}}


def test_what_is_to_be_found_afresh_does_not_count(tmp_path: Path) -> None:
    Evidence("speed", "abc", tmp_path).add("one", 1)
    again = Evidence("speed", "abc", tmp_path)
    again.resume(fresh=True)
    assert again.results == {}


def test_evidence_names_the_commit_and_is_whole_after_each_result(tmp_path: Path) -> None:
    found = Evidence("speed", "abc", tmp_path)
    for name in ("one", "two"):
        found.add(name, {"seconds": 1.5})
        document = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))
        assert (document["part"], document["results"][name]) == ("speed", {"commit": "abc", "result": {"seconds": 1.5}})


def test_the_commit_is_that_of_the_checkout() -> None:
    assert len(evidence.commit().rstrip("+")) == 40


def test_a_patch_whose_target_is_gone_says_so() -> None:
    with pytest.raises(AssertionError, match="has no went_away any more"):
        patches._set(part, "went_away", None)


def test_the_table_marks_what_was_not_as_expected() -> None:
    result = {"scene": "flow", "failures": {"V3": 2}, "checks": ["V1"], "as_expected": False, "seconds": 61.0, "remark": ""}
    assert "| micro | flow | V3 2 (NOT AS EXPECTED) | V1 | 61 |" in part.table({"micro": result})
