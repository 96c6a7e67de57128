import json
from typing import Any

import pytest

from simulator.pitime import TICKS_PER_SECOND, format_ticks
from tests.simulator.world import NOON, Sim, StartSimulator, times

FLAGS = {"Good": True, "Questionable": False, "Substituted": False, "Annotated": False}


async def recorded(sim: Sim, web_id: str, query: str) -> list[Any]:
    answer = await sim.get(f"/streams/{web_id}/recorded?{query}")
    assert set(answer) == {"Links", "Items", "UnitsAbbreviation"}
    items: list[Any] = answer["Items"]
    return items


@pytest.fixture
async def sampled(start_simulator: StartSimulator) -> tuple[Sim, str]:
    """A still point without history whose archive holds seconds 0 to 9 after NOON and whose snapshot is second 10."""
    sim = await start_simulator(history_seconds=0.0, compression=False)
    sim.running.load.stop()
    sim.clock.ticks += 60 * TICKS_PER_SECOND
    stream = sim.stream("Float64")
    for second in range(11):
        await sim.write(stream, format_ticks(NOON + second * TICKS_PER_SECOND), second)
    return sim, sim.web_id(stream)


def at(second: float) -> str:
    return format_ticks(NOON + round(second * TICKS_PER_SECOND))


def span(first: float, last: float) -> str:
    return f"startTime={at(first)}&endTime={at(last)}"


async def test_section_2_4_a_value_object_has_exactly_these_properties(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    value = await sim.get(f"/streams/{web_id}/value")
    assert list(value) == ["Timestamp", "Value", "UnitsAbbreviation", "Good", "Questionable", "Substituted", "Annotated"]
    assert value == {"Timestamp": at(10), "Value": 10.0, "UnitsAbbreviation": ""} | FLAGS


async def test_section_2_4_states_and_flags_print_as_the_captures_show(still: Sim) -> None:
    digital, number, text = still.stream("Digital"), still.stream("Float32"), still.stream("String")
    await still.write(digital, "*", 1)
    await still.write(number, "*", {"system_state": 246})
    await still.write(text, "*", "Größe \U0001f525", questionable=True, substituted=True, annotated=True)
    value = await still.get(f"/streams/{still.web_id(digital)}/value")
    assert value["Value"] == {"Name": digital.point.states[1].name, "Value": 1, "IsSystem": False}
    assert value["Good"] is True
    value = await still.get(f"/streams/{still.web_id(number)}/value")
    assert (value["Value"], value["Good"]) == ({"Name": "I/O Timeout", "Value": 246, "IsSystem": True}, False)
    value = await still.get(f"/streams/{still.web_id(text)}/value")
    assert (value["Value"], value["Good"], value["Questionable"], value["Substituted"], value["Annotated"]) == (
        "Größe \U0001f525",
        True,
        True,
        True,
        True,
    )


async def test_trap_18_not_a_number_is_a_string(still: Sim) -> None:
    stream = still.stream("Float64")
    await still.write(stream, "*", "NaN")
    assert (await still.get(f"/streams/{still.web_id(stream)}/value"))["Value"] == "NaN"


async def test_section_2_2_inside_includes_both_ends(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    assert times(await recorded(sim, web_id, span(2, 5))) == [at(2), at(3), at(4), at(5)]


async def test_section_2_2_outside_adds_the_neighbours(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    assert times(await recorded(sim, web_id, span(2.5, 4.5) + "&boundaryType=Outside")) == [at(2), at(3), at(4), at(5)]
    assert times(await recorded(sim, web_id, span(4.5, 2.5) + "&boundaryType=outside")) == [at(5), at(4), at(3), at(2)]
    assert times(await recorded(sim, web_id, span(2.5, 4.5) + "&boundaryType=Outside&maxCount=3")) == [at(2), at(3), at(4)]
    assert times(await recorded(sim, web_id, span(9, 20) + "&boundaryType=Outside")) == [at(8), at(9), at(10)]
    await sim.refused(f"/streams/{web_id}/recorded?boundaryType=Around", 400)


async def test_trap_22_full_page_is_cut_silently(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    answer = await sim.get(f"/streams/{web_id}/recorded?{span(0, 10)}&maxCount=4")
    assert times(answer["Items"]) == [at(0), at(1), at(2), at(3)]
    assert answer["Links"] == {}


async def test_section_2_2_a_page_holds_a_thousand_values_by_default(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(points=1, rate_per_second=10.0, compression=False)
    web_id = sim.web_id(sim.running.store.streams[0])
    sim.advance(200)
    assert len(await recorded(sim, web_id, "startTime=*-200s")) == 1000
    assert len(await recorded(sim, web_id, "startTime=*-200s&maxCount=150000")) == pytest.approx(2000, abs=30)


async def test_trap_24_a_reversed_range_is_answered_newest_first(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    assert times(await recorded(sim, web_id, span(5, 2))) == [at(5), at(4), at(3), at(2)]
    assert times(await recorded(sim, web_id, span(20, 0) + "&maxCount=2")) == [at(10), at(9)]


async def test_trap_27_more_than_the_limit_is_400_not_a_short_page(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    assert "maxCount" in await sim.refused(f"/streams/{web_id}/recorded?maxCount=150001", 400)
    other = sim.web_id(sim.stream("Float32"))
    await sim.refused(f"/streamsets/recorded?webId={web_id}&webId={other}&maxCount=75001", 400)
    assert (await sim.ask(f"/streamsets/recorded?webId={web_id}&webId={other}&maxCount=75000"))[0] == 200
    for wrong in ("0", "-1", "1e3", "1_000", "ten", ""):
        await sim.refused(f"/streams/{web_id}/recorded?maxCount={wrong}", 400)


async def test_trap_26_the_snapshot_ends_a_range_and_compression_may_remove_it_later(still: Sim) -> None:
    stream = still.stream("Float64")
    web_id = still.web_id(stream)
    still.clock.ticks += 30 * TICKS_PER_SECOND
    for second in (1, 2):
        await still.write(stream, at(second), 5.0)
    assert times(await recorded(still, web_id, span(0.5, 20)))[-1] == at(2)
    await still.write(stream, at(3), 5.0)
    assert times(await recorded(still, web_id, span(1.5, 20))) == [at(3)]
    assert (await still.control("/status"))["events_compressed_away"] >= 1
    assert at(3) not in [format_ticks(row[0]) for row in await still.archive(stream)]


async def test_section_8_2_a_late_value_appears_behind_what_was_read(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    before = await recorded(sim, web_id, span(2, 4))
    answer = await sim.write(sim.stream("Float64"), at(2.5), 99)
    assert answer["late"] == 1
    after = await recorded(sim, web_id, span(2, 4))
    assert times(after) == [at(2), at(2.5), at(3), at(4)]
    assert [item for item in after if item["Value"] != 99.0] == before


async def test_trap_20_events_of_one_instant_stand_together_in_the_order_of_their_insertion(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    for value in (30, 31):
        await sim.write(sim.stream("Float64"), at(3), value)
    await sim.write(sim.stream("Float64"), at(10), 11)
    items = await recorded(sim, web_id, span(3, 3))
    assert [item["Value"] for item in items] == [3.0, 30.0, 31.0]
    items = await recorded(sim, web_id, span(10, 3) + "&maxCount=2")
    assert [item["Value"] for item in items] == [11.0, 10.0]


async def test_trap_23_a_page_walk_from_the_last_time_inclusive_finds_every_event(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    for value in range(100, 105):
        await sim.write(sim.stream("Float64"), at(3), value)
    found: list[Any] = []
    start, size = at(0), 4
    while True:
        page = await recorded(sim, web_id, f"startTime={start}&endTime={at(20)}&maxCount={size}")
        found = [item for item in found if item["Timestamp"] != start] + page
        if len(page) < size:
            break
        if page[-1]["Timestamp"] == start:
            size *= 2
        start = page[-1]["Timestamp"]
    assert [item["Value"] for item in found] == [0.0, 1.0, 2.0, 3.0, *map(float, range(100, 105)), *map(float, range(4, 11))]


async def test_trap_29_no_data_in_range_is_200_with_no_items(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    answer = await sim.get(f"/streams/{web_id}/recorded?startTime=1990-01-01T00:00:00Z&endTime=1991-01-01T00:00:00Z")
    assert answer == {"Links": {}, "Items": [], "UnitsAbbreviation": ""}


async def test_section_2_4_before_the_oldest_event_the_value_is_no_data_at_the_time_asked(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    for name in ("recordedattime?retrievalMode=AtOrBefore&", "value?"):
        value = await sim.get(f"/streams/{web_id}/{name}time=1990-01-01T00:00:00Z")
        assert value["Timestamp"] == "1990-01-01T00:00:00Z"
        assert value["Value"] == {"Name": "No Data", "Value": 248, "IsSystem": True}
        assert value["Good"] is False


@pytest.mark.parametrize(
    ("mode", "second", "found"),
    [
        ("", 3.5, 3),
        ("Auto", 3, 3),
        ("Auto", -86_400 * 365, None),
        ("AtOrBefore", 3.5, 3),
        ("AtOrBefore", 3, 3),
        ("AtOrBefore", 30, 10),
        ("Before", 3, 2),
        ("AtOrAfter", 3.5, 4),
        ("AtOrAfter", 3, 3),
        ("After", 3, 4),
        ("After", 9, 10),
        ("Exact", 10, 10),
    ],
)
async def test_section_2_2_each_retrieval_mode_finds_its_value(
    sampled: tuple[Sim, str], mode: str, second: float, found: float | None
) -> None:
    sim, web_id = sampled
    query = f"time={at(second)}" + (f"&retrievalMode={mode}" if mode else "")
    value = await sim.get(f"/streams/{web_id}/recordedattime?{query}")
    if found is None:
        assert value["Good"] is not None
        assert value["Timestamp"] > at(second)
    else:
        assert value["Timestamp"] == at(found)


async def test_section_2_2_exact_without_a_value_is_an_error(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    await sim.refused(f"/streams/{web_id}/recordedattime?time={at(3.5)}&retrievalMode=Exact", 404)
    await sim.refused(f"/streams/{web_id}/recordedattime?time={at(3.5)}&retrievalMode=Nearest", 400)
    await sim.refused(f"/streams/{web_id}/recordedattime", 400)


async def test_value_at_a_time_is_interpolated_where_the_point_does_not_step(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    assert (await sim.get(f"/streams/{web_id}/value?time={at(3.25)}"))["Value"] == 3.25
    assert (await sim.get(f"/streams/{web_id}/end"))["Value"] == 10.0


async def test_trap_13_selected_fields_reach_into_values(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    answer = await sim.get(f"/streams/{web_id}/recorded?{span(0, 1)}&selectedFields=items.timestamp;Items.Good")
    assert answer == {"Items": [{"Timestamp": at(0), "Good": True}, {"Timestamp": at(1), "Good": True}]}
    assert await sim.get(f"/streams/{web_id}/value?selectedFields=Value") == {"Value": 10.0}
    digital = sim.web_id(sim.stream("Digital"))
    assert list((await sim.get(f"/streams/{digital}/value?selectedFields=Value.Name"))["Value"]) == ["Name"]


async def test_section_2_3_a_stream_set_nests_items_and_comes_in_no_order(sim: Sim) -> None:
    streams = [sim.stream("Float32", i) for i in range(12)]
    query = "&".join(f"webid={sim.web_id(stream)}" for stream in streams)
    orders = set()
    for _ in range(4):
        answer = await sim.get(f"/streamsets/recorded?{query}&startTime=*-10m&webIdType=IDOnly")
        assert set(answer) == {"Links", "Items"}
        assert {item["WebId"] for item in answer["Items"]} == {sim.web_id(stream) for stream in streams}
        orders.add(tuple(item["Name"] for item in answer["Items"]))
        for item in answer["Items"]:
            assert set(item) == {"WebId", "Name", "Path", "Links", "Items", "UnitsAbbreviation"}
            alone = await recorded(sim, item["WebId"], "startTime=*-10m")
            assert item["Items"] == alone != []
    assert len(orders) > 1
    answer = await sim.get(f"/streamsets/value?{query}&sortField=Name")
    assert [item["Name"] for item in answer["Items"]] == sorted(stream.point.name for stream in streams)
    assert set(answer["Items"][0]) == {"WebId", "Name", "Path", "Links", "Value"}
    answer = await sim.get(f"/streamsets/recorded?{query}&selectedFields=Items.WebId;Items.Items.Value")
    assert set(answer["Items"][0]) == {"WebId", "Items"}
    await sim.refused("/streamsets/recorded", 400)
    await sim.refused(f"/streamsets/recorded?{query}&webId=nonsense", 400)


async def test_a_closed_range_reads_the_same_twice_while_values_arrive(sim: Sim) -> None:
    closed = f"startTime={sim.at(-3000)}&endTime={sim.at(-60)}&maxCount=10000"
    web_ids = [sim.web_id(stream) for stream in sim.running.store.streams]
    before = [await recorded(sim, web_id, closed) for web_id in web_ids[:50]]
    assert sum(map(len, before)) > 500
    sim.advance(100)
    assert (await sim.control("/status"))["events_written"] > 1000
    assert [await recorded(sim, web_id, closed) for web_id in web_ids[:50]] == before


async def test_recorded_and_the_control_archive_tell_the_same_events(sim: Sim) -> None:
    sim.advance(60)
    for stream in sim.running.store.streams[::3]:
        items = await recorded(sim, sim.web_id(stream), "startTime=*-60d&maxCount=100000")
        rows = await sim.archive(stream)
        printed = [
            [item["Timestamp"], item["Value"], item["Good"], item["Questionable"], item["Substituted"], item["Annotated"]] for item in items
        ]
        assert printed[:-1] == [[format_ticks(row[0]), *row[1:]] for row in rows]
        assert stream.snapshot is not None
        assert printed[-1][0] == format_ticks(stream.snapshot.ticks)


async def test_trap_28_a_plus_sent_raw_is_a_space_and_no_time(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    async with sim.session.get(f"{sim.url}/streams/{web_id}/recorded?endTime=%2A%2B10m") as answer:
        assert answer.status == 200
    await sim.refused(f"/streams/{web_id}/recorded?endTime=%2A+10m", 400)


async def test_trap_28_a_time_without_zone_is_read_in_the_servers_zone(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    naive = at(3).removesuffix("Z")
    local = await sim.get(f"/streams/{web_id}/recordedattime?time={naive}&retrievalMode=AtOrBefore")
    assert local["Timestamp"] == at(10), "six hours later than meant"
    zoned = await sim.get(f"/streams/{web_id}/recordedattime?time={naive}&timeZone=UTC")
    assert zoned["Timestamp"] == at(3)
    await sim.refused(f"/streams/{web_id}/recordedattime?time={naive}&timeZone=Nowhere/City", 400)


async def test_parameters_that_are_not_modelled_are_refused_and_not_ignored(sampled: tuple[Sim, str]) -> None:
    sim, web_id = sampled
    for query in (
        "filterExpression='.'>1",
        "associations=Annotations",
        "desiredUnits=degC",
        "boundaryType=Interpolated",
        "maxCount=1&maxCount=2",
    ):
        await sim.refused(f"/streams/{web_id}/recorded?{query}", 400)


async def test_numbers_on_the_wire_are_json_numbers_with_their_point_type(still: Sim) -> None:
    number, count = still.stream("Float32"), still.stream("Int32")
    await still.write(number, "*", 16.1)
    await still.write(count, "*", 7)
    async with still.session.get(f"{still.url}/streams/{still.web_id(number)}/value") as answer:
        assert b'"Value":16.1,' in await answer.read()
    async with still.session.get(f"{still.url}/streams/{still.web_id(count)}/value") as answer:
        text = await answer.read()
    assert b'"Value":7,' in text
    assert json.loads(text)["Good"] is True
