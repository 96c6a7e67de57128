"""Traps that need a server: the bridge's own client, inventory and channels against the simulator and its faults."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from bridge import batch, piwebapi
from bridge.channel import Channel
from bridge.errors import PIRefused, PITooLarge, PIUnavailable, PIUnreadable
from bridge.listening import listen
from bridge.points import Point
from bridge.reading import read
from tests.unit.bridge.simulated import Simulated, simulated


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that must come; the test's own limit ends it."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def snapshots(sim: Simulated, points: dict[str, Point]) -> dict[str, Any]:
    return (await sim.pi.batch({key: batch.snapshot(sim.pi.base, point.web_id) for key, point in points.items()})).contents


# -- envelope and transport


async def test_trap_1_trap_4_every_answer_of_a_shuffled_batch_is_its_points_and_one_bad_web_id_costs_only_itself() -> None:
    async with simulated(30) as sim:
        points = await sim.points()
        answers = await snapshots(sim, points)
        alone = {key: (await snapshots(sim, {key: point}))[key] for key, point in points.items()}
        assert answers == alone
        bad = next(iter(points))
        points[bad] = structs.replace(points[bad], web_id="I1DPnot_a_web_id")
        answers = await snapshots(sim, points)
        assert isinstance(answers.pop(bad), PIRefused)
        assert answers == {key: alone[key] for key in answers}


async def test_trap_5_the_batch_carries_the_header_without_which_pi_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with simulated(3) as sim:
        points = await sim.points()
        assert len(await snapshots(sim, points)) == 3
        monkeypatch.setattr(piwebapi, "_CSRF", {})
        with pytest.raises(PIRefused) as refused:
            await snapshots(sim, points)
        assert refused.value.status == 403


async def test_trap_5_a_403_is_asked_once() -> None:
    async with simulated(3) as sim:
        points = await sim.points()
        await sim.fault("refuse", status=403, path="batch")
        with pytest.raises(PIRefused):
            await snapshots(sim, points)
        assert sim.pi.requests["batch"] == 1


async def test_trap_6_a_web_exception_inside_200_is_a_failure_of_one_answer_and_of_a_batch() -> None:
    async with simulated(3) as sim:
        points = await sim.points()
        await sim.fault("web_exception")
        with pytest.raises(PIUnavailable, match="500"):
            await sim.pi.read_clock()
        with pytest.raises(PIUnavailable):
            await snapshots(sim, points)


@pytest.mark.parametrize("body", ["html", "empty", "json"])
@pytest.mark.parametrize(("status", "kind"), [(403, PIRefused), (404, PIRefused), (500, PIUnavailable), (502, PIUnavailable)])
async def test_trap_7_an_error_of_a_proxy_in_html_or_without_a_body_is_judged_by_its_status(
    body: str, status: int, kind: type[Exception]
) -> None:
    async with simulated(1) as sim:
        await sim.fault("refuse", status=status, body=body)
        with pytest.raises(kind):
            await sim.pi.read_clock()
        await sim.end_faults()
        await sim.pi.read_clock()


async def test_trap_7_an_answer_that_breaks_off_is_asked_for_again_later() -> None:
    async with simulated(3) as sim:
        points = await sim.points()
        await sim.fault("cut", path="batch")
        with pytest.raises(PIUnavailable):
            await snapshots(sim, points)


@pytest.mark.parametrize(("status", "kind"), [(429, PIUnavailable), (503, PIUnavailable), (401, PIRefused)])
async def test_trap_8_trap_47_when_pi_sends_one_request_away_no_other_goes_out_before_the_pause_is_over(
    status: int, kind: type[Exception]
) -> None:
    async with simulated(1) as sim:
        await sim.fault("refuse", status=status, retry_after=100, path="dataservers")
        for worker in range(4):
            if worker == 0:
                with pytest.raises(kind):
                    await sim.pi.get(sim.pi.base + "/dataservers", "asked")
            else:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(sim.pi.get(sim.pi.base + "/dataservers", "asked"), 0.05)
        assert sim.pi.requests["asked"] == 1


async def test_trap_9_all_pages_of_the_inventory_are_walked() -> None:
    async with simulated(2300) as sim:
        assert (await sim.points()).keys() == {f"main:{s.point.point_id}" for s in sim.running.store.streams}


async def test_trap_9_a_link_to_another_host_is_not_followed() -> None:
    async with simulated(1100) as sim:
        await sim.fault("foreign_next")
        with pytest.raises(PIRefused, match="not followed"):
            await sim.points()


async def test_trap_10_one_object_is_not_read_as_a_list_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    async with simulated(3) as sim:
        get = sim.pi.get

        async def by_name(address: str, kind: str) -> dict[str, Any]:
            return await get(address + "?name=PISIM" if address.endswith("/dataservers") else address, kind)

        monkeypatch.setattr(sim.pi, "get", by_name)
        with pytest.raises(PIUnreadable, match="data servers"):
            await sim.points()


async def test_trap_21_a_point_that_two_selections_find_is_one_point() -> None:
    selections = [{"server": "main", "name_filter": "*"}, {"server": "main", "name_filter": "*"}]
    async with simulated(20, selections=selections) as sim:
        points = await sim.points()
        assert len(points) == 20
        assert {point.web_id[:4] for point in points.values()} == {"I1DP"}


async def test_trap_27_an_answer_beyond_the_limit_of_bytes_is_known_as_too_large() -> None:
    async with simulated(3, load={"answer_bytes": 20_000}) as sim:
        points = await sim.points()
        await sim.fault("oversize_answers", bytes=1_000_000, compressed=True, path="batch")
        with pytest.raises(PITooLarge):
            await snapshots(sim, points)


async def test_trap_27_pis_own_refusal_of_too_many_values_is_known_as_one_that_may_be_about_the_size() -> None:
    async with simulated(1) as sim:
        (point,) = (await sim.points()).values()
        address = batch.recorded(sim.pi.base, point.web_id, sim.pi.now() - 36_000_000_000, sim.pi.now(), 150_001)
        answers = (await sim.pi.batch({"0": address})).contents
        assert batch.may_be_too_many(answers["0"])
        assert "greater than the maximum allowed" in str(answers["0"])


async def test_trap_27_reads_whose_answers_are_larger_than_the_limit_cover_every_point_all_the_same() -> None:
    async with simulated(40, load={"answer_bytes": 6_000, "page_values": 500}) as sim:
        owner = sim.incarnation(await sim.points())
        reading = asyncio.create_task(read(sim.world, owner.reads))
        await until(lambda: len(owner.coverage) == 40 and all(known.high is not None for known in owner.coverage.values()))
        await ended(reading)
        assert [note.event for note in owner.take_notes()] == []


# -- channels


async def test_trap_11_every_channel_of_many_points_is_one_that_pi_opens() -> None:
    async with simulated(300) as sim:
        owner = sim.incarnation(await sim.points())
        keeping = asyncio.create_task(listen(sim.world, owner.hearing))
        await until(lambda: len(owner.hearing.ears) > 1 and all(ear.listening for ear in owner.hearing.ears))
        assert sum(len(ear.points) for ear in owner.hearing.ears) == 300
        await ended(keeping)


async def test_trap_35_pi_refuses_a_channel_for_one_bad_web_id_and_all_others_are_heard() -> None:
    async with simulated(40) as sim:
        points = await sim.points()
        bad = sorted(points)[17]
        points[bad] = structs.replace(points[bad], web_id="I1DP" + "A" * 28)
        owner = sim.incarnation(points)
        keeping = asyncio.create_task(listen(sim.world, owner.hearing))
        await until(lambda: {p.point_key for ear in owner.hearing.ears if ear.listening for p in ear.points} == points.keys() - {bad})
        await ended(keeping)


async def test_trap_37_a_handshake_that_pi_sends_away_for_a_while_is_not_repeated_before() -> None:
    async with simulated(5) as sim:
        owner = sim.incarnation(await sim.points())
        (ear,) = owner.hearing.new_ears(sim.world.now())
        await sim.fault("refuse", status=503, retry_after=100, path="channel")
        keeping = asyncio.create_task(Channel(sim.world.pi, sim.world.config.pi, ear, sim.world.now).run())
        await until(lambda: ear.pause_seconds(sim.world.now()) > 50)
        await ended(keeping)
        assert not ear.listening


async def test_trap_36_a_message_larger_than_the_limit_ends_the_channel_and_it_comes_back() -> None:
    async with simulated(5, channels={"message_bytes": 10_000, "reconnect_seconds": 0.01}) as sim:
        owner = sim.incarnation(await sim.points())
        (ear,) = owner.hearing.new_ears(sim.world.now())
        keeping = asyncio.create_task(Channel(sim.world.pi, sim.world.config.pi, ear, sim.world.now).run())
        await until(lambda: ear.listening)
        await sim.fault("oversize_frames", bytes=50_000)
        await sim.write(int(next(iter(owner.points)).partition(":")[2]))
        sim.running.tick()
        await until(lambda: bool(owner.incidents.records))
        (incident,) = owner.incidents.records.values()
        assert incident["kind"] == "CHANNEL_LOST"
        await sim.end_faults()
        await until(lambda: _tick(sim) and ear.speaks)
        await ended(keeping)


async def test_trap_31_trap_33_a_channel_that_falls_silent_without_a_close_is_lost_and_its_points_were_blind_since_the_last_message() -> (
    None
):
    async with simulated(5, channels={"silence_seconds": 0.3, "reconnect_seconds": 0.01}) as sim:
        owner = sim.incarnation(await sim.points())
        (ear,) = owner.hearing.new_ears(sim.world.now())
        keeping = asyncio.create_task(Channel(sim.world.pi, sim.world.config.pi, ear, sim.world.now).run())
        await until(lambda: ear.listening)
        opened_at = ear.heard_until
        await until(lambda: bool(owner.incidents.records))
        (incident,) = owner.incidents.records.values()
        assert "no message and no heartbeat" in incident["detail"]
        assert opened_at is not None
        assert incident["from_time"] >= opened_at // 10
        await ended(keeping)


def _tick(sim: Simulated) -> bool:
    """Lets PI poll once."""
    sim.clock.ticks += 10_000_000
    sim.running.tick()
    return True


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancels what would go on for ever; anything else that it ended with comes up."""
    assert not task.done(), task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
