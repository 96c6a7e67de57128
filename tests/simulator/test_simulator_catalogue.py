import base64
import itertools
import logging
from collections import Counter

import pytest

from simulator.pitime import format_ticks
from tests.simulator.world import NOON, Sim, StartSimulator, url_path

SECRET = {"user": "bridge", "password": "s3cret ü"}


async def test_section_1_1_landing_links_to_servers_and_has_no_version(sim: Sim) -> None:
    assert await sim.get("/") == {
        "Links": {
            "Self": sim.url + "/",
            "AssetServers": sim.url + "/assetservers",
            "DataServers": sim.url + "/dataservers",
            "System": sim.url + "/system",
        }
    }


async def test_section_1_1_status_tells_the_servers_own_time(sim: Sim) -> None:
    sim.clock.ticks += 90 * 10_000_000
    status = await sim.get("/system/status")
    assert status == {"UpTimeInMinutes": 1.5, "State": "Running", "CacheInstances": 0, "ServerTime": format_ticks(sim.clock.ticks)}


async def test_section_1_1_versions_is_a_dictionary_without_items(sim: Sim) -> None:
    versions = await sim.get("/system/versions")
    assert set(versions["PI Web API"]) == {"FullVersion", "MajorMinorRevision", "Build"}
    system = await sim.get("/system")
    assert set(system["Links"]) == {"Self", "CacheInstances", "Configuration", "UserInfo", "Versions", "Status"}
    assert set(await sim.get("/system/userinfo")) == {"IdentityType", "Name", "IsAuthenticated", "SID", "ImpersonationLevel"}


async def test_trap_10_a_server_by_name_or_path_is_one_object_not_items(sim: Sim) -> None:
    listed = await sim.get("/dataservers")
    [server] = listed["Items"]
    assert server["Id"] == str(sim.running.server_id)
    assert server["Path"] == "\\\\PIServers[PISIM]"
    assert server["ServerTime"] == format_ticks(NOON)
    assert server["IsConnected"] is True
    assert await sim.get("/dataservers?name=pisim") == server
    assert await sim.get("/dataservers?PATH=%5C%5CPISIM") == server
    assert await sim.get(f"/dataservers/{server['WebId']}") == server
    await sim.refused("/dataservers?name=other", 404)
    await sim.refused("/dataservers?path=PISIM", 400)


async def test_trap_9_points_are_paged_by_links_next_until_it_is_absent(sim: Sim) -> None:
    server = (await sim.get("/dataservers"))["Items"][0]
    url, pages, ids = f"{server['Links']['Points']}?maxCount=60&webIdType=IDOnly", 0, []
    while url:
        async with sim.session.get(url) as answer:
            page = await answer.json()
        pages += 1
        ids += [item["Id"] for item in page["Items"]]
        assert ("Previous" in page["Links"]) == (pages > 1)
        assert {"First", "Last"} <= set(page["Links"])
        assert all(item["WebId"][0] == "I" for item in page["Items"])
        url = page["Links"].get("Next")
    assert pages == 4
    assert ids == [stream.point.point_id for stream in sim.running.store.streams]
    assert len(set(ids)) == 200
    full = await sim.get(f"/dataservers/{server['WebId']}/points?maxCount=100&startIndex=100&selectedFields=Items.Id;Links")
    assert len(full["Items"]) == 100
    assert "Next" not in full["Links"], "a full last page is the last all the same"


async def test_trap_9_selected_fields_without_links_next_lose_the_paging(sim: Sim) -> None:
    server = (await sim.get("/dataservers"))["Items"][0]
    path = f"/dataservers/{server['WebId']}/points?maxCount=10"
    page = await sim.get(path + "&selectedFields=items.webid;Items.Name")
    assert list(page) == ["Items"]
    assert set(page["Items"][0]) == {"WebId", "Name"}
    page = await sim.get(path + "&selectedFields=Items.WebId;links.next")
    assert list(page["Links"]) == ["Next"]


async def test_section_1_3_a_page_holds_a_thousand_points_by_default(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(points=1001)
    server = (await sim.get("/dataservers"))["Items"][0]
    page = await sim.get(f"/dataservers/{server['WebId']}/points?selectedFields=Items.Id;Links")
    assert len(page["Items"]) == 1000
    assert "Next" in page["Links"]
    assert len((await sim.get(f"/dataservers/{server['WebId']}/points?startIndex=1000&selectedFields=Items.Id"))["Items"]) == 1
    await sim.refused(f"/dataservers/{server['WebId']}/points?maxCount=150001", 400)


async def test_section_1_3_name_filters_know_star_and_question_mark_and_no_case(sim: Sim) -> None:
    server = (await sim.get("/dataservers"))["Items"][0]
    names = [stream.point.name for stream in sim.running.store.streams]

    async def found(query: str) -> list[str]:
        page = await sim.get(f"/dataservers/{server['WebId']}/points?{query}")
        return [item["Name"] for item in page["Items"]]

    assert await found("nameFilter=u??:fic-*.pv") == [name for name in names if ":FIC-" in name] != []
    assert await found(f"nameFilter={url_path(names[0].lower())}") == [names[0]]
    assert await found("nameFilter=[U]*") == []
    assert await found("nameFilter=U*:FIC") == []
    sources = [stream.point.name for stream in sim.running.store.streams if stream.point.source == "OPC1"]
    assert await found("sourceFilter=opc1") == sources != []


async def test_section_1_3_a_point_has_an_integer_id_and_its_own_units(sim: Sim) -> None:
    stream = sim.stream("Digital")
    name = f"\\\\PISIM\\{stream.point.name}"
    point = await sim.get(f"/points?path={url_path(name.lower())}")
    assert point == await sim.get(f"/points/{sim.web_id(stream)}")
    assert point["Id"] == stream.point.point_id
    assert point["Path"] == name
    assert point["DigitalSetName"]
    assert point["PointClass"] == "classic"
    assert set(point["Links"]) >= {"Self", "DataServer", "RecordedData", "Value"}
    async with sim.session.get(point["Links"]["Value"]) as answer:
        assert answer.status == 200
    await sim.refused("/points?path=%5C%5CPISIM%5Cnobody", 404)
    await sim.refused("/points?path=nobody", 400)
    await sim.refused("/points", 400)


async def test_the_plant_has_the_promised_mix(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(points=1000, rate_per_second=100.0)
    points = await sim.control("/points")
    kinds = Counter(point["type"] for point in points)
    assert kinds == {"Float32": 500, "Float64": 350, "Digital": 80, "Int32": 40, "String": 30}
    assert sum(not point["live"] for point in points) == 10
    total, twins, states, digits = 0, 0, 0, Counter[int]()
    for stream in sim.running.store.streams:
        events = stream.archive.read()
        total += len(events)
        twins += sum(a.ticks == b.ticks for a, b in itertools.pairwise(events))
        states += sum(not event.good for event in events)
        digits.update(len(format_ticks(event.ticks)) for event in events)
    assert 30_000 <= total <= 100_000
    assert twins > 50
    assert 100 < states < 2000
    assert digits[len("2022-12-09T14:06:38.4350128Z")] > total // 2
    assert digits[len("2022-12-09T14:06:38Z")] > 0


async def test_section_7_5_an_unknown_route_is_404_with_message_and_named_in_the_log(sim: Sim, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "simulator"):
        status, body = await sim.ask("/unitclasses")
    assert status == 404
    assert list(body) == ["Message"]
    assert "/piwebapi/unitclasses" in caplog.text
    for path in ("/../other", "/points/%0a/x%00", "/%FF"):
        status, body = await sim.ask(path)
        assert (status, list(body)) == (404, ["Message"])
    assert (await sim.control("/status"))["requests"]["unmodelled"] == 4


async def test_section_7_5_a_wrong_verb_is_405(sim: Sim) -> None:
    async with sim.session.delete(sim.url + "/system", headers={"X-Requested-With": "x"}) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"


async def test_trap_11_a_long_url_is_414_with_a_body_that_is_no_json(sim: Sim) -> None:
    web_id = sim.web_id(sim.stream("Float32"), "F")
    async with sim.session.get(sim.url + "/streamsets/value?" + "&".join([f"webId={web_id}"] * 300)) as answer:
        assert answer.status == 414
        assert answer.content_type == "text/html"
        assert (await answer.text()).startswith("<!DOCTYPE HTML")
    async with sim.session.get(sim.url + "/streamsets/value?" + "&".join([f"webId={web_id}"] * 200)) as answer:
        assert answer.status == 200
    status, body = await sim.ask("/streams/" + "A" * 261 + "/value")
    assert status == 400
    assert "<HTML>" in body


async def test_section_7_1_without_credentials_the_answer_is_a_401_challenge(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(**SECRET)
    token = base64.b64encode("bridge:s3cret ü".encode()).decode()
    for headers in ({}, {"Authorization": "Basic " + token[:-4]}, {"Authorization": "Bearer x"}, {"Authorization": "Basic"}):
        async with sim.session.get(sim.url + "/", headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
            assert await answer.json() == {"Message": "Authorization has been denied for this request."}
    info = await sim.get("/system/userinfo", headers={"Authorization": "basic " + token})
    assert (info["Name"], info["IsAuthenticated"]) == ("bridge", True)


async def test_section_7_3_trap_5_writing_verbs_without_x_requested_with_are_403_even_on_unknown_routes(sim: Sim) -> None:
    for path in ("/batch", "/streamsets/updates"):
        async with sim.session.post(sim.url + path, json={}) as answer:
            assert answer.status == 403
            assert "Errors" in await answer.json()
