import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simulator.events import Event
from simulator.pitime import format_ticks
from simulator.profiles import Point
from simulator.store import Counts, EventQueue, Stream
from tests.simulator.replay import archives
from tests.simulator.world import Sim, StartSimulator, times


async def recorded(sim: Sim, stream: Stream, start: str = "*-1d", end: str = "*") -> list[Any]:
    path = f"/streams/{sim.web_id(stream)}/recorded?startTime={start}&endTime={end}&maxCount=10000"
    items: list[Any] = (await sim.get(path))["Items"]
    return items


async def edit(sim: Sim, stream: Stream, time: str, value: Any, index: int = 0) -> Any:
    return await sim.control("/edit", {"point_id": stream.point.point_id, "time": time, "index": index, "value": value})


async def delete(sim: Sim, stream: Stream, time: str, index: int = 0) -> Any:
    return await sim.control("/delete", {"point_id": stream.point.point_id, "time": time, "index": index})


async def test_trap_38_an_edit_changes_value_and_substituted_and_is_on_the_channel(still: Sim) -> None:
    stream = still.stream("Float64")
    rows = await still.archive(stream)
    channel = await still.channel(stream)
    await edit(still, stream, format_ticks(rows[5][0]), 12.5)
    assert await still.archive(stream) == [*rows[:5], [rows[5][0], 12.5, True, False, True, False], *rows[6:]]
    still.running.tick()
    [item] = json.loads((await channel.receive(timeout=5)).data)["Items"]
    [value] = item["Items"]
    assert (value["Timestamp"], value["Value"], value["Substituted"]) == (format_ticks(rows[5][0]), 12.5, True)


async def test_section_3_3_a_deletion_is_gone_from_recorded_and_a_system_state_on_the_channel(still: Sim) -> None:
    stream = still.stream("Float64")
    rows = await still.archive(stream)
    channel = await still.channel(stream)
    await delete(still, stream, format_ticks(rows[5][0]))
    assert await still.archive(stream) == rows[:5] + rows[6:]
    assert format_ticks(rows[5][0]) not in times(await recorded(still, stream))
    still.running.tick()
    [item] = json.loads((await channel.receive(timeout=5)).data)["Items"]
    [value] = item["Items"]
    assert (value["Timestamp"], value["Good"], value["Value"]["Value"], value["Value"]["IsSystem"]) == (
        format_ticks(rows[5][0]),
        False,
        248,
        True,
    )


async def test_the_snapshot_is_edited_and_deleted_too(still: Sim) -> None:
    stream = still.stream("Float64")
    await still.write(stream, "*", 1)
    await edit(still, stream, still.at(0), 2)
    value = await still.get(f"/streams/{still.web_id(stream)}/value")
    assert (value["Value"], value["Substituted"], value["Timestamp"]) == (2.0, True, still.at(0))
    await delete(still, stream, still.at(0))
    rows = await still.archive(stream)
    assert (await still.get(f"/streams/{still.web_id(stream)}/value"))["Timestamp"] == format_ticks(rows[-1][0])
    assert (await still.write(stream, still.at(-1), 3))["late"] == 1, "older than the snapshot which was deleted"
    assert (await still.write(stream, still.at(0), 4))["late"] == 0


async def test_of_several_events_at_one_instant_one_is_edited_and_one_deleted(still: Sim) -> None:
    stream = still.stream("Float64")
    for value in (1, 2, 3):
        await still.write(stream, "*-30m", value)
    when = still.at(-1800)
    await edit(still, stream, when, 20, index=1)
    await delete(still, stream, when, index=0)
    ticks = still.clock.ticks - 1800 * 10_000_000
    assert [row[1] for row in await still.archive(stream) if row[0] == ticks] == [20.0, 3.0]
    status, _ = await still.control_status("/edit", {"point_id": stream.point.point_id, "time": when, "index": 2, "value": 1})
    assert status == 404
    for path in ("/edit", "/delete"):
        order = {"point_id": stream.point.point_id, "time": "*-40m", "value": 1}
        if path == "/delete":
            del order["value"]
        assert (await still.control_status(path, order))[0] == 404
        assert (await still.control_status(path, order | {"time": "soon"}))[0] == 400
        assert (await still.control_status(path, order | {"point_id": 1}))[0] == 404
    assert (await still.control_status("/edit", {"point_id": stream.point.point_id, "time": when, "value": "x"}))[0] == 400


async def test_edits_and_deletions_of_computed_history_are_in_the_journal(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(journaled=True, points=100)
    streams = [stream for stream in sim.running.store.streams if stream.live and stream.point.point_type == "Float64"]
    truth = {}
    for number, stream in enumerate(streams):
        rows = await sim.archive(stream)
        await edit(sim, stream, format_ticks(rows[number][0]), number)
        await delete(sim, stream, format_ticks(rows[number + 3][0]))
        await still_there(sim, stream)
        sim.advance(5)
    for stream in sim.running.store.streams:
        rows = await sim.archive(stream)
        truth[stream.point.point_id] = [[t, v, good + 2 * q + 4 * s + 8 * a] for t, v, good, q, s, a in rows]
    assert sim.running.journal is not None
    assert archives(sim.running.journal.lines()) == truth
    status = await sim.control("/status")
    assert (status["events_edited"], status["events_deleted"]) == (len(streams), len(streams))


async def still_there(sim: Sim, stream: Stream) -> None:
    """Two reads of a closed range agree, an edited one too."""
    first = await recorded(sim, stream, "*-50m", "*-1m")
    assert first == await recorded(sim, stream, "*-50m", "*-1m")


@given(st.lists(st.tuples(st.sampled_from("wed"), st.integers(0, 6), st.integers(0, 2), st.integers(0, 99)), max_size=60))
def test_any_order_of_writes_edits_and_deletions_is_that_of_a_plain_list(steps: list[tuple[str, int, int, int]]) -> None:
    stream = Stream(Point(1, "A", "Float64", compression_deviation=None), Counts())
    plain: list[list[int]] = []
    for step, ticks, index, value in steps:
        there = [row for row in plain if row[0] == ticks]
        if step == "w":
            stream.write(Event(ticks, float(value)))
            place = next((i for i, row in enumerate(plain) if row[0] > ticks), len(plain))
            plain.insert(place, [ticks, value])
        elif step == "e":
            assert (stream.edit(ticks, index, float(value)) is None) is (index >= len(there))
            if index < len(there):
                there[index][1] = value
        else:
            assert (stream.delete(ticks, index) is None) is (index >= len(there))
            if index < len(there):
                plain = [row for row in plain if row is not there[index]]
    assert [[event.ticks, event.value] for event in stream.recorded(0, 6)] == plain


async def test_a_held_event_queue_lets_the_archive_lag_behind_the_snapshot(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(journaled=True)
    sim.running.load.stop()
    stream = sim.stream("String")
    before = await sim.archive(stream)
    assert await sim.control("/queue", {"held": True}) == {"held": True, "waited": 0}
    for second in range(1, 6):
        await sim.write(stream, sim.at(second), f"batch {second}")
    await sim.write(stream, "*-30m", "late")
    assert await sim.archive(stream) == before
    assert (await sim.get(f"/streams/{sim.web_id(stream)}/value"))["Value"] == "batch 5"
    assert [item["Value"] for item in await recorded(sim, stream, "*", "*%2B1m")] == ["batch 5"]
    assert (await sim.control("/status"))["events_waiting_for_archive"] == 6
    assert await sim.control("/queue", {"held": False}) == {"held": False, "waited": 6}
    after = [row[1] for row in await sim.archive(stream)]
    assert len(after) == len(before) + 6
    assert {"late", "batch 1", "batch 4"} < set(after)
    assert sim.running.journal is not None
    kinds = [line["k"] for line in sim.running.journal.lines() if line["k"] in ("write", "archive")]
    assert kinds[-12:] == ["write"] * 6 + ["archive"] * 6
    assert not EventQueue(Counts()).held


async def test_trap_48_a_future_point_takes_values_days_ahead_and_value_is_not_end(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(special_points=10)
    sim.running.load.stop()
    [stream, *_] = [stream for stream in sim.running.store.streams if stream.point.future]
    web_id = sim.web_id(stream)
    assert (await sim.get(f"/points/{web_id}"))["Future"] is True
    order = {"point_id": stream.point.point_id, "events": [{"time": "*+30d", "value": 7}]}
    assert (await sim.control("/insert", order))["late"] == 0
    end, value = await sim.get(f"/streams/{web_id}/end"), await sim.get(f"/streams/{web_id}/value")
    assert (end["Timestamp"], end["Value"]) == (sim.at(30 * 86_400), 7.0)
    assert value["Timestamp"] <= sim.at(0)
    ahead = await recorded(sim, stream, "*", "*%2B31d")
    assert len(ahead) > 10
    assert ahead[-1]["Value"] == 7.0
    assert (await sim.archive(stream))[-1][0] == sim.clock.ticks + 30 * 86_400 * 10_000_000, "no snapshot: in the archive at once"


async def test_a_forecast_is_written_hours_before_its_time(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(special_points=10, journaled=True)
    [stream, *_] = [stream for stream in sim.running.store.streams if stream.point.future]
    sim.advance(600)
    assert sim.running.journal is not None
    written = [line for line in sim.running.journal.lines() if line["k"] == "write" and line["p"] == stream.point.point_id]
    assert len(written) > 2
    assert all(5 * 3600 < (line["t"] - line["at"]) / 1e7 < 7 * 3600 for line in written)


async def test_section_2_4_timestamp_and_blob_points_print_texts(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(special_points=10)
    sim.running.load.stop()
    values = {}
    for stream in sim.running.store.streams[-10:]:
        kind = "Future" if stream.point.future else stream.point.point_type
        values[kind] = (stream, (await sim.get(f"/streams/{sim.web_id(stream)}/end"))["Value"])
    assert set(values) == {"Future", "Timestamp", "Blob", "Int16", "Float16"}
    assert values["Timestamp"][1].endswith("Z")
    assert isinstance(values["Int16"][1], int)
    for kind, text, shown in (("Timestamp", "2024-05-06T07:08:09.5000000Z", "2024-05-06T07:08:09.5Z"), ("Blob", "AAEC", "AAEC")):
        await sim.write(values[kind][0], "*", text)
        assert (await sim.get(f"/streams/{sim.web_id(values[kind][0])}/value"))["Value"] == shown
    for kind, wrong in (("Timestamp", "soon"), ("Blob", "?"), ("Int16", 32_768), ("Float16", "x")):
        order = {"point_id": values[kind][0].point.point_id, "events": [{"time": "*", "value": wrong}]}
        assert (await sim.control_status("/insert", order))[0] == 400, kind
