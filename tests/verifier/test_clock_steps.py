"""PI's clock is set while a run goes on. The journal is a real simulator's, the bridge's records are made from what it answered."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bridge.pitime import PIClock as BridgeClock
from bridge.pitime import parse
from schemas.shards import shard_of
from simulator import server
from simulator.journal import Journal
from simulator.pitime import format_ticks
from simulator.settings import Settings
from tests.verifier.world import SECOND, SHARDS, T0, Json, World, key_of, numbered, restate, sample_of
from verifier import journal
from verifier.archive import PIClock
from verifier.checks import Evidence, verify
from verifier.findings import Findings


class Hand:
    """The machine's clock: stands until it is moved."""

    def __init__(self) -> None:
        self.ticks = T0

    def __call__(self) -> int:
        return self.ticks


@dataclass
class Run:
    """A simulator, and a bridge that reads one point of it as the real one does: `as_of` by PI's clock as it last saw it."""

    plant: server.Running
    machine: Hand
    session: aiohttp.ClientSession
    records: World
    seen: BridgeClock
    point: int
    web_id: str

    def wait(self, seconds: float) -> None:
        self.machine.ticks += round(seconds * SECOND)
        self.plant.tick()

    async def look_at_the_clock(self) -> None:
        [found] = (await self.get("/dataservers"))["Items"]
        self.seen.observe(parse(found["ServerTime"]), self.machine.ticks / SECOND)

    async def set_clock(self, **details: Any) -> None:
        await self.control("/faults", {"fault": "clock", **details})

    async def right_clock(self) -> None:
        await self.control("/faults", {"end": "clock"})

    async def write(self, ago: float, value: float) -> None:
        order = {"time": format_ticks(self.machine.ticks - round(ago * SECOND)), "value": value}
        await self.control("/insert", {"point_id": self.point, "events": [order]})

    async def state(self, begin: int, end: int, takes: float = 0.01) -> Json:
        """Reads [begin, end), which takes so many seconds to get there, and states what came."""
        as_of = self.seen.now(self.machine.ticks / SECOND) // 10
        self.machine.ticks += round(takes * SECOND)
        path = f"/streams/{self.web_id}/recorded?startTime={format_ticks(begin)}&endTime={format_ticks(end)}"
        items = (await self.get(path))["Items"]
        shard = shard_of(key_of(self.point), SHARDS)
        rows = [(parse(item["Timestamp"]), item["Value"], flags(item)) for item in items]
        samples = numbered([sample_of(t, v, f, "Float64") for t, v, f in rows if begin <= t < end])
        bounds = {"from_time": begin // 10, "from_ticks": begin % 10, "to_time": end // 10, "to_ticks": end % 10}
        clock = self.records.take_clock(shard)
        statement = {"kind": "STATED", **bounds, "as_of": as_of, "as_of_clock": clock, "count": 0, "digest": 0}
        series = self.records.series(self.point, statement, samples)
        restate(series)
        self.records.publish("recorded", shard, "READ", [series])
        self.records.progress[key_of(self.point)] = {"low": begin, "high": end}
        return series

    async def get(self, path: str) -> Any:
        async with self.session.get(self.plant.url + path) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def control(self, path: str, order: Any) -> None:
        async with self.session.post(self.plant.control_url + path, json=order) as answer:
            assert answer.status == 200, await answer.text()

    def judge(self) -> Findings:
        """What the verifier makes of it: everything must have been seen."""
        assert self.plant.journal is not None
        told = [json.dumps(line).encode() + b"\n" for line in self.plant.journal.lines()]
        return verify(Evidence(journal.parse(told), self.records.kafka()), settled=True)


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    machine = Hand()
    plant = await server.start(Settings(points=100, rate_per_second=20.0, tick_seconds=60.0), machine, Journal(machine))
    stream = next(s for s in plant.store.streams if s.point.point_type == "Float64" and s.live)
    records = World()
    records.points[stream.point.point_id] = {"type": "Float64", "uom": stream.point.units}
    async with aiohttp.ClientSession() as session:
        web_id = plant.catalogue.web_id(stream.point, "I")
        made = Run(plant, machine, session, records, BridgeClock(), stream.point.point_id, web_id)
        await made.look_at_the_clock()
        yield made
    await plant.stop()


def flags(item: Json) -> int:
    return sum(bool(item[name]) << bit for bit, name in enumerate(("Good", "Questionable", "Substituted", "Annotated")))


def nothing(found: Findings) -> bool:
    assert dict(found.counts) == {}, [found.example(check) for check in found.counts]
    return True


async def test_a_read_after_the_clock_was_set_back_is_found_though_the_bridge_did_not_know_yet(run: Run) -> None:
    run.wait(60)
    await run.set_clock(offset=-300)
    run.wait(5)
    await run.state(T0 - 600 * SECOND, T0)
    assert nothing(run.judge())


async def test_a_read_after_the_clock_was_set_back_is_not_taken_for_one_before_it(run: Run) -> None:
    """Four reads before the step lie at the times of PI's clock that it shows again behind it, and saw another archive."""
    run.wait(60)
    await run.look_at_the_clock()
    for _ in range(4):
        await run.state(T0 - 600 * SECOND, T0)
    await run.write(200, 7.25)
    await run.set_clock(offset=-5.04)
    run.wait(5)
    await run.look_at_the_clock()
    await run.state(T0 - 600 * SECOND, T0, takes=0.1)
    assert nothing(run.judge())


async def test_a_change_after_the_clock_was_set_back_is_behind_the_statements_from_before(run: Run) -> None:
    """The change has the earlier time of PI's clock: the statement was right when it was made, and a later one says what holds."""
    run.wait(60)
    await run.state(T0 - 600 * SECOND, T0)
    await run.set_clock(offset=-40)
    run.wait(5)
    await run.write(200, 7.25)
    found = run.judge()
    assert dict(found.counts) == {"V1": 1}
    assert "not yet seen" in (found.example("V1") or "")
    await run.look_at_the_clock()
    await run.state(T0 - 600 * SECOND, T0)
    assert nothing(run.judge())


@pytest.mark.parametrize("details", [{"offset": 3600}, {"offset": -500}, {"offset": 20, "drift": 0.01}, {"offset": -20, "drift": 0.01}])
async def test_a_clock_that_is_set_and_right_again_makes_no_findings(run: Run, details: dict[str, float]) -> None:
    for step in (run.wait, lambda _: run.set_clock(**details), run.wait, lambda _: run.right_clock(), run.wait):
        done = step(7)
        if done is not None:
            await done
        await run.state(T0 - 600 * SECOND, T0)
        await run.write(300, 1.5)
        await run.look_at_the_clock()
        await run.state(T0 - 600 * SECOND, T0)
    assert nothing(run.judge())


async def test_a_lost_event_is_found_on_either_side_of_a_step(run: Run) -> None:
    run.wait(60)
    for offset in (0, -300):
        if offset:
            await run.set_clock(offset=offset)
            run.wait(5)
        await run.look_at_the_clock()
        series = await run.state(T0 - 600 * SECOND, T0)
        lost = series["samples"].pop()
        restate(series)
        found = run.judge()
        assert dict(found.counts) == {"V1": 1 if not offset else 2}
        series["samples"].append(lost)
        if offset:
            restate(series)
            assert dict(run.judge().counts) == {"V1": 1}
        else:
            series["samples"].pop()


async def test_a_channel_that_is_cut_after_the_clock_was_set_back_has_its_incident(run: Run) -> None:
    run.wait(60)
    await run.look_at_the_clock()
    await run.state(T0 - 600 * SECOND, T0)
    async with run.session.ws_connect(f"{run.plant.url}/streams/{run.web_id}/channel") as channel:
        await run.set_clock(offset=-300)
        run.wait(5)
        heard_last = run.seen.now(run.machine.ticks / SECOND) - 2 * SECOND
        await run.control("/channels/drop", {"count": 1, "close_frame": False})
        await channel.receive(timeout=5)
    run.wait(2)
    await run.look_at_the_clock()
    run.records.incident(run.point, heard_last, run.seen.now(run.machine.ticks / SECOND))
    found = run.judge()
    assert found.examined["disconnects"] == 1
    assert nothing(found)


def test_a_time_that_pi_showed_twice_is_two_moments() -> None:
    clock = PIClock()
    assert clock.moments(T0) == [T0]
    clock.move(T0, -100 * SECOND, 0.0)
    assert clock.machine(T0 - 50 * SECOND) == T0 + 50 * SECOND
    assert clock.moments(T0 - 50 * SECOND) == [T0 - 50 * SECOND, T0 + 50 * SECOND]
    assert clock.moments(T0 - 200 * SECOND) == [T0 - 200 * SECOND]
    clock.move(T0 + 90 * SECOND, 10 * SECOND, 0.25)
    assert clock.machine(T0 + 350 * SECOND) == T0 + 290 * SECOND
