"""The short form of the proof `accuracy`: a clock, late values, and a defect of each that shows."""

import json
from pathlib import Path

import pytest

from proofs.accuracy import clocks, late, part
from proofs.accuracy.defects import CLOCK_DEFECTS, LATE_DEFECTS, applied
from proofs.evidence import Evidence


def test_a_clock_ninety_seconds_ahead_is_found_to_a_fifth_of_a_second_behind_a_slow_pipeline() -> None:
    found = clocks.estimate("-90 s", "slow pipeline", hours=1.8)
    assert (found.state, found.evidence, found.false_alarms) == ("SKEWED", "NEGATIVE_DELAY", 0)
    assert abs(found.error_seconds) < 0.2
    assert found.seconds_to_detect is not None
    assert 0 < found.seconds_to_detect < 900
    assert found.good


def test_late_values_are_found_by_cause_and_ordinary_ones_are_not() -> None:
    result = late.run()
    assert result.good, result.confusions
    assert result.ordinary >= 100_000


@pytest.mark.parametrize("name", ["a way that scatters is a clock", "one stray point speaks for its group"])
def test_a_defect_of_the_clock_rule_shows(name: str) -> None:
    defect, skew, way = CLOCK_DEFECTS[name]
    assert clocks.estimate(skew, way, hours=0.8).good
    with applied(defect):
        assert not clocks.estimate(skew, way, hours=0.8).good


@pytest.mark.parametrize(("cause", "right", "good"), [("BUFFERED_INTERFACE", 900, True), ("BEHIND_COVERAGE", 900, False)])
def test_over_shards_only_what_a_device_kept_may_go_under_another_cause(cause: str, right: int, good: bool) -> None:
    causes = ("BUFFERED_INTERFACE", "BEHIND_COVERAGE", "OUR_GAP", "GROUP_SHIFTED")
    scores = [late.Score(name, 1000, right if name == cause else 1000, right if name == cause else 1000) for name in causes]
    result = late.Result(100_000, scores, 0, {})
    assert (result.good, result.good_in_shards) == (False, good)


def test_a_defect_of_the_lateness_rule_shows() -> None:
    with applied(LATE_DEFECTS["four hours for every point"]):
        assert not late.run().good


def test_the_proof_keeps_its_results_and_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def estimate(skew: str, way: str) -> clocks.Estimate:
        asked.append((skew, way))
        return clocks.Estimate(skew, way, 0.3, 2.0, 2.01, 0.01, 0.2, 360.0, "SKEWED", "OFFSET", "STEP", None, 0, way != "jitter")

    monkeypatch.setattr(clocks, "estimate", estimate)
    evidence, told = Evidence("accuracy", "abc", tmp_path), list[str]()
    assert not part.run(evidence, told.append, "clock: +2 s")
    assert len(asked) == len(clocks.WAYS)
    assert not part.run(evidence, told.append, "clock: +2 s")
    assert len(asked) == len(clocks.WAYS)
    assert "clock: +2 s, jitter: NOT AS EXPECTED" in told
    written = json.loads((tmp_path / "accuracy.json").read_text())["results"]
    table = part.table({name: found["result"] for name, found in written.items()})
    assert table.count("NOT AS EXPECTED") == 1
    assert "| +2 s | quick | 0.30 | +2.000 | +2.010 | +0.010 |" in table
