from typing import Any

import pytest

from simulator.cli import build_parser, read_settings
from simulator.settings import BadSettings
from tests.simulator.works import DATABASE, database, elements, equipment, every, follow
from tests.simulator.world import Sim, StartSimulator, url_path

TREE = f"{DATABASE}\\Works"


async def test_section_5_the_walk_starts_at_the_landing_page(sim: Sim) -> None:
    servers = (await follow(sim, (await sim.get("/"))["Links"]["AssetServers"]))["Items"]
    assert [(server["Name"], server["Path"]) for server in servers] == [("PISIM-AF", "\\\\PISIM-AF")]
    databases = (await follow(sim, servers[0]["Links"]["Databases"]))["Items"]
    assert [found["Path"] for found in databases] == [DATABASE]
    plant = (await follow(sim, databases[0]["Links"]["Elements"]))["Items"]
    assert [found["Path"] for found in plant] == [TREE]
    assert await follow(sim, servers[0]["Links"]["Self"]) == servers[0]
    assert await follow(sim, plant[0]["Links"]["Database"]) == databases[0]


async def test_section_5_databases_are_not_listed_without_a_path(sim: Sim) -> None:
    await sim.refused("/assetdatabases", 400)
    await sim.refused(f"/assetdatabases?path={url_path('PISIM-AF')}", 400)
    await sim.refused(f"/assetdatabases?path={url_path(DATABASE + 'X')}", 404)
    assert (await database(sim))["Path"] == DATABASE
    await sim.refused("/assetservers?name=Other", 404)
    assert (await sim.get("/assetservers?name=pisim-af"))["Name"] == "PISIM-AF"


@pytest.mark.parametrize("path", ["categories", "eventframetemplates", "tables", "analysistemplates"])
async def test_section_5_what_is_no_collection_of_a_database_or_not_modelled_is_404_with_message(sim: Sim, path: str) -> None:
    status, body = await sim.ask(f"/assetdatabases/{(await database(sim))['WebId']}/{path}")
    assert (status, list(body)) == (404, ["Message"])


async def test_trap_41_without_search_full_hierarchy_only_direct_children_are_found(sim: Sim) -> None:
    top = (await follow(sim, (await database(sim))["Links"]["Elements"]))["Items"]
    assert [element["Name"] for element in top] == ["Works"]
    areas = (await follow(sim, top[0]["Links"]["Elements"]))["Items"]
    assert {element["TemplateName"] for element in areas} == {"Area"}
    deep = await elements(sim)
    assert {element["TemplateName"] for element in deep} >= {"Area", "Unit", "Pump"}
    assert len(deep) == sim.running.settings.element_count
    area = next(element for element in areas if element["HasChildren"])
    below = await every(sim, area["Links"]["Elements"] + "?searchFullHierarchy=true")
    assert 1 < len(below) < len(deep)
    assert all(element["Path"].startswith(area["Path"] + "\\") for element in below)


async def test_trap_44_an_element_under_two_parents_has_one_id_and_two_paths(sim: Sim) -> None:
    found = await elements(sim, "&associations=Paths&templateName=Equipment")
    shared = next(element for element in found if len(element["Paths"]) == 2)
    assert shared["Path"] == shared["Paths"][0]
    seen: dict[str, Any] = {}
    for path in shared["Paths"]:
        parent = await sim.get(f"/elements?path={url_path(path.rpartition(chr(92))[0])}")
        [child] = (await follow(sim, parent["Links"]["Elements"], f"?nameFilter={shared['Name']}"))["Items"]
        assert (child["Id"], child["Path"]) == (shared["Id"], path)
        assert (await follow(sim, child["Links"]["Self"]))["Path"] == path
        assert (await follow(sim, child["Links"]["Parent"]))["Id"] == parent["Id"]
        seen[child["WebId"]] = child
    assert len(seen) == 2
    assert "Paths" not in await sim.get(f"/elements?path={url_path(shared['Path'])}")
    await sim.refused(f"/elements?path={url_path(shared['Path'])}&associations=Everything", 400)


async def test_trap_44_a_weak_reference_leads_round_in_a_circle(sim: Sim) -> None:
    found = await elements(sim)
    holder = next(element for element in found if element["HasChildren"] and element["TemplateName"] not in ("", "Area", "Unit"))
    [area] = (await follow(sim, holder["Links"]["Elements"]))["Items"]
    assert area["TemplateName"] == "Area"
    assert area["Path"] == f"{holder['Path']}\\{area['Name']}"
    # A walk by links never ends: the area is below itself, time and again, by ever longer paths.
    path = area["Path"]
    for _ in range(2):
        path += holder["Path"].partition(area["Name"])[2] + "\\" + area["Name"]
        assert (await sim.get(f"/elements?path={url_path(path)}"))["Id"] == area["Id"]
    # A search over the full hierarchy has each element once.
    below = await every(sim, area["Links"]["Elements"] + "?searchFullHierarchy=true")
    ids = [element["Id"] for element in below]
    assert len(ids) == len(set(ids))
    assert area["Id"] not in ids
    assert len({element["Id"] for element in found}) == len(found)


async def test_trap_46_a_created_element_is_not_found_until_the_cache_is_refreshed(sim: Sim) -> None:
    created = await sim.control("/elements", {"parent": TREE, "name": "New area", "template": "Area"})
    assert created["path"] == f"{TREE}\\New area"
    path = f"/elements?path={url_path(created['path'])}"
    await sim.refused(path, 404)
    assert created["id"] not in [element["Id"] for element in await elements(sim)]
    sim.advance(59)
    await sim.refused(path, 404)
    sim.advance(2)
    assert (await sim.get(path))["Id"] == created["id"]
    assert created["id"] in [element["Id"] for element in await elements(sim)]


async def test_trap_46_a_request_with_no_cache_refreshes_it_for_everybody(sim: Sim) -> None:
    created = await sim.control("/elements", {"name": "Second works", "point_ids": [sim.stream("Float32").point.point_id]})
    path = f"/elements?path={url_path(created['path'])}"
    await sim.refused(path, 404)
    assert (await sim.get(path, headers={"Cache-Control": "no-cache"}))["Id"] == created["id"]
    assert [element["Name"] for element in (await follow(sim, (await database(sim))["Links"]["Elements"]))["Items"]] == [
        "Second works",
        "Works",
    ]
    assert (await sim.get(path))["Id"] == created["id"]


async def test_without_a_cache_a_created_element_is_there_at_once(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(af_cache_seconds=0)
    created = await sim.control("/elements", {"name": "Second works"})
    assert (await sim.get(f"/elements?path={url_path(created['path'])}"))["Id"] == created["id"]


@pytest.mark.parametrize(
    ("order", "status"),
    [
        ({"name": "Works"}, 400),
        ({"name": "a\\b"}, 400),
        ({"name": "x", "parent": f"{DATABASE}\\Nowhere"}, 404),
        ({"name": "x", "template": "High alarm"}, 400),
        ({"name": "x", "template": "Spaceship"}, 400),
        ({"name": "x", "point_ids": [7]}, 404),
        ({"name": "x", "colour": "red"}, 400),
    ],
)
async def test_the_control_port_refuses_an_element_that_cannot_be(sim: Sim, order: dict[str, Any], status: int) -> None:
    assert (await sim.control_status("/elements", order))[0] == status


async def test_the_control_port_tells_every_element_with_its_points(sim: Sim) -> None:
    told = {element["id"]: element for element in await sim.control("/elements")}
    assert told.keys() == {element["Id"] for element in await elements(sim)}
    shown = [number for element in told.values() for number in element["point_ids"]]
    assert sorted(shown) == [stream.point.point_id for stream in sim.running.store.streams]


async def test_section_5_elements_are_paged_by_name_until_there_is_no_next(sim: Sim) -> None:
    whole = await elements(sim)
    names = [element["Name"].lower() for element in whole]
    assert names == sorted(names)
    paged = await elements(sim, "&maxCount=7")
    assert [element["Id"] for element in paged] == [element["Id"] for element in whole]
    backwards = await elements(sim, "&maxCount=10&sortOrder=Descending")
    assert {element["Id"] for element in backwards} == {element["Id"] for element in whole}
    assert backwards[0]["Name"] == whole[-1]["Name"]
    last = await follow(sim, (await database(sim))["Links"]["Elements"], "?searchFullHierarchy=true&startIndex=1000")
    assert last["Items"] == []
    exact = await follow(sim, (await database(sim))["Links"]["Elements"], f"?searchFullHierarchy=true&maxCount={len(whole)}")
    assert (len(exact["Items"]), "Next" in exact["Links"]) == (len(whole), False)
    assert "Next" not in last["Links"]


async def test_section_2_2_selected_fields_really_remove_the_rest(sim: Sim) -> None:
    page = await follow(sim, (await database(sim))["Links"]["Elements"], "?selectedFields=Items.Name;Items.Links.Self&maxCount=1")
    assert list(page) == ["Items"]
    assert [list(element) for element in page["Items"]] == [["Name", "Links"]]
    assert list(page["Items"][0]["Links"]) == ["Self"]


async def test_five_hundred_elements_come_in_one_answer(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(elements=500)
    page = await follow(sim, (await database(sim))["Links"]["Elements"], "?searchFullHierarchy=true")
    assert len(page["Items"]) == 500
    assert len({element["Id"] for element in page["Items"]}) == 500


@pytest.mark.parametrize("size", [0, 1, 2, 9, 10, 30])
async def test_a_database_has_as_many_elements_as_asked_for(start_simulator: StartSimulator, size: int) -> None:
    sim = await start_simulator(elements=size)
    assert len(await elements(sim)) == size
    assert await every(sim, (await database(sim))["Links"]["EventFrames"]) == [] or size > 9


async def test_the_same_seed_is_the_same_works(start_simulator: StartSimulator) -> None:
    one, same, other = await start_simulator(), await start_simulator(), await start_simulator(seed=2)
    ids = [{(element["Id"], element["Path"]) for element in await elements(sim)} for sim in (one, same, other)]
    assert ids[0] == ids[1]
    assert not {id_ for id_, _ in ids[0]} & {id_ for id_, _ in ids[2]}


async def test_section_5_filters_choose_elements(sim: Sim) -> None:
    everything = await elements(sim)
    pumps = await elements(sim, "&templateName=pump")
    assert pumps
    assert {element["TemplateName"] for element in pumps} == {"Pump"}
    # What is derived from a template is found by it: a reactor is a tank, and both are equipment.
    tanks = await elements(sim, "&templateName=Tank")
    assert {element["TemplateName"] for element in tanks} == {"Tank", "Reactor"}
    assert len(await elements(sim, "&templateName=Equipment")) == sum(e["TemplateName"] not in ("", "Area", "Unit") for e in everything)
    assert {e["Id"] for e in await elements(sim, "&nameFilter=p*p%201?1")} == {e["Id"] for e in pumps if e["Name"][5::2] == "11"}
    rotating = await elements(sim, f"&categoryName={url_path('rotating equipment')}")
    assert {element["TemplateName"] for element in rotating} == {"Pump", "Compressor"}
    assert {e["TemplateName"] for e in await elements(sim, "&descriptionFilter=Process*")} == {"Unit"}
    await sim.refused(f"/elements/{pumps[0]['WebId']}/elements?elementType=Node", 400)
    await sim.refused(f"/elements/{pumps[0]['WebId']}/elements?sortField=Colour", 400)
    await sim.refused(f"/elements/{pumps[0]['WebId']}/elements?searchFullHierarchy=yes", 400)


async def test_section_5_a_search_by_text_finds_elements_at_any_depth(sim: Sim) -> None:
    path = f"/elements/search?databaseWebId={(await database(sim))['WebId']}&query="
    pumps = (await sim.get(path + url_path("Name:=Pump* Template:=Pump")))["Items"]
    assert {element["Id"] for element in pumps} == {element["Id"] for element in await elements(sim, "&templateName=Pump")}
    assert (await sim.get(path + url_path(f'"{pumps[0]["Name"]}"')))["Items"] == [pumps[0]]
    assert (await sim.get(path + url_path("Name:='Heat exchanger*' CategoryName:=Util*")))["Items"] == []
    others = (await sim.get(path + url_path("Template:=Equipment Name:<>Pump*")))["Items"]
    assert "Pump" not in {element["TemplateName"] for element in others}
    assert len((await sim.get(path))["Items"]) == sim.running.settings.element_count


@pytest.mark.parametrize("query", ["Colour:=red", "Name:>A", "Name:=", "Name:='open", "Root:=Works", "AllDescendants:=False", ":=x"])
async def test_section_5_search_text_that_is_not_modelled_is_400(sim: Sim, query: str) -> None:
    await sim.refused(f"/elements/search?databaseWebId={(await database(sim))['WebId']}&query={url_path(query)}", 400)


async def test_section_1_3_elements_multiple_answers_each_for_itself(sim: Sim) -> None:
    element = await equipment(sim)
    query = f"/elements/multiple?webId={element['WebId']}&path={url_path(element['Path'])}"
    body = await sim.get(query)
    assert list(body) == ["Items"]
    assert [item["Object"]["Id"] for item in body["Items"]] == [element["Id"]] * 2
    status, body = await sim.ask(f"{query}&path={url_path(DATABASE + chr(92) + 'Nowhere')}&webId=nonsense")
    assert status == 207
    assert [(item["IdentifierType"], "Exception" in item) for item in body["Items"]] == [
        ("WebId", False),
        ("WebId", True),
        ("Path", False),
        ("Path", True),
    ]
    await sim.refused("/elements/multiple", 400)


async def test_section_5_templates_of_event_frames_are_element_templates(sim: Sim) -> None:
    found = (await follow(sim, (await database(sim))["Links"]["ElementTemplates"]))["Items"]
    by_name = {template["Name"]: template for template in found}
    assert by_name["Pump"]["InstanceType"] == "Element"
    assert by_name["Reactor"]["BaseTemplate"] == "Tank"
    assert (by_name["High alarm"]["InstanceType"], by_name["High alarm"]["BaseTemplate"]) == ("EventFrame", "Process alarm")
    assert (by_name["High alarm"]["Severity"], by_name["High alarm"]["CanBeAcknowledged"]) == ("Major", True)
    assert await follow(sim, by_name["Reactor"]["Links"]["BaseTemplate"]) == by_name["Tank"]
    assert await sim.get(f"/elementtemplates?path={url_path(by_name['Pump']['Path'])}") == by_name["Pump"]
    element = (await elements(sim, "&templateName=Pump"))[0]
    assert await follow(sim, element["Links"]["Template"]) == by_name["Pump"]
    own = await follow(sim, by_name["Pump"]["Links"]["AttributeTemplates"])
    assert [design["Name"] for design in own["Items"]] == ["Rated power"]
    whole = (await follow(sim, by_name["Pump"]["Links"]["AttributeTemplates"], "?showInherited=true"))["Items"]
    assert {"Serial number", "Rated power"} <= {design["Name"] for design in whole}
    assert own["Items"][0]["WebId"].startswith("F1ATE")
    for design in whole:
        for name in ("Full", "IDOnly", "PathOnly", "LocalIDOnly", "DefaultIDOnly"):
            short = await follow(sim, design["Links"]["Self"], f"?webIdType={name}")
            assert (await sim.get(f"/attributetemplates/{short['WebId']}"))["Id"] == design["Id"]
    await sim.refused(f"/elementtemplates/{element['WebId']}", 404)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--elements", "-1"], "--elements"),
        (["--elements", "200001"], "--elements"),
        (["--af-cache", "-1"], "--af-cache"),
        (["--event-frames", "6001"], "--event-frames"),
        (["--elements", "0", "--event-frames", "0", "--af-cache", "0"], ""),
    ],
)
def test_options_of_the_asset_framework_have_bounds(options: list[str], sentence: str) -> None:
    settings = read_settings(build_parser().parse_args(options))
    if sentence:
        with pytest.raises(BadSettings, match=sentence):
            settings.check()
    else:
        settings.check()
        assert (settings.element_count, settings.event_frames_per_minute, settings.af_cache_seconds) == (0, 0, 0)


async def test_section_5_categories_and_enumeration_sets_belong_to_the_database(sim: Sim) -> None:
    links = (await database(sim))["Links"]
    for name in ("ElementCategories", "AttributeCategories"):
        [first, *_] = (await follow(sim, links[name]))["Items"]
        assert await follow(sim, first["Links"]["Self"]) == first
        assert first["WebId"].startswith(f"F1{name[0]}C")
    own = (await follow(sim, (await equipment(sim))["Links"]["Categories"]))["Items"]
    assert "Production" in [category["Name"] for category in own]
    sets = {found["Name"]: found for found in (await follow(sim, links["EnumerationSets"]))["Items"]}
    states = (await follow(sim, sets["Criticality"]["Links"]["Values"]))["Items"]
    assert [(state["Name"], state["Value"]) for state in states] == [("Low", 0), ("Medium", 1), ("High", 2)]
    assert sets["Criticality"]["WebId"].startswith("F1MSR")
    assert await follow(sim, sets["Criticality"]["Links"]["Self"]) == sets["Criticality"]
