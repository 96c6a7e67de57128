import base64
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.web_ids import decode, encode_object
from tests.simulator.works import attributes, database, elements, equipment, follow, frames
from tests.simulator.world import Sim, StartSimulator, url_path

TYPES = ("Full", "IDOnly", "PathOnly", "LocalIDOnly", "DefaultIDOnly")
MARKERS = ("RS", "RD", "Em", "ET", "EC", "AC", "Fm", "NR", "MSD", "MSR", "AbE", "AbF", "ATE", "MVD", "MVR", "NSL")
GUIDS = {"RS": 1} | dict.fromkeys(("AbE", "AbF", "ATE", "MVD", "MVR", "NSL"), 3)
ELEMENT = "I1EmDqD5loBNH0erqeqJodtALAaqQoQHk26BGgMQAVXYR0Ag"
ATTRIBUTE = "I1AbEDqD5loBNH0erqeqJodtALAYIKyyz2F5BGAxQAVXYRDBAGyPedZG1sUmxOOclp3Flwg"


def test_section_1_4_the_vectors_of_an_element_and_an_attribute_are_written_again_letter_by_letter() -> None:
    for text, marker in ((ELEMENT, "Em"), (ATTRIBUTE, "AbE")):
        assert encode_object("I", marker, decode(text).guids, "") == text


@given(st.sampled_from("FIPLD"), st.sampled_from(MARKERS), st.lists(st.uuids(), min_size=3, max_size=3), st.text(min_size=1))
def test_every_written_web_id_of_af_is_read_back(letter: str, marker: str, guids: list[UUID], path: str) -> None:
    own = tuple(guids[: GUIDS.get(marker, 2)])
    web_id = decode(encode_object(letter, marker, own, path))
    carried = {"F": own, "I": own, "P": ()}.get(letter, own if len(own) == 1 else own[1:])
    assert (web_id.letter, web_id.marker, web_id.guids) == (letter, marker, carried)
    assert web_id.path == (path.upper() if letter in "FP" else None)


async def test_section_1_4_each_type_of_web_id_leads_to_the_same_object(sim: Sim) -> None:
    element = await equipment(sim)
    attribute = next(iter((await attributes(sim, element)).values()))
    frame = (await frames(sim, "?nameFilter=Batch*"))[0]
    own = await database(sim)
    template = await follow(sim, element["Links"]["Template"])
    for collection, thing in (
        ("elements", element),
        ("attributes", attribute),
        ("eventframes", frame),
        ("assetdatabases", own),
        ("elementtemplates", template),
    ):
        web_ids = [(await sim.get(f"/{collection}/{thing['WebId']}?webIdType={name}"))["WebId"] for name in TYPES]
        assert "".join(web_id[0] for web_id in web_ids) == "FIPLD"
        assert web_ids[0] == thing["WebId"]
        for web_id in web_ids:
            assert (await sim.get(f"/{collection}/{web_id}"))["Id"] == thing["Id"], web_id


async def test_section_1_4_lengths_are_those_of_the_manual(sim: Sim) -> None:
    element = await equipment(sim)
    attribute = next(iter((await attributes(sim, element, "?webIdType=IDOnly")).values()))
    assert len((await sim.get(f"/elements/{element['WebId']}?webIdType=IDOnly"))["WebId"]) == 48
    assert len(attribute["WebId"]) == 71
    short = await attributes(sim, element, "?webIdType=LocalIDOnly")
    assert {len(item["WebId"]) for item in short.values()} == {71 - 22}


async def test_section_1_4_local_and_default_ids_do_not_say_whose_object_they_mean(start_simulator: StartSimulator) -> None:
    one, other = await start_simulator(), await start_simulator(seed=2)
    element = await equipment(one)
    assert len(decode(element["WebId"]).guids) == 2
    for letter, name in (("L", "LocalIDOnly"), ("D", "DefaultIDOnly")):
        short = (await one.get(f"/elements/{element['WebId']}?webIdType={name}"))["WebId"]
        assert decode(short).guids == (UUID(element["Id"]),)
        # Another server looks the id up among its own: it finds nothing here, and would find a copy of the element.
        await other.refused(f"/elements/{short}", 404)
        own = await equipment(other)
        foreign = encode_object(letter, "Em", (uuid4(), UUID(own["Id"])), "")
        assert (await other.get(f"/elements/{foreign}"))["Id"] == own["Id"]
    # What carries the server's id is refused by another.
    for name in ("Full", "IDOnly"):
        own = await one.get(f"/elements/{element['WebId']}?webIdType={name}")
        await other.refused(f"/elements/{own['WebId']}", 404)


async def test_section_1_4_a_full_web_id_finds_by_id_first_and_by_path_if_there_is_no_such_id(sim: Sim) -> None:
    [first, second, *_] = await elements(sim, "&templateName=Equipment")
    server = decode(first["WebId"]).guids[0]
    moved = encode_object("F", "Em", (server, UUID(first["Id"])), second["Path"][2:])
    assert (await sim.get(f"/elements/{moved}"))["Path"] == first["Path"]
    recreated = encode_object("F", "Em", (server, uuid4()), second["Path"][2:])
    assert (await sim.get(f"/elements/{recreated}"))["Id"] == second["Id"]
    await sim.refused(f"/elements/{encode_object('I', 'Em', (server, uuid4()), '')}", 404)


async def test_section_1_4_a_path_of_several_event_frames_of_one_name_means_the_first(sim: Sim) -> None:
    order = {"name": "Twice", "template": "Process alarm", "start": "*-2m"}
    [one, two] = [await sim.control("/event-frames", order) for _ in range(2)]
    found = await frames(sim, "?nameFilter=Twice")
    assert {frame["Id"] for frame in found} == {one["ef"], two["ef"]}
    assert len({frame["WebId"] for frame in found}) == 2
    short = {(await sim.get(f"/eventframes/{frame['WebId']}?webIdType=PathOnly"))["WebId"] for frame in found}
    assert len(short) == 1
    assert (await sim.get(f"/eventframes/{short.pop()}"))["Id"] == one["ef"]
    assert (await sim.get(f"/eventframes?path={url_path(found[0]['Path'])}"))["Id"] == one["ef"]


@pytest.mark.parametrize("collection", ["elements", "attributes", "eventframes", "assetdatabases", "assetservers", "notificationrules"])
async def test_section_7_5_a_malformed_web_id_of_af_is_400_and_one_of_another_kind_404(sim: Sim, collection: str) -> None:
    point = sim.web_id(sim.stream("Float32"))
    for wrong in ("nonsense", "I1Em", ELEMENT[:-1], "E0" + ELEMENT[2:], "I1Zz" + ELEMENT[4:], "I1AbX" + ATTRIBUTE[5:]):
        await sim.refused(f"/{collection}/{wrong}", 400)
    for strange in (ELEMENT, ATTRIBUTE, point):
        await sim.refused(f"/{collection}/{strange}", 404)
    await sim.refused(f"/streams/{ELEMENT}/value", 404)


async def test_trap_11_the_full_web_id_of_a_deep_attribute_is_too_long_for_a_path(sim: Sim) -> None:
    parent = (await equipment(sim))["Path"]
    created = await sim.control("/elements", {"parent": parent, "name": "A name of some length " * 4, "template": "Pump"})
    sim.advance(61)
    element = await sim.get(f"/elements?path={url_path(created['path'])}")
    long = (await attributes(sim, element))["Serial number"]["WebId"]
    assert len(long) > 260
    status, body = await sim.ask(f"/attributes/{long}")
    assert (status, body.startswith("<!DOCTYPE HTML")) == (400, True)
    short: Any = (await attributes(sim, element, "?webIdType=IDOnly"))["Serial number"]
    assert (await sim.get(f"/attributes/{short['WebId']}"))["Id"] == short["Id"]


def test_paths_are_encoded_in_capitals() -> None:
    text = encode_object("P", "Em", (), "AF\\Db\\Prüffeld")
    raw = text[4:]
    assert base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)).decode() == "AF\\DB\\PRÜFFELD"
