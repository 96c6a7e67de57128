import pytest

from tests.simulator.world import Sim


async def test_status_counts_what_happened_since_the_start(sim: Sim) -> None:
    status = await sim.control("/status")
    assert (status["events_written"], status["events_archived"], status["values_served"]) == (0, 0, 0)
    sim.advance(60)
    await sim.get(f"/streamsets/value?webId={sim.web_id(sim.stream('Float32'))}")
    status = await sim.control("/status")
    assert status["events_written"] == status["events_archived"] + status["events_compressed_away"] > 1000
    assert status["values_served"] == 1
    assert status["requests"] == {"/streamsets/value": 1}


async def test_points_tell_the_newest_archived_event_and_the_snapshot(sim: Sim) -> None:
    sim.advance(300)
    for described in await sim.control("/points"):
        stream = sim.running.store.by_id[described["point_id"]]
        rows = await sim.archive(stream) if described["point_id"] % 5 == 0 else None
        assert stream.snapshot is not None
        assert described["snapshot_ticks"] == stream.snapshot.ticks
        assert described["live"] is (described["snapshot_ticks"] > sim.clock.ticks - 86_400 * 10_000_000)
        if rows is not None:
            assert described["newest_archived_ticks"] == (rows[-1][0] if rows else None)
        assert (await sim.get(f"/points/{described['web_id']}"))["Name"] == described["name"] if rows else True


async def test_the_archive_is_cut_from_inclusive_to_exclusive(sim: Sim) -> None:
    stream = sim.stream("Float32")
    rows = await sim.archive(stream)
    first, last = rows[3][0], rows[-2][0]
    assert await sim.archive(stream, f"&from_ticks={first}&to_ticks={last}") == rows[3:-2] != []
    assert await sim.archive(stream, f"&from_ticks={last}") == rows[-2:]
    assert await sim.archive(stream, f"&to_ticks={first}") == rows[:3]


async def test_a_stopped_load_writes_nothing_and_makes_nothing_up_afterwards(sim: Sim) -> None:
    assert await sim.control("/load", {"running": False}) == {"running": False}
    sim.advance(600)
    assert (await sim.control("/status"))["events_written"] == 0
    assert await sim.control("/load", {"running": True}) == {"running": True}
    sim.running.tick()
    assert (await sim.control("/status"))["events_written"] == 0
    sim.advance(60)
    assert (await sim.control("/status"))["events_written"] == pytest.approx(3000, rel=0.1)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Float32", "high"),
        ("Float32", 1e39),
        ("Int32", 1.5),
        ("Int32", 2**31),
        ("String", 1),
        ("Digital", 99),
        ("Digital", True),
        ("Float64", {"state": 1}),
    ],
)
async def test_an_insert_of_a_value_the_point_cannot_hold_is_refused(sim: Sim, kind: str, value: object) -> None:
    stream = sim.stream(kind)
    order = {"point_id": stream.point.point_id, "events": [{"time": "*", "value": 1}, {"time": "*", "value": value}]}
    status, body = await sim.control_status("/insert", order)
    assert status == 400
    assert body["Errors"]
    assert (await sim.control("/status"))["events_written"] == 0


async def test_an_insert_far_ahead_of_the_clock_is_refused_and_a_little_ahead_is_not(still: Sim) -> None:
    stream = still.stream("Float32")
    assert (await still.write(stream, "*+10m", 1))["written"] == 1
    status, _ = await still.control_status("/insert", {"point_id": stream.point.point_id, "events": [{"time": "*+601s", "value": 1}]})
    assert status == 400


async def test_wrong_orders_are_400_and_unknown_points_404(sim: Sim) -> None:
    for path, body, expected in (
        ("/insert", {"point_id": 1, "event": []}, 400),
        ("/insert", {"point_id": 1, "events": []}, 404),
        ("/malformed", {"point_id": 1}, 404),
        ("/channels/drop", {"count": "all"}, 400),
        ("/load", [], 400),
    ):
        assert (await sim.control_status(path, body))[0] == expected, path
    assert (await sim.control_status("/archive?point_id=1"))[0] == 404
    assert (await sim.control_status("/archive?point_id=x"))[0] == 400
    assert (await sim.control_status(f"/archive?point_id={sim.stream('Float32').point.point_id}&from_ticks=x"))[0] == 400
