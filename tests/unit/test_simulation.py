"""The short form of the proof `simulation`: some seeds without a bug, and every bug until it is caught."""

import pytest

from proofs.simulation.bugs import BUGS
from proofs.simulation.part import caught, play_with, replay, summary, table
from proofs.simulation.run import play

pytestmark = pytest.mark.simulation
FIRST_SEEDS = {
    "a job that the next owner does not know": 11,
    "an item that no preview told of taken for old": 2,
    "as of clock at the answer": 1,
    "blind interval from the moment of detection": 2,
    "dirty mark cleared by an answer sent before it": 1,
    "failed values taken for an empty range": 2,
    "fenced owner that fights": 6,
    "next page at plus one tick": 1,
    "no reread at the oldest age": 5,
    "offset of a command committed before what it implies": 3,
    "oldest values dropped at the byte cap": 5,
    "progress read before fencing": 6,
    "random transactional id": 6,
    "range whose archive was away forgotten": 8,
    "range whose archive was away lost with its owner": 2,
    "statement cut inside an instant": 1,
    "wall clock for time outs": 3,
    "watermark moved at the request": 5,
    "web exception ignored": 10,
    "whole server emptiness believed": 1,
}
"""Where a bug is first looked for; a change of the core moves it, and the seeds after it are tried then."""
_MOST_SEEDS = 60


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_doubled_wrong_or_invented(seed: int) -> None:
    verdict = play(seed)
    assert verdict.failures == {}, verdict.examples
    assert verdict.simulated_seconds >= 1800
    assert sum(times for name, times in verdict.happened.items() if name.startswith("fault: ")) >= 5


@pytest.mark.parametrize("bug", BUGS)
def test_every_bug_is_caught(bug: str) -> None:
    first = FIRST_SEEDS.get(bug, 0)
    assert any(play_with(bug, (first + more) % _MOST_SEEDS).failures for more in range(_MOST_SEEDS)), bug


def test_a_seed_gives_the_same_run_again() -> None:
    verdict, told = replay(3)
    again, told_again = replay(3)
    assert told == told_again
    assert (verdict.happened, verdict.examined) == (again.happened, again.examined)
    assert "fault: " in told


def test_the_table_says_how_often_a_bug_was_caught() -> None:
    verdict = play_with("to is now", 0)
    results = {"seeds 0 to 0": summary([play(0)]), "bug: to is now": caught([verdict])}
    assert "1 seeds" in table(results)
    assert "| to is now | 1 of 1 |" in table(results)
