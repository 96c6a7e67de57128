"""The benchmark of the fast path, with few values: both ways make the same, and one that makes something else has no figure."""

import json

import pytest

from benchmarks import fast_path


@pytest.fixture(autouse=True)
def few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_path, "READ_VALUES", 20)
    monkeypatch.setattr(fast_path, "LIVE_VALUES", 1000)


def test_every_step_makes_the_same_as_its_peer_and_has_a_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert fast_path.main(["--json", "--repetitions", "1"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["failed"] == []
    assert {row["step"] for row in printed["results"]} == {"decode", "normalise too", "digest", "encode", "read path", "live path"}
    assert all(row["ours"]["median_us_per_value"] > 0 for row in printed["results"])


def test_a_step_that_makes_something_else_has_no_figure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(fast_path, "digest_by_sample", lambda samples: 0)
    assert fast_path.main(["--repetitions", "1"]) == 1
    out = capsys.readouterr().out
    assert "digest, batch 100 x 1000: the two ways do not make the same" in out
    assert "read path, batch 100 x 1000: the two ways do not make the same" in out
