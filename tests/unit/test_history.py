"""What the rules find in real history: the same as the page says, and nothing where a rule is spoilt."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from proofs.evidence import ROOT
from proofs.history import page
from proofs.history.replay import AMBIENT, DEFAULT_SPAN, FIRST_WEEK, MACHINE, BadHistory, Episode, History, replay
from stream_processors import lateness, quality

DOCS = ROOT / "docs"
AGAIN = "run: python -m proofs.history --write"


@pytest.fixture(scope="module")
def machine() -> list[Episode]:
    return replay(MACHINE)


def lines_of(heading: str) -> list[str]:
    """The committed page's lines of a history."""
    return (DOCS / "findings.md").read_text(encoding="utf-8").partition(f"## {heading}")[2].partition("\n## ")[0].splitlines()


def test_the_machines_findings_are_those_of_the_page_and_its_picture(machine: list[Episode]) -> None:
    text = "\n".join(lines_of("The machine that failed"))
    assert page.tables(MACHINE, machine) in text, AGAIN
    assert (DOCS / "findings-machine.svg").read_text(encoding="utf-8") == page.picture(MACHINE, machine), AGAIN


def test_the_page_says_rightly_that_the_defaults_tell_nothing_of_the_failure(machine: list[Episode]) -> None:
    for known in MACHINE.known[1:]:
        lasting = [e for e in machine if e.rule != "LATE" and e.told < known.end and (e.over or known.end) > known.begin]
        told = {e.point for e in lasting} | {e.point for e in machine if e.rule == "LATE" and known.begin <= e.told < known.end}
        assert told == {FIRST_WEEK}
    assert {e.rule for e in machine} == {"OUT_OF_SPAN", "LATE", "VOLUME", "FRESHNESS"}


def test_the_findings_of_the_first_gaps_are_those_of_the_page() -> None:
    found = replay(AMBIENT, end="2013-09-01")
    lines = lines_of("The office with gaps")
    told = [line for line in lines if line.startswith(("| FRESHNESS | 2013-07", "| FRESHNESS | 2013-08"))]
    assert told == page.others(found)[2:], AGAIN
    gaps = page.gaps(AMBIENT, found)[2:]
    assert gaps[:3] == [line for line in lines if line.startswith(("| 2013-07", "| 2013-08"))], AGAIN
    assert ["not found" in line for line in gaps[:3]] == [True, False, False]


def test_the_page_has_the_words_that_the_command_would_write() -> None:
    text = (DOCS / "findings.md").read_text(encoding="utf-8")
    assert text.startswith(page.BEGINNING), AGAIN
    assert all(meaning in text for meaning in page.MEANING.values()), AGAIN


def test_alone_on_its_shard_a_point_that_stops_is_not_found() -> None:
    assert "FRESHNESS" not in {e.rule for e in replay(AMBIENT, end="2013-08-01", others=False)}


def test_a_clock_that_is_put_back_is_told_as_late_values_for_three_hours_and_not_accused() -> None:
    found = replay(MACHINE, "2014-01-03", "2014-01-08", put_back=True)
    late = [e for e in found if (e.point, e.rule) == (DEFAULT_SPAN, "LATE")]
    assert {round(e.value or 0) for e in late} == {3600}
    assert 3 * 3600 <= (late[-1].told - late[0].told) / 1e6 < 3.1 * 3600
    assert "SKEW" not in {e.rule for e in found}


def _nothing(*_: Any) -> None:
    """In place of a rule."""


DEFECTS: dict[str, tuple[Callable[[], Any], History, str, str, str]] = {
    "no cadence is learnt": (lambda: patch.object(quality, "_learn_cadence", _nothing), AMBIENT, "2013-07-15", "2013-08-01", "FRESHNESS"),
    "four hours for every point": (lambda: patch.object(lateness, "_learn", _nothing), MACHINE, "2014-01-05", "2014-01-08", "LATE"),
    "spans are not known": (lambda: patch.object(quality, "NUMBERS", 0), MACHINE, "2013-12-09", "2013-12-13", "OUT_OF_SPAN"),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_rule_that_is_spoilt_shows_in_the_findings(name: str) -> None:
    defect, history, begin, end, rule = DEFECTS[name]
    assert rule in {e.rule for e in replay(history, begin, end)}
    with defect():
        assert rule not in {e.rule for e in replay(history, begin, end)}


@pytest.mark.parametrize("line", ["2013-07-04 00:00:00,warm", "2013-07-04 00:00:07,70", "soon,70", "2013-07-04 00:00:00,nan", None])
def test_a_file_that_is_not_what_it_should_be_is_named_with_its_line(
    line: str | None, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad.csv").write_text("timestamp,value\n" + ("" if line is None else f"2013-07-03 00:00:00,70\n{line}\n"))
    monkeypatch.setattr("proofs.history.replay.FOLDER", tmp_path)
    with pytest.raises(BadHistory, match=r"bad\.csv has no rows" if line is None else r"bad\.csv, line 3: "):
        History("bad", "bad.csv", ()).rows()
