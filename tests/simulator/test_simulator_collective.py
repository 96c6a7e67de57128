"""A switch to another member of a PI collective (reliability.md F20)."""

from typing import Any

import aiohttp
import pytest

from simulator.pitime import TICKS_PER_SECOND
from tests.simulator.replay import archives
from tests.simulator.world import CSRF, Sim, StartSimulator


@pytest.fixture
async def told(start_simulator: StartSimulator) -> Sim:
    """Two minutes of load, then none; a journal in memory."""
    sim = await start_simulator(journaled=True, points=100, special_points=5)
    for _ in range(12):
        sim.advance(10)
    sim.running.load.stop()
    return sim


async def switch(sim: Sim, **details: Any) -> None:
    await sim.control("/faults", {"fault": "collective_switch", **details})


async def catch_up(sim: Sim) -> None:
    assert (await sim.control("/faults", {"end": "collective_switch"}))["ended"] == 1


async def whole_archive(sim: Sim) -> dict[int, list[list[Any]]]:
    rows = {stream.point.point_id: await sim.archive(stream) for stream in sim.running.store.streams}
    return {point_id: [[t, v, good + 2 * q + 4 * s + 8 * a] for t, v, good, q, s, a in found] for point_id, found in rows.items()}


def told_archive(sim: Sim) -> dict[int, list[list[Any]]]:
    assert sim.running.journal is not None
    return archives(sim.running.journal.lines())


async def test_all_channels_and_registrations_end_with_the_switch_as_their_reason(told: Sim) -> None:
    stream = told.stream("Float32")
    channels = [await told.channel(stream) for _ in range(2)]
    async with told.session.post(f"{told.url}/streams/{told.web_id(stream)}/updates", headers=CSRF) as answer:
        marker = (await answer.json())["LatestMarker"]
    await switch(told)
    for channel in channels:
        assert (await channel.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)
    assert (await told.ask(f"/streams/updates/{marker}"))[0] == 404
    assert told.running.journal is not None
    closed = [line["why"] for line in told.running.journal.lines() if line["k"] == "close"]
    assert closed == ["collective_switch"] * 3


async def test_the_other_member_lacks_the_last_minute_and_has_all_before_it(told: Sim) -> None:
    before = await whole_archive(told)
    await switch(told, lag=60)
    since = told.clock.ticks - 60 * TICKS_PER_SECOND
    after = await whole_archive(told)
    lacked = 0
    for stream in told.running.store.streams:
        rows, left = before[stream.point.point_id], after[stream.point.point_id]
        if stream.point.future:
            assert left == rows
        else:
            assert [row for row in rows if row[0] < since] == [row for row in left if row[0] < since]
            assert all(stream.snapshot and row[0] == stream.snapshot.ticks for row in left if row[0] >= since)
            lacked += len(rows) - len(left)
    assert lacked > 100


async def test_a_share_of_the_records_differs_between_the_members(told: Sim) -> None:
    before = sum(map(len, (await whole_archive(told)).values()))
    await switch(told, lag=110, missing=0.1)
    lacked = before - sum(map(len, (await whole_archive(told)).values()))
    await catch_up(told)
    await switch(told, lag=110)
    assert 0.04 < lacked / (before - sum(map(len, (await whole_archive(told)).values()))) < 0.2


async def test_the_archive_stands_still_and_the_snapshots_go_on(told: Sim) -> None:
    stream = told.stream("String")
    await switch(told)
    before = await told.archive(stream)
    for number in range(3):
        await told.write(stream, told.at(number), str(number))
    assert await told.archive(stream) == before
    assert (await told.get(f"/streams/{told.web_id(stream)}/value"))["Value"] == "2"


@pytest.mark.parametrize("missing", [1.0, 0.5])
async def test_what_was_lacking_comes_late_on_channels_and_the_archive_is_whole_again(told: Sim, missing: float) -> None:
    before = {point_id: sorted(map(str, rows)) for point_id, rows in (await whole_archive(told)).items()}
    stream = told.stream("Digital")
    rows = len(await told.archive(stream))
    await switch(told, lag=100, missing=missing)
    lacked = rows - len(await told.archive(stream))
    channel = await told.channel(stream)
    await catch_up(told)
    told.running.tick()
    [item] = (await channel.receive_json(timeout=5))["Items"]
    assert len(item["Items"]) == lacked > 0
    assert {point_id: sorted(map(str, rows)) for point_id, rows in (await whole_archive(told)).items()} == before


async def test_the_journal_tells_the_archive_of_whichever_member_answers(told: Sim) -> None:
    for archive in (None, switch, catch_up):
        if archive is not None:
            await archive(told)
        assert {p: rows for p, rows in (await whole_archive(told)).items() if rows} == {
            p: rows for p, rows in told_archive(told).items() if rows
        }
    assert told.running.journal is not None
    assert [line["state"] for line in told.running.journal.lines() if line["k"] == "fault"] == ["on", "off"]
