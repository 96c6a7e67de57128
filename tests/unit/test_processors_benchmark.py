"""The benchmark of the processors: both forms of the values have the same findings, and a wrong one leaves no figure."""

import copy
from typing import Any

import pytest

from benchmarks.bridge.ground import Void
from benchmarks.processors import frames, throughput
from benchmarks.processors.__main__ import BENCHMARK
from benchmarks.processors.frames import SETTINGS, SHARDS, Expected, expected, flat, keys, of_one, rules
from benchmarks.processors.throughput import Taken, must_be
from schemas.processors import Processors

VALUES = 120_000


@pytest.fixture(scope="module")
def wanted() -> Expected:
    return expected(VALUES, mixed=True)


def test_values_one_by_one_have_the_findings_of_their_frames(wanted: Expected) -> None:
    settings, found = Processors.model_validate(SETTINGS), Expected()
    shards = [rules("flat", number, own, settings) for number, own in enumerate(keys())]
    sequences = [0] * SHARDS
    for frame in frames.frames("plant", VALUES, mixed=True):
        for record in flat(frame):
            shard = frame["shard"]
            assessed = shards[shard].frame("live", of_one(record, shard, sequences[shard]), frame["received_time"])
            sequences[shard] += 1
            found.late += assessed.late
            found.said += assessed.assessments
    must_be("one by one", found.late, found.said, wanted)
    assert len(found.late) == VALUES // 100 // frames.LATE_IN
    assert len(found.said) == SHARDS


def lost(late: list[Any], said: list[Any]) -> None:
    late.pop()


def doubled(late: list[Any], said: list[Any]) -> None:
    late.append(late[0])


def another_cause(late: list[Any], said: list[Any]) -> None:
    late[3]["cause"] = "OUR_GAP"


def another_delay(late: list[Any], said: list[Any]) -> None:
    said[1]["groups"][0]["floor_seconds"] += 0.001


def a_period_is_missing(late: list[Any], said: list[Any]) -> None:
    said.pop()


@pytest.mark.parametrize("defect", [lost, doubled, another_cause, another_delay, a_period_is_missing])
def test_findings_that_are_lost_doubled_or_changed_leave_no_figure(wanted: Expected, defect: Any) -> None:
    late, said = copy.deepcopy(wanted.late), copy.deepcopy(wanted.said)
    must_be("as wanted", late, said, wanted)
    defect(late, said)
    with pytest.raises(Void, match=r"too many|missing"):
        must_be("spoilt", late, said, wanted)


def test_what_the_clock_closes_behind_the_last_frame_does_not_count(wanted: Expected) -> None:
    must_be("ours", wanted.late, [*wanted.said, {**wanted.said[0], "period": 1 << 40}], wanted)


def test_goals_are_judged_by_wall_and_by_cpu() -> None:
    taken = {"ours": [Taken(1_000_000, 8.0, 6.0)], "faust": [Taken(80_000, 20.0, 10.0)], "bare": [Taken(1_000_000, 2.0, 2.0)]}
    judged = BENCHMARK.judged({"plain": throughput._figures(taken)})
    assert {name: goal["met"] for name, goal in judged.items()} == {
        "plain ours values_per_second median": True,
        "plain ours values_per_cpu_second median": True,
        "plain times_faust wall median": True,
        "plain times_faust cpu median": True,
        "plain of_bare wall median": False,
        "plain of_bare cpu median": True,
    }
    assert judged["plain of_bare wall median"]["measured"] == 0.25
