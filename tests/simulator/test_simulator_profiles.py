import itertools
from base64 import b64decode
from collections import Counter
from typing import Any

import pytest

from simulator.events import State
from simulator.identities import CORRECTIONS, identity
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Point
from tests.simulator.replay import archives
from tests.simulator.world import Sim, StartSimulator


def lines(sim: Sim, kind: str) -> list[dict[str, Any]]:
    assert sim.running.journal is not None
    return [line for line in sim.running.journal.lines() if line["k"] == kind]


async def written(sim: Sim) -> int:
    status = await sim.control("/status")
    return int(status["events_written"])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Float64", float((1007 << 31) + 77)),
        ("Float32", 77.0),
        ("Int32", 77),
        ("Int16", 77),
        ("Float16", 77.0),
        ("String", "P1007#77"),
        ("Timestamp", "1970-01-01T00:01:17Z"),
    ],
)
def test_a_value_names_its_point_and_serial_number(kind: str, value: object) -> None:
    assert identity(Point(1007, "A", kind), 77) == value


def test_identities_fit_their_types_and_corrections_differ_from_the_plant() -> None:
    assert identity(Point((1 << 22) - 1, "A", "Float64"), (1 << 31) - 1) == 2.0**53 - 1
    for kind, limit in (("Float32", 2**24), ("Int16", 2**15), ("Float16", 2**11), ("Int32", 2**31)):
        point = Point(1, "A", kind)
        plant, corrected = identity(point, 5), identity(point, CORRECTIONS + 5)
        assert isinstance(plant, int | float)
        assert isinstance(corrected, int | float)
        assert 0 <= plant < limit / 2 <= corrected < limit
    assert b64decode(str(identity(Point(9, "A", "Blob"), 3))) == b"P9#3"
    states = (State("a", 0), State("b", 1))
    assert identity(Point(9, "A", "Digital", states=states), 3) is states[1]


async def test_in_the_verify_profile_each_float64_value_is_found_once_and_runs_are_at_one_instant(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="verify", points=100, late_per_second=0, edits_per_second=0, deletes_per_second=0, journaled=True)
    sim.advance(300)
    values: Counter[float] = Counter()
    runs: Counter[int] = Counter()
    states = 0
    for stream in sim.running.store.streams:
        rows = await sim.archive(stream)
        states += sum(not row[2] for row in rows)
        runs.update(len(list(group)) for _, group in itertools.groupby(rows, key=lambda row: row[0]))
        if stream.point.point_type == "Float64":
            numbers = [row[1] for row in rows if row[2]]
            values.update(numbers)
            assert {int(number) >> 31 for number in numbers} <= {stream.point.point_id}
    assert set(runs) == {1, 2, 3, 4, 5, 6}
    assert states > 100
    assert max(values.values()) == 1


async def test_the_verify_profile_makes_late_values_edits_and_deletions_and_tells_them(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="verify", points=50, special_points=5, history_seconds=2700, journaled=True)
    for _ in range(40):
        sim.advance(10)
    status = await sim.control("/status")
    # 50 values/s for 400 s: 2 %, 0.5 % and 0.5 % of them.
    assert status["events_edited"] == pytest.approx(100, abs=45)
    assert status["events_deleted"] == pytest.approx(100, abs=45)
    assert 250 < status["events_late"] < 650
    truth = {}
    for stream in sim.running.store.streams:
        rows = await sim.archive(stream)
        truth[stream.point.point_id] = [[t, v, good + 2 * q + 4 * s + 8 * a] for t, v, good, q, s, a in rows]
    assert sim.running.journal is not None
    assert archives(sim.running.journal.lines()) == truth
    ages = [line["at"] - line["t"] for line in lines(sim, "write") if line["at"] - line["t"] > 60 * TICKS_PER_SECOND]
    assert max(ages) > 2000 * TICKS_PER_SECOND, "as far back as history reaches"


async def test_however_much_is_deleted_a_point_keeps_its_first_event(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(
        profile="verify", points=20, late_per_second=0, edits_per_second=0, deletes_per_second=200, history_seconds=600
    )
    streams = sim.running.store.streams
    before = {stream.point.point_id: await sim.archive(stream) for stream in streams}
    sim.advance(60)
    after = {stream.point.point_id: await sim.archive(stream) for stream in streams}
    assert (await sim.control("/status"))["events_deleted"] > 1000
    assert {point: rows[0] for point, rows in before.items() if rows}.items() <= {
        point: rows[0] for point, rows in after.items() if rows
    }.items()
    assert any(len(rows) == 1 < len(before[point]) for point, rows in after.items())


async def test_the_same_seed_corrects_the_same(start_simulator: StartSimulator) -> None:
    found = []
    for seed in (5, 5, 6):
        sim = await start_simulator(profile="verify", points=50, seed=seed, journaled=True)
        sim.advance(200)
        told = [{k: v for k, v in line.items() if k != "n"} for kind in ("write", "edit", "delete") for line in lines(sim, kind)]
        found.append(told)
    assert found[0] == found[1] != found[2]


async def test_a_stopped_load_corrects_nothing(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="verify", points=50)
    await sim.control("/load", {"running": False})
    sim.advance(600)
    await sim.control("/load", {"running": True})
    sim.advance(0)
    status = await sim.control("/status")
    assert (status["events_written"], status["events_edited"], status["events_deleted"]) == (0, 0, 0)


async def test_bursts_bring_ten_seconds_at_once(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="bursty", rate_per_second=100.0)
    sim.clock.ticks -= sim.clock.ticks % (10 * TICKS_PER_SECOND)
    sim.advance(10)
    before = await written(sim)
    sim.advance(9)
    assert await written(sim) == before
    sim.advance(1)
    assert await written(sim) - before == pytest.approx(1000, rel=0.1)


async def test_avevas_rule_of_thumb_is_fifty_values_per_second_for_a_thousand_points(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="aveva", points=2000, rate_per_second=1.0)
    sim.advance(60)
    assert await written(sim) == pytest.approx(6000, rel=0.05)


async def test_in_an_idle_plant_one_point_in_twenty_lives(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="idle", points=200, rate_per_second=100.0)
    assert sum(stream.live for stream in sim.running.store.streams) in (8, 9, 10)
    sim.advance(60)
    assert await written(sim) == pytest.approx(300, rel=0.1)
