from typing import Any

import pytest

from tests.simulator.works import attributes, database, elements, equipment, every, follow, measured, write
from tests.simulator.world import Sim, StartSimulator, times, url_path


def tag_of(sim: Sim, attribute: Any) -> Any:
    """The stream behind an attribute."""
    return sim.running.store.by_name[attribute["ConfigString"].rpartition("\\")[2].upper()]


async def test_section_5_an_attribute_is_of_one_of_three_kinds(sim: Sim) -> None:
    found = await attributes(sim, await equipment(sim))
    kinds = {item["DataReferencePlugIn"] for item in found.values()}
    assert kinds == {"", "PI Point", "Formula"}
    serial = found["Serial number"]
    assert (serial["Type"], serial["ConfigString"], serial["IsConfigurationItem"]) == ("String", "", True)
    assert "Point" not in serial["Links"]
    assert "RecordedData" not in serial["Links"]
    assert serial["Links"]["Value"] == f"{sim.url}/attributes/{serial['WebId']}/value"
    for item in found.values():
        if item["DataReferencePlugIn"] == "PI Point":
            point = await follow(sim, item["Links"]["Point"])
            assert point["Path"] == item["ConfigString"]
            assert item["DefaultUnitsNameAbbreviation"] == ("" if point["PointType"] == "Digital" else point["EngineeringUnits"])
            assert item["Links"]["Value"] == f"{sim.url}/streams/{item['WebId']}/value"


async def test_section_5_excluded_and_hidden_attributes_are_shown_only_when_asked_for(sim: Sim) -> None:
    element = await equipment(sim)
    usual = await attributes(sim, element)
    assert not {"Asset key", "Former tag"} & usual.keys()
    hidden = await attributes(sim, element, "?showHidden=true")
    assert hidden.keys() - usual.keys() == {"Asset key"}
    excluded = await attributes(sim, element, "?showExcluded=true")
    assert excluded.keys() - usual.keys() == {"Former tag"}
    both = await attributes(sim, element, "?showExcluded=true&showHidden=true")
    assert (both["Asset key"]["IsHidden"], both["Former tag"]["IsExcluded"]) == (True, True)
    assert await follow(sim, both["Asset key"]["Links"]["Self"]) == both["Asset key"]
    named = {item["Name"] for item in (await follow(sim, element["Links"]["Value"]))["Items"]}
    assert named == {item["Name"] for item in usual.values()}


async def test_trap_41_child_attributes_are_below_their_parent(sim: Sim) -> None:
    element = await equipment(sim)
    direct, deep = await attributes(sim, element), await attributes(sim, element, "?searchFullHierarchy=true")
    assert not any("|" in name for name in direct)
    parent = next(item for item in direct.values() if item["HasChildren"])
    below = {item["Name"]: item for item in (await follow(sim, parent["Links"]["Attributes"]))["Items"]}
    assert below.keys() == {"High limit", "Low limit"}
    limit = below["High limit"]
    assert limit["Path"] == f"{parent['Path']}|High limit"
    assert deep[f"{parent['Name']}|High limit"] == limit
    assert (await follow(sim, limit["Links"]["Parent"]))["Id"] == parent["Id"]
    assert await sim.get(f"/attributes?path={url_path(limit['Path'])}") == limit
    traits = await attributes(sim, element, "?searchFullHierarchy=true&trait=LimitHi&trait=LimitLo")
    assert {item["TraitName"] for item in traits.values()} == {"LimitHi", "LimitLo"}
    set_ = await sim.get(f"/streamsets/{parent['WebId']}/value")
    assert {item["Name"] for item in set_["Items"]} == {"High limit", "Low limit"}


async def test_section_2_4_a_static_value_is_of_its_type(sim: Sim) -> None:
    found = await attributes(sim, await equipment(sim))
    values = {name: await follow(sim, found[name]["Links"]["Value"]) for name in found if found[name]["DataReferencePlugIn"] == ""}
    assert type(values["In service"]["Value"]) is bool
    assert values["Lifetime counter"]["Value"] > 2**53
    assert found["Lifetime counter"]["Type"] == "Int64"
    assert [type(part) for part in values["Characteristic"]["Value"]] == [float] * 3
    assert values["Criticality"]["Value"]["IsSystem"] is False
    assert found["Criticality"]["TypeQualifier"] == "Criticality"
    assert values["Commissioned"]["Value"].endswith("T00:00:00Z")
    assert {value["Timestamp"] for value in values.values()} == {"1970-01-01T00:00:00Z"}
    listed = (await follow(sim, found["Criticality"]["Links"]["EnumerationSet"]))["Name"]
    assert listed == "Criticality"


async def test_section_2_4_an_attribute_may_have_no_value(sim: Sim) -> None:
    path = f"/attributes/search?databaseWebId={(await database(sim))['WebId']}&query=Name:=Inspector"
    values = [(await follow(sim, item["Links"]["Value"]))["Value"] for item in (await sim.get(path))["Items"]]
    assert None in values
    assert "A. Keller" in values


async def test_trap_45_a_static_attribute_has_a_value_and_no_history(sim: Sim) -> None:
    element = await equipment(sim)
    static, live = (await attributes(sim, element))["Serial number"]["WebId"], (await measured(sim, element))["WebId"]
    assert (await sim.get(f"/attributes/{static}/value"))["Value"].startswith("SN-")
    for name in ("recorded", "end", "summary?summaryType=Count", "recordedattime?time=*", "value"):
        await sim.refused(f"/streams/{static}/{name}", 409)
    for name in ("recorded", "value"):
        await sim.refused(f"/streamsets/{name}?webId={live}&webId={static}", 409)
    # The rest of the run goes on: a set by its element has the history of those that have one.
    sets = await follow(sim, element["Links"]["RecordedData"])
    named = {item["Name"] for item in sets["Items"]}
    assert (await sim.get(f"/attributes/{live}"))["Name"] in named
    assert "Serial number" not in named
    for url in (f"/streams/{static}/updates", f"/streamsets/updates?webId={live}&webId={static}"):
        status, text = await write(sim, "POST", sim.url + url)
        assert (status, "static" in text) == (409, True)
    status, _ = await write(sim, "POST", f"{sim.url}/streamsets/updates?webId={live}")
    assert status == 200


async def test_section_2_a_point_attribute_is_a_view_of_the_point(still: Sim) -> None:
    attribute = await measured(still, await equipment(still))
    stream = tag_of(still, attribute)
    await still.write(stream, still.at(1), 12.5)
    still.advance(2)
    tag, own = f"/streams/{still.web_id(stream)}", f"/streams/{attribute['WebId']}"
    for path in ("/value", "/end", "/recordedattime?time=*", "/value?time=*-10m"):
        point, seen = await still.get(tag + path), await still.get(own + path)
        assert seen == point | {"UnitsAbbreviation": stream.point.units}, path
    query = "/recorded?startTime=*-40m&endTime=*&maxCount=500"
    point, seen = await still.get(tag + query), await still.get(own + query)
    assert [item | {"UnitsAbbreviation": ""} for item in seen["Items"]] == point["Items"]
    assert len(point["Items"]) > 0
    assert (seen["UnitsAbbreviation"], point["UnitsAbbreviation"]) == (stream.point.units, "")
    assert (await still.get(own + "/summary?summaryType=Count"))["Items"] == (await still.get(tag + "/summary?summaryType=Count"))["Items"]


async def test_section_2_4_a_value_in_a_bad_state_has_no_units(still: Sim) -> None:
    attribute = await measured(still, await equipment(still))
    await still.write(tag_of(still, attribute), still.at(1), {"system_state": 246})
    still.advance(2)
    value = await still.get(f"/streams/{attribute['WebId']}/value")
    assert (value["Good"], value["UnitsAbbreviation"]) == (False, "")


async def test_section_2_2_desired_units_are_refused_for_attributes_too(still: Sim) -> None:
    attribute = await measured(still, await equipment(still))
    await still.refused(f"/streams/{attribute['WebId']}/value?desiredUnits=degF", 400)


async def test_section_3_3_a_formula_is_computed_from_its_input(still: Sim) -> None:
    found = await attributes(still, await equipment(still))
    load = found["Load"]
    source = found[load["ConfigString"].partition(";")[0].removeprefix("A=")]
    zero, span = source["Zero"], source["Span"]
    query = "recorded?startTime=*-50m&maxCount=1000"
    inputs = (await still.get(f"/streams/{source['WebId']}/{query}"))["Items"]
    results = (await still.get(f"/streams/{load['WebId']}/{query}"))["Items"]
    assert times(results) == times(inputs)
    assert len(results) > 0
    for before, after in zip(inputs, results, strict=True):
        if before["Good"]:
            assert after["Value"] == pytest.approx(100 * (before["Value"] - zero) / span)
            assert after["UnitsAbbreviation"] == "%"
    stream = tag_of(still, source)
    await still.write(stream, still.at(1), {"system_state": 246})
    still.advance(2)
    bad = await still.get(f"/streams/{load['WebId']}/value")
    assert (bad["Good"], bad["Value"]["Value"], bad["Value"]["IsSystem"]) == (False, 255, True)


async def test_section_3_1_attributes_are_on_channels_with_their_units(still: Sim) -> None:
    element = await equipment(still)
    found = await attributes(still, element)
    load = found["Load"]
    source = found[load["ConfigString"].partition(";")[0].removeprefix("A=")]
    stream = tag_of(still, source)
    both = f"{still.url}/streamsets/channel?webId={source['WebId']}&webId={load['WebId']}&webId={still.web_id(stream)}"
    async with still.session.ws_connect(both) as channel:
        await still.write(stream, still.at(-30), 1.0)
        await still.write(stream, still.at(1), source["Zero"] + source["Span"] / 2)
        still.advance(2)
        message = await channel.receive_json(timeout=5)
    items = {item["Path"]: item for item in message["Items"]}
    assert items.keys() == {source["Path"], load["Path"], source["ConfigString"]}
    assert [value["UnitsAbbreviation"] for value in items[source["Path"]]["Items"]] == [stream.point.units] * 2
    assert [value["UnitsAbbreviation"] for value in items[source["ConfigString"]]["Items"]] == [""] * 2
    # Of a late value a formula reports nothing: it has a current value and no past (pi-web-api.md 3.3).
    assert [value["Value"] for value in items[load["Path"]]["Items"]] == [50.0]


async def test_section_3_1_a_channel_of_an_element_has_its_attributes(still: Sim) -> None:
    element = await equipment(still)
    attribute = await measured(still, element)
    async with still.session.ws_connect(f"{still.url}/streamsets/{element['WebId']}/channel") as channel:
        await still.write(tag_of(still, attribute), still.at(1), 3.5)
        still.advance(2)
        message = await channel.receive_json(timeout=5)
    assert {item["Path"].partition("|")[0] for item in message["Items"]} == {element["Path"]}
    assert [[value["Value"] for value in item["Items"]] for item in message["Items"] if item["WebId"] == attribute["WebId"]] == [[3.5]]
    load = (await attributes(still, element))["Load"]
    source = (await attributes(still, element))[load["ConfigString"].partition(";")[0].removeprefix("A=")]
    async with still.session.ws_connect(f"{still.url}/streamsets/{element['WebId']}/channel?nameFilter=Lo*d") as channel:
        await still.write(tag_of(still, source), still.at(1), 4.5)
        still.advance(2)
        assert {item["Name"] for item in (await channel.receive_json(timeout=5))["Items"]} == {"Load"}


async def test_section_3_7_updates_of_an_attribute_name_edits_and_carry_units(still: Sim) -> None:
    attribute = await measured(still, await equipment(still))
    stream = tag_of(still, attribute)
    async with still.session.post(f"{still.url}/streams/{attribute['WebId']}/updates", headers={"X-Requested-With": "x"}) as answer:
        registered = await answer.json()
    assert (registered["Source"], registered["SourcePath"], registered["Status"]) == (attribute["WebId"], attribute["Path"], "Succeeded")
    await still.write(stream, still.at(1), 1.5)
    await still.control("/edit", {"point_id": stream.point.point_id, "time": still.at(1), "value": 2.5})
    fetched = await still.get(f"/streams/updates/{registered['LatestMarker']}")
    assert [(event["Action"], event["Value"], event["UnitsAbbreviation"]) for event in fetched["Events"]] == [
        ("Add", 1.5, stream.point.units),
        ("Update", 2.5, stream.point.units),
    ]


async def test_reads_through_an_attribute_are_in_the_journal_as_reads_of_the_point(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(journaled=True)
    element = await equipment(sim)
    found = await attributes(sim, element)
    attribute, stream = await measured(sim, element), None
    stream = tag_of(sim, attribute)
    for path in ("value", "recorded?startTime=*-10m"):
        await sim.get(f"/streams/{attribute['WebId']}/{path}")
    await sim.get(f"/streams/{found['Load']['WebId']}/recorded")
    await sim.get(f"/attributes/{found['Serial number']['WebId']}/value")
    assert sim.running.journal is not None
    reads = [(line["p"], line["route"], line["a"]) for line in sim.running.journal.lines() if line["k"] == "read"]
    assert reads == [(stream.point.point_id, route, attribute["Id"]) for route in ("value", "recorded")]


async def test_section_5_attributes_of_the_whole_database_are_searched_by_the_server(sim: Sim) -> None:
    links = (await database(sim))["Links"]
    url = links["Self"] + "/elementattributes?searchFullHierarchy=true"
    everything = await every(sim, url + "&maxCount=300")
    expected = 0
    for element in await elements(sim):
        expected += len(await attributes(sim, element, "?searchFullHierarchy=true"))
    assert len(everything) == expected > 300
    assert len({(item["Path"]) for item in everything}) == expected
    serials = await every(sim, url + "&attributeNameFilter=Serial*&elementTemplate=Tank")
    assert {item["Name"] for item in serials} == {"Serial number"}
    assert len(serials) == len(await elements(sim, "&templateName=Tank"))
    assert await every(sim, links["Self"] + "/elementattributes") == []
    await sim.refused(f"/assetdatabases/{(await database(sim))['WebId']}/elementattributes?attributeType=x", 400)


async def test_section_5_a_search_by_text_finds_attributes_of_chosen_elements(sim: Sim) -> None:
    path = f"/attributes/search?databaseWebId={(await database(sim))['WebId']}&query="
    found = (await sim.get(path + url_path("Element:{Template:=Pump} Name:='Rated power'")))["Items"]
    assert len(found) == len(await elements(sim, "&templateName=Pump"))
    formulas = (await sim.get(path + url_path("PlugInName:=Formula")))["Items"]
    assert {item["Name"] for item in formulas} == {"Load"}
    await sim.refused(path + url_path("Element:{Colour:=red}"), 400)
    await sim.refused(path + url_path("Value:>3"), 400)


async def test_section_5_filters_choose_attributes(sim: Sim) -> None:
    element = await equipment(sim)
    assert {item["Type"] for item in (await attributes(sim, element, "?valueType=string")).values()} == {"String"}
    assert {n for c in (await attributes(sim, element, "?categoryName=Nameplate")).values() for n in c["CategoryNames"]} == {"Nameplate"}
    assert "Serial number" in await attributes(sim, element, "?templateName=Equipment")
    assert list(await attributes(sim, element, "?nameFilter=serial*")) == ["Serial number"]
    assert all(item["Paths"] for item in (await attributes(sim, element, "?associations=Paths")).values())
    await sim.refused(f"/elements/{element['WebId']}/attributes?traitCategory=Limit", 400)


async def test_section_1_3_attributes_multiple_answers_each_for_itself(sim: Sim) -> None:
    attribute = (await attributes(sim, await equipment(sim)))["Serial number"]
    query = f"/attributes/multiple?webId={attribute['WebId']}&path={url_path(attribute['Path'])}"
    assert [item["Object"] for item in (await sim.get(query))["Items"]] == [attribute] * 2
    status, body = await sim.ask(f"{query}&path={url_path(attribute['Path'] + 'x')}")
    assert status == 207
    assert ["Exception" in item for item in body["Items"]] == [False, False, True]


async def test_section_4_a_batch_walks_from_elements_to_values(sim: Sim) -> None:
    element = await equipment(sim)
    status, body = await sim.batch(
        {
            "a": {"Method": "GET", "Resource": element["Links"]["Attributes"] + "?selectedFields=Items.Links.Value"},
            "v": {"Method": "GET", "RequestTemplate": {"Resource": "$.a.Content.Items[*].Links.Value"}, "ParentIds": ["a"]},
        }
    )
    assert status == 207
    inner = body["v"]["Content"]["Items"]
    assert len(inner) == len(await attributes(sim, element))
    assert {item["Status"] for item in inner} == {200}
