from typing import Any

from tests.simulator.works import database, elements, follow
from tests.simulator.world import Sim, url_path


async def rules(sim: Sim, query: str = "") -> list[Any]:
    found = await sim.get(f"/notificationrules/search?databaseWebId={(await database(sim))['WebId']}&query={url_path(query)}")
    items: list[Any] = found["Items"]
    return items


async def test_section_6_3_rules_are_found_by_search_by_path_and_by_their_element(sim: Sim) -> None:
    found = await rules(sim)
    assert found
    for rule in found:
        assert await follow(sim, rule["Links"]["Self"]) == rule
        assert await sim.get(f"/notificationrules?path={url_path(rule['Path'])}") == rule
        element = await follow(sim, rule["Links"]["Element"])
        assert rule["Path"] == f"{element['Path']}\\NotificationRules[{rule['Name']}]"
        assert (await follow(sim, element["Links"]["NotificationRules"]))["Items"] == [rule]
    assert {rule["WebId"][:4] for rule in found} == {"F1NR"}
    assert {rule["Status"] for rule in found} <= {"Enabled", "Disabled"}


async def test_section_6_3_most_elements_have_no_rule(sim: Sim) -> None:
    counts = [len((await follow(sim, element["Links"]["NotificationRules"]))["Items"]) for element in await elements(sim)]
    assert set(counts) == {0, 1}
    assert sum(counts) == len(await rules(sim)) < len(await elements(sim, "&templateName=Equipment")) / 2


async def test_section_6_3_a_rule_has_subscribers(sim: Sim) -> None:
    names = set()
    for rule in await rules(sim):
        listed = await follow(sim, rule["Links"]["NotificationRuleSubscribers"])
        assert list(listed) == ["Items"]
        for one in listed["Items"]:
            assert await follow(sim, one["Links"]["Self"]) == one
            assert one["WebId"].startswith("F1NSL")
            assert {"ConfigString", "ContactTemplateName", "ContactType", "PlugInName", "NotifyOption", "RetryInterval"} <= one.keys()
            names.add(one["Name"])
    assert len(names) > 1


async def test_section_1_4_each_type_of_web_id_leads_to_the_same_rule_and_subscriber(sim: Sim) -> None:
    [rule, *_] = await rules(sim)
    [one, *_] = (await follow(sim, rule["Links"]["NotificationRuleSubscribers"]))["Items"]
    for name in ("Full", "IDOnly", "PathOnly", "LocalIDOnly", "DefaultIDOnly"):
        own = (await sim.get(f"/notificationrules/{rule['WebId']}?webIdType={name}"))["WebId"]
        assert (await sim.get(f"/notificationrules/{own}"))["Id"] == rule["Id"]
        other = (await sim.get(f"/notificationrulesubscribers/{one['WebId']}?webIdType={name}"))["WebId"]
        assert (await sim.get(f"/notificationrulesubscribers/{other}"))["Id"] == one["Id"]
        assert own[0] == other[0]


async def test_section_6_3_rules_are_searched_by_text(sim: Sim) -> None:
    everything = await rules(sim)
    [one] = await rules(sim, f'Name:="{everything[0]["Name"]}"')
    assert one == everything[0]
    assert await rules(sim, f"Status:={one['Status']}") == [rule for rule in everything if rule["Status"] == one["Status"]]
    assert await rules(sim, "ElementName:=Nobody") == []
    path = f"/notificationrules/search?databaseWebId={(await database(sim))['WebId']}"
    await sim.refused(path + "&query=Colour:=red", 400)
    first = await sim.get(path + "&maxCount=1")
    assert ("Next" in first["Links"]) == (len(everything) > 1)


async def test_section_6_3_what_is_no_rule_is_refused(sim: Sim) -> None:
    [rule, *_] = await rules(sim)
    await sim.refused("/notificationrules", 400)
    await sim.refused(f"/notificationrules?path={url_path(rule['Path'].rpartition(chr(92))[0])}", 400)
    await sim.refused(f"/notificationrules?path={url_path(rule['Path'][:-1] + 'x]')}", 404)
    await sim.refused("/notificationrules/search", 400)
    status, body = await sim.ask(f"/notificationrules/{rule['WebId']}/history")
    assert (status, list(body)) == (404, ["Message"])
    async with sim.session.post(sim.url + f"/notificationrules/{rule['WebId']}", headers={"X-Requested-With": "x"}) as answer:
        assert answer.status == 405
