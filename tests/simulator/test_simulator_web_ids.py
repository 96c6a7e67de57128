from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.web_ids import BadWebId, decode, encode_point, encode_server
from tests.simulator.world import Sim, StartSimulator

SERVER = UUID("ca2b6a12-db8f-4157-b38a-5c4b5c7df5a6")
FULL_POINT = "F1DPEmoryo_bV0GzilxLXH31pgjowAAAQUJDX1BJX09QU1xBSUM2ODEwNTkuUFY"


def test_section_1_4_an_id_only_data_server_reads_as_its_guid() -> None:
    web_id = decode("I1DS1km7hQHxB0i6-VfC-9MwAA")
    assert (web_id.letter, web_id.marker, web_id.guids) == ("I", "DS", (UUID("85bb49d6-f101-4807-baf9-57c2fbd33000"),))


def test_section_1_4_a_full_point_reads_as_server_id_and_path() -> None:
    web_id = decode(FULL_POINT)
    assert (web_id.guids, web_id.point_id, web_id.path) == ((SERVER,), 35982, "ABC_PI_OPS\\AIC681059.PV")


def test_section_1_4_a_full_data_server_reads_as_guid_and_name() -> None:
    web_id = decode("F1DStNdEETiNm02M4FYFgorKtQRUMyQU1BWi01QjFCNFJM")
    assert (web_id.guids, web_id.path) == ((UUID("1144d7b4-8d38-4d9b-8ce0-5605828acab5"),), "EC2AMAZ-5B1B4RL")


def test_section_1_4_an_element_reads_as_system_and_element() -> None:
    guids = decode("I1EmDqD5loBNH0erqeqJodtALAaqQoQHk26BGgMQAVXYR0Ag").guids
    assert guids == (UUID("96f9a00e-4d80-471f-aba9-ea89a1db402c"), UUID("4028a46a-3679-11e8-a031-00155d847402"))


def test_section_1_4_an_attribute_of_an_element_reads_as_three_guids() -> None:
    web_id = decode("I1AbEDqD5loBNH0erqeqJodtALAYIKyyz2F5BGAxQAVXYRDBAGyPedZG1sUmxOOclp3Flwg")
    assert web_id.guids[1:] == (UUID("cbb28260-853d-11e4-80c5-00155d844304"), UUID("75de231b-b591-49b1-b138-e725a77165c2"))


def test_section_1_4_the_vectors_are_written_again_letter_by_letter() -> None:
    assert encode_point("F", SERVER, "ABC_PI_Ops", 35982, "AIC681059.PV") == FULL_POINT
    assert encode_server("I", UUID("85bb49d6-f101-4807-baf9-57c2fbd33000"), "x") == "I1DS1km7hQHxB0i6-VfC-9MwAA"
    server = encode_server("F", UUID("1144d7b4-8d38-4d9b-8ce0-5605828acab5"), "EC2AMAZ-5b1b4rl")
    assert server == "F1DStNdEETiNm02M4FYFgorKtQRUMyQU1BWi01QjFCNFJM"


@given(st.sampled_from("FIPLD"), st.uuids(), st.integers(0, 2**31 - 1), st.text(min_size=1).filter(lambda t: t.upper().isprintable()))
def test_every_written_point_web_id_is_read_back(letter: str, server: UUID, point_id: int, tag: str) -> None:
    web_id = decode(encode_point(letter, server, "SRV", point_id, tag))
    assert web_id.guids == ((server,) if letter in "FI" else ())
    assert web_id.point_id == (None if letter == "P" else point_id)
    assert web_id.path == ("SRV\\" + tag.upper() if letter in "FP" else None)


@given(st.text() | st.from_regex(r"[FIPLD]1(DP|DS|Em|Ab)[A-Za-z0-9_-]{0,60}", fullmatch=True))
def test_any_text_is_a_web_id_or_is_refused(text: str) -> None:
    try:
        assert decode(text).letter in "FIPLD"
    except BadWebId as error:
        assert str(error).startswith("Unknown or invalid WebID format: ")  # noqa: PT017 - both outcomes are right, each in its form


@pytest.mark.parametrize(
    "web_id", ["", "x", "F1DP", "F0DPEmoryo", FULL_POINT[:20], FULL_POINT.replace("_", "/"), "I1DPEmoryo_bV0GzilxLXH31pgjowAAB", "ü" * 40]
)
async def test_section_7_5_a_malformed_web_id_is_400(sim: Sim, web_id: str) -> None:
    status, body = await sim.ask(f"/streamsets/value?webId={web_id}")
    assert status == 400
    assert list(body) == ["Errors"]


async def test_section_7_5_a_web_id_of_nobody_is_404(sim: Sim) -> None:
    await sim.refused(f"/points/{FULL_POINT}", 404)
    await sim.refused("/dataservers/I1DS1km7hQHxB0i6-VfC-9MwAA", 404)
    stranger = encode_point("I", sim.running.server_id, "PISIM", 999_999, "X")
    await sim.refused(f"/streams/{stranger}/value", 404)


async def test_all_five_types_lead_to_the_same_point(sim: Sim) -> None:
    stream = sim.stream("Float32")
    found = [(await sim.get(f"/points/{sim.web_id(stream, letter)}"))["Id"] for letter in "FIPLD"]
    assert found == [stream.point.point_id] * 5


async def test_trap_21_web_id_type_picks_the_form_of_the_answer(sim: Sim) -> None:
    stream = sim.stream("Float32")
    for name, letter in (("Full", "F"), ("IDOnly", "I"), ("PathOnly", "P")):
        answer = await sim.get(f"/points/{sim.web_id(stream)}?webIdType={name}")
        assert answer["WebId"] == sim.web_id(stream, letter)
    assert len(sim.web_id(stream, "I")) == 32
    assert (await sim.get(f"/points/{sim.web_id(stream)}"))["WebId"][0] == "F"
    await sim.refused(f"/points/{sim.web_id(stream)}?webIdType=Short", 400)


async def test_a_web_id_of_another_server_is_404(start_simulator: StartSimulator) -> None:
    one, other = await start_simulator(), await start_simulator(server_name="OTHER")
    await other.refused(f"/streams/{one.web_id(one.stream('Float32'))}/value", 404)
