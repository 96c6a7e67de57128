import asyncio
from typing import Any

import aiohttp
import pytest

from tests.simulator.world import Sim, StartSimulator, message, silence, times

BAD_TIME = "2026-13-45T99:99:99Z"


async def opened(sim: Sim, count: int = 1) -> None:
    async with asyncio.timeout(5):
        while (await sim.control("/status"))["channels_open"] != count:
            await asyncio.sleep(0.01)


async def test_section_3_2_a_message_has_the_captured_shape(still: Sim) -> None:
    stream = still.stream("Float64")
    channel = await still.channel(stream)
    await still.write(stream, still.at(1), 3)
    still.running.tick()
    assert await message(channel) == {
        "Links": {},
        "Items": [
            {
                "WebId": still.web_id(stream, "F"),
                "Name": stream.point.name,
                "Path": f"\\\\PISIM\\{stream.point.name}",
                "Links": {},
                "Items": [
                    {
                        "Timestamp": still.at(1),
                        "Value": 3.0,
                        "UnitsAbbreviation": "",
                        "Good": True,
                        "Questionable": False,
                        "Substituted": False,
                        "Annotated": False,
                    }
                ],
                "UnitsAbbreviation": "",
            }
        ],
    }


async def test_section_3_1_the_channel_of_one_stream_has_the_same_shape_and_other_web_ids_if_asked(still: Sim) -> None:
    stream = still.stream("Digital")
    channel = await still.session.ws_connect(f"{still.url}/streams/{still.web_id(stream, 'P')}/channel?WEBIDTYPE=IDOnly")
    await still.write(stream, "*", 0)
    still.running.tick()
    [item] = (await message(channel))["Items"]
    assert item["WebId"] == still.web_id(stream, "I")
    assert len(item["Items"]) == 1


async def test_trap_34_one_message_carries_several_values_per_stream_in_no_order_of_streams(still: Sim) -> None:
    streams = [still.stream("Float32", i) for i in range(20)]
    channel = await still.channel(*streams)
    orders = set()
    for _ in range(3):
        for value in (1, 2):
            for stream in streams:
                await still.write(stream, "*", value)
        still.running.tick()
        items = (await message(channel))["Items"]
        assert [[value["Value"] for value in item["Items"]] for item in items] == [[1.0, 2.0]] * 20
        orders.add(tuple(item["Name"] for item in items))
    assert len(orders) == 3


async def test_every_value_written_while_open_is_sent_once_and_none_from_before(sim: Sim) -> None:
    sim.advance(30)
    streams = sim.running.store.streams
    channel = await sim.channel(*streams[:100])
    before = (await sim.control("/status"))["events_written"]
    other = await sim.channel(*streams[100:])
    sim.advance(30)
    items = (await message(channel))["Items"] + (await message(other))["Items"]
    written = (await sim.control("/status"))["events_written"] - before
    assert sum(len(item["Items"]) for item in items) == written > 1000
    sim.running.tick()
    await silence(channel)


async def test_trap_38_a_late_value_is_archived_and_on_the_channel(still: Sim) -> None:
    stream = still.stream("Float32")
    channel = await still.channel(stream)
    answer = await still.write(stream, "*-30m", 12.5, substituted=True)
    assert answer["late"] == 1
    still.running.tick()
    [item] = (await message(channel))["Items"]
    assert times(item["Items"]) == [still.at(-1800)]
    assert item["Items"][0]["Substituted"] is True
    [row] = [row for row in await still.archive(stream) if row[0] == still.clock.ticks - 1800 * 10_000_000]
    assert row[1:] == [12.5, True, False, True, False]


async def test_section_8_2_a_channel_shows_snapshots_which_never_reach_the_archive(still: Sim) -> None:
    stream = still.stream("Float64")
    channel = await still.channel(stream)
    for second in range(1, 6):
        await still.write(stream, still.at(second), 5)
    still.running.tick()
    [item] = (await message(channel))["Items"]
    assert len(item["Items"]) == 5
    assert len([row for row in await still.archive(stream) if row[0] > still.clock.ticks]) == 1


async def test_trap_32_initial_values_are_an_ordinary_message(still: Sim) -> None:
    streams = [still.stream("Float32", i) for i in range(3)]
    channel = await still.channel(*streams, query="&includeInitialValues=true")
    still.running.tick()
    first = await message(channel)
    assert set(first) == {"Links", "Items"}
    assert {item["Name"]: len(item["Items"]) for item in first["Items"]} == {stream.point.name: 1 for stream in streams}
    quiet = await still.channel(*streams)
    still.running.tick()
    await silence(quiet)


async def test_trap_33_a_heartbeat_is_an_empty_message_after_so_many_silent_ticks(still: Sim) -> None:
    stream = still.stream("Float32")
    channel = await still.channel(stream, query="&heartbeatRate=3")
    for _ in range(2):
        still.running.tick()
    await silence(channel)
    still.running.tick()
    assert await message(channel) == {"Links": {}, "Items": []}
    still.running.tick()
    await still.write(stream, "*", 1)
    still.running.tick()
    assert (await message(channel))["Items"]
    for _ in range(2):
        still.running.tick()
    await silence(channel)


async def test_section_3_2_no_heartbeat_unless_asked_for(still: Sim) -> None:
    for query in ("", "&heartbeatRate=0", "&heartbeatRate=-1"):
        channel = await still.channel(still.stream("Float32"), query=query)
        for _ in range(20):
            still.running.tick()
        await silence(channel)


async def test_section_3_4_nothing_is_replayed_after_a_reconnect(still: Sim) -> None:
    stream = still.stream("Float32")
    channel = await still.channel(stream)
    await channel.close()
    await opened(still, 0)
    assert not stream.listeners
    await still.write(stream, "*", 1)
    channel = await still.channel(stream)
    still.running.tick()
    await silence(channel)


async def refused_handshake(sim: Sim, path: str, **options: Any) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await sim.session.ws_connect(sim.url + path, **options)
    return refusal.value.status


async def test_trap_35_one_bad_web_id_refuses_the_whole_handshake(sim: Sim) -> None:
    good = sim.web_id(sim.stream("Float32"))
    assert await refused_handshake(sim, f"/streamsets/channel?webId={good}&webId=nonsense") == 400
    assert await refused_handshake(sim, f"/streamsets/channel?webId={good}&webId=I1DPEmoryo_bV0GzilxLXH31pgjowAAA") == 404
    assert await refused_handshake(sim, "/streamsets/channel") == 400
    assert await refused_handshake(sim, "/streams/nonsense/channel") == 400
    assert await refused_handshake(sim, f"/streamsets/channel?webId={good}&heartbeatRate=often") == 400
    assert await refused_handshake(sim, f"/streamsets/channel?webId={good}&includeInitialValues=yes") == 400
    await opened(sim, 0)
    assert not any(stream.listeners for stream in sim.running.store.streams)


async def test_section_3_5_a_handshake_needs_the_same_credentials(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(user="bridge", password="pw")
    path = f"/streamsets/channel?webId={sim.web_id(sim.stream('Float32'))}"
    assert await refused_handshake(sim, path) == 401
    channel = await sim.session.ws_connect(sim.url + path, headers={"Authorization": "Basic YnJpZGdlOnB3"})
    await opened(sim, 1)
    await channel.close()


async def test_trap_11_a_channel_url_of_five_hundred_full_web_ids_is_refused_in_html(sim: Sim) -> None:
    path = "/streamsets/channel?" + "&".join(f"webId={sim.web_id(sim.stream('Float32'), 'F')}" for _ in range(500))
    assert await refused_handshake(sim, path) == 414


async def test_section_3_1_a_plain_get_on_a_channel_is_refused(sim: Sim) -> None:
    for path in (f"/streamsets/channel?webId={sim.web_id(sim.stream('Float32'))}", f"/streams/{sim.web_id(sim.stream('Float32'))}/channel"):
        status, body = await sim.ask(path)
        assert status == 400
        assert "protocol of the request is not supported" in body["Message"]


async def test_section_3_1_what_a_client_sends_changes_nothing(still: Sim) -> None:
    channel = await still.channel(still.stream("Float32"))
    await channel.send_str('{"subscribe":["*"]}')
    await still.write(still.stream("Float32", 1), "*", 1)
    still.running.tick()
    await silence(channel)


async def test_drop_without_close_frame_ends_the_connection_without_a_word(still: Sim) -> None:
    channels = [await still.channel(still.stream("Float32")) for _ in range(3)]
    await opened(still, 3)
    assert await still.control("/channels/drop", {"count": 2, "close_frame": False}) == {"dropped": 2}
    for channel in channels[:2]:
        frame = await channel.receive(timeout=5)
        assert frame.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)
        assert channel.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    await opened(still, 1)
    await still.write(still.stream("Float32"), "*", 4)
    still.running.tick()
    assert (await message(channels[2]))["Items"]


async def test_drop_with_close_frame_says_going_away(still: Sim) -> None:
    channel = await still.channel(still.stream("Float32"))
    await opened(still, 1)
    dropped, frame = await asyncio.gather(still.control("/channels/drop", {"count": 5}), channel.receive(timeout=5))
    assert dropped == {"dropped": 1}
    assert frame.type is aiohttp.WSMsgType.CLOSE
    assert frame.data == aiohttp.WSCloseCode.GOING_AWAY


async def test_a_malformed_value_goes_out_on_the_channel_and_never_into_the_store(still: Sim) -> None:
    stream = still.stream("Float32")
    order = {"point_id": stream.point.point_id}
    assert (await still.control("/malformed", order))["channel_open"] is False
    channel = await still.channel(stream)
    before = await still.archive(stream)
    assert (await still.control("/malformed", order))["channel_open"] is True
    await still.write(stream, "*", 2.5)
    still.running.tick()
    [item] = (await message(channel))["Items"]
    assert sorted(times(item["Items"])) == sorted([BAD_TIME, still.at(0)])
    items = (await still.get(f"/streams/{still.web_id(stream)}/recorded?startTime=*-1d&maxCount=10000"))["Items"]
    assert BAD_TIME not in times(items)
    assert len(await still.archive(stream)) <= len(before) + 1
    still.running.tick()
    await silence(channel)


async def test_trap_36_a_client_which_never_reads_is_dropped_before_it_takes_the_memory(
    still: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.channels._MAX_WAITING_VALUES", 3)
    stream = still.stream("Float32")
    channel = await still.channel(stream)
    for second in range(4):
        await still.write(stream, still.at(second), 1)
    still.running.tick()
    async with asyncio.timeout(5):
        while not channel.closed:
            await channel.receive()
    assert channel.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    await opened(still, 0)


async def test_stopping_the_server_closes_channels_with_a_close_frame(start_simulator: StartSimulator) -> None:
    sim = await start_simulator()
    channel = await sim.channel(sim.stream("Float32"))
    await opened(sim, 1)
    _, frame = await asyncio.gather(sim.running.stop(), channel.receive(timeout=5))
    assert frame.type is aiohttp.WSMsgType.CLOSE


async def test_the_servers_own_tick_sends_without_help(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(tick_seconds=0.02)
    channel = await sim.channel(sim.stream("Float32"), query="&heartbeatRate=1")
    assert await message(channel) == {"Links": {}, "Items": []}
