from typing import Any

from tests.simulator.world import Sim, url_path


async def test_section_1_3_points_multiple_answers_each_for_itself(sim: Sim) -> None:
    stream = sim.stream("Float32")
    path = f"\\\\PISIM\\{stream.point.name}"
    query = f"/points/multiple?webId={sim.web_id(stream)}&path={url_path(path)}"
    body = await sim.get(query)
    assert [(item["Identifier"], item["IdentifierType"]) for item in body["Items"]] == [(sim.web_id(stream), "WebId"), (path, "Path")]
    assert [item["Object"]["Id"] for item in body["Items"]] == [stream.point.point_id] * 2
    status, body = await sim.ask(query + "&webId=nonsense&path=nobody")
    assert status == 207
    failed = [item["IdentifierType"] for item in body["Items"] if "Exception" in item]
    assert failed == ["WebId", "Path"]
    assert all(item["Exception"]["Errors"] for item in body["Items"] if "Object" not in item)
    await sim.refused("/points/multiple", 400)
    await sim.refused(query + "&includeMode=All", 400)


async def test_section_1_3_attributes_of_a_point_have_lower_case_names_and_no_type(sim: Sim) -> None:
    stream = sim.stream("Float32")
    items = (await sim.get(f"/points/{sim.web_id(stream)}/attributes"))["Items"]
    found = {item["Name"]: item["Value"] for item in items}
    assert {set(item) == {"Name", "Value", "Links"} for item in items} == {True}
    assert (found["tag"], found["engunits"], found["pointsource"]) == (stream.point.name, stream.point.units, stream.point.source)
    assert (found["compdev"], found["future"]) == (stream.point.compression_deviation, 0)
    [unit] = (await sim.get(f"/points/{sim.web_id(stream)}/attributes?nameFilter=eng*"))["Items"]
    async with sim.session.get(unit["Links"]["Self"]) as answer:
        assert await answer.json() == await sim.get(f"/points/{sim.web_id(stream)}/attributes/engunits")
    await sim.refused(f"/points/{sim.web_id(stream)}/attributes/nothing", 404)


async def states_of(sim: Sim, name: str) -> tuple[dict[str, Any], dict[int, str]]:
    server = (await sim.get("/dataservers"))["Items"][0]
    async with sim.session.get(server["Links"]["EnumerationSets"]) as answer:
        sets = {item["Name"]: item for item in (await answer.json())["Items"]}
    async with sim.session.get(sets[name]["Links"]["Values"]) as answer:
        return sets[name], {item["Value"]: item["Name"] for item in (await answer.json())["Items"]}


async def test_section_1_3_enumeration_sets_tell_the_texts_of_digital_states(sim: Sim) -> None:
    stream = sim.stream("Digital")
    described, states = await states_of(sim, stream.point.digital_set)
    assert states == {state.value: state.name for state in stream.point.states}
    assert described["WebId"].startswith("F1MSD")
    assert await sim.get(f"/enumerationsets/{described['WebId']}") == described
    listed = await sim.get(f"/dataservers/{(await sim.get('/dataservers'))['Items'][0]['WebId']}/enumerationsets?webIdType=PathOnly")
    short = next(item for item in listed["Items"] if item["Name"] == described["Name"])
    assert short["WebId"].startswith("P1MSD")
    assert (await sim.get(f"/enumerationsets/{short['WebId']}"))["Id"] == described["Id"]
    await sim.refused("/enumerationsets/nonsense", 400)
    await sim.refused(f"/enumerationsets/{sim.web_id(stream)}", 404)


async def test_trap_13_state_248_of_the_system_set_is_no_data(sim: Sim) -> None:
    _, states = await states_of(sim, "System")
    assert (states[248], states[246]) == ("No Data", "I/O Timeout")


async def test_section_2_2_count_is_legal_for_every_type(sim: Sim) -> None:
    sim.advance(60)
    for kind in ("Float32", "Digital", "String", "Int32"):
        stream = sim.stream(kind)
        query = "summaryType=Count&calculationBasis=EventWeighted&startTime=*-50m&endTime=*-1m"
        body = await sim.get(f"/streams/{sim.web_id(stream)}/summary?{query}")
        items = (await sim.get(f"/streams/{sim.web_id(stream)}/recorded?startTime=*-50m&endTime=*-1m&maxCount=50000"))["Items"]
        assert body["Items"][0]["Type"] == "Count"
        assert body["Items"][0]["Value"]["Value"] == sum(item["Good"] for item in items) > 0
        grouped = await sim.get(f"/streamsets/summary?webId={sim.web_id(stream)}&{query}")
        assert grouped["Items"][0]["Items"] == body["Items"]
        assert grouped["Items"][0]["Name"] == stream.point.name


async def test_section_2_2_a_time_weighted_count_is_seconds_not_events(still: Sim) -> None:
    stream = still.stream("String")
    await still.write(stream, still.at(1), "a")
    await still.write(stream, still.at(11), {"system_state": 246})
    await still.write(stream, still.at(16), "b")
    body = await still.get(f"/streams/{still.web_id(stream)}/summary?summaryType=Count&startTime={still.at(1)}&endTime={still.at(20)}")
    assert body["Items"][0]["Value"]["Value"] == 14.0


async def test_section_2_2_other_summaries_are_refused_not_guessed(sim: Sim) -> None:
    path = f"/streams/{sim.web_id(sim.stream('Float32'))}/summary"
    for query in (
        "",
        "?summaryType=Average",
        "?summaryType=Sum",
        "?summaryType=Count&summaryDuration=1h",
        "?summaryType=Count&calculationBasis=x",
    ):
        await sim.refused(path + query, 400)
