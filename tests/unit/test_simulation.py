"""The short form of the proof `simulation`: two hundred seeds without a bug, and every bug until it is caught."""

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from proofs.simulation.bugs import BUGS
from proofs.simulation.part import EXPECTED, caught, play_with, processes, replay, summary, table
from proofs.simulation.run import Verdict, play

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(1200)]
"""The first test waits for two hundred seeds, each of which takes some seconds of CPU."""
FIRST_SEEDS = {
    "an item that no preview told of taken for old": 32,
    "as of clock at the answer": 1,
    "commit in on lost": 7,
    "dirty mark cleared by an answer sent before it": 5,
    "failed values taken for an empty range": 11,
    "fenced owner that fights": 10,
    "next page at plus one tick": 1,
    "no reread at the oldest age": 5,
    "oldest values dropped at the byte cap": 5,
    "progress before data": 1,
    "progress read before fencing": 10,
    "random transactional id": 10,
    "range whose archive was away forgotten": 8,
    "range whose archive was away lost with its owner": 2,
    "sign of life from a channel that may be dead": 6,
    "statement cut inside an instant": 1,
    "stuck queue not seen": 26,
    "watermark moved at the request": 5,
    "web exception ignored": 10,
    "whole server emptiness believed": 5,
}
"""Where a bug is first looked for; a change of the core moves it, and the seeds after it are tried then."""
_MOST_SEEDS = 60


_SEEDS = 200


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Seeds are played beside one another; each process is new, so that what a test patched is in none of them."""
    with ProcessPoolExecutor(processes(), mp_context=get_context("spawn")) as started:
        yield started


@pytest.fixture(scope="module")
def verdicts(pool: ProcessPoolExecutor) -> list[Verdict]:
    """Those of the first seeds, without a bug."""
    return list(pool.map(play, range(_SEEDS)))


@pytest.fixture(scope="module")
def first_looks(pool: ProcessPoolExecutor, verdicts: list[Verdict]) -> dict[str, Future[Verdict]]:
    """Each bug in the seed where it is first looked for; played while the tests wait for one after the other."""
    return {bug: pool.submit(play_with, bug, FIRST_SEEDS.get(bug, 0)) for bug in BUGS}


def test_nothing_is_lost_doubled_wrong_or_invented(verdicts: list[Verdict]) -> None:
    assert {verdict.seed: verdict.examples for verdict in verdicts if verdict.failures} == {}
    assert min(verdict.simulated_seconds for verdict in verdicts) >= 1800
    for verdict in verdicts:
        assert sum(times for name, times in verdict.happened.items() if name.startswith("fault: ")) >= 5


def test_every_fault_and_every_action_occurs(verdicts: list[Verdict]) -> None:
    happened = summary(verdicts)["happened"]
    assert [name for name in sorted(EXPECTED) if not happened.get(name)] == []


@pytest.mark.parametrize("bug", BUGS)
def test_every_bug_is_caught(bug: str, pool: ProcessPoolExecutor, first_looks: dict[str, Future[Verdict]]) -> None:
    first = FIRST_SEEDS.get(bug, 0)
    if first_looks[bug].result().failures:
        return
    others = (seed for seed in range(_MOST_SEEDS) if seed != first)
    assert any(pool.submit(play_with, bug, seed).result().failures for seed in others), bug


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
