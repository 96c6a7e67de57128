from typing import Any

import pytest

from simulator import jsonpath
from tests.simulator.world import CSRF, Sim


def value_of(sim: Sim, number: int = 0) -> dict[str, Any]:
    return {"Method": "GET", "Resource": f"{sim.url}/streams/{sim.web_id(sim.stream('Float32', number))}/value"}


async def test_section_4_a_batch_is_207_with_one_entry_per_key(sim: Sim) -> None:
    status, answer = await sim.batch({"1": value_of(sim)})
    assert status == 207
    assert answer == {
        "1": {
            "Status": 200,
            "Headers": {"Content-Type": "application/json; charset=utf-8"},
            "Content": await sim.get(f"/streams/{sim.web_id(sim.stream('Float32'))}/value"),
        }
    }
    assert await sim.batch({}) == (207, {})


async def test_trap_1_keys_come_back_shuffled(sim: Sim) -> None:
    keys = [str(i) for i in range(30)]
    orders = set()
    for _ in range(3):
        _, answer = await sim.batch({key: value_of(sim, int(key)) for key in keys})
        assert set(answer) == set(keys)
        orders.add(tuple(answer))
        for key in keys:
            assert answer[key]["Content"] == await sim.get(f"/streams/{sim.web_id(sim.stream('Float32', int(key)))}/value")
    assert tuple(keys) not in orders


async def test_trap_1_a_list_is_refused(sim: Sim) -> None:
    status, answer = await sim.batch([value_of(sim)])
    assert status == 400
    assert list(answer) == ["Errors"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"Parameters": {"startTime": "*-1h"}}, id="trap 2: Parameters as a dictionary"),
        pytest.param({"Content": {"Name": "A1"}}, id="trap 3: Content as an object"),
        pytest.param({"Parameters": "$.1.Content"}, id="Parameters as one string"),
        pytest.param({"ParentIds": "1"}, id="ParentIds as one string"),
        pytest.param({"ParentIds": ["nobody"]}, id="an unknown parent"),
        pytest.param({"ParentIds": ["1"]}, id="its own parent"),
        pytest.param({"Headers": {"Cache-Control": 1}}, id="a header that is no string"),
        pytest.param({"Method": None}, id="no verb"),
        pytest.param({"Method": "FETCH"}, id="no such verb"),
        pytest.param({"Resource": None}, id="no resource"),
        pytest.param({"RequestTemplate": {"Resource": "x"}}, id="template beside resource"),
    ],
)
async def test_section_4_a_wrong_shape_refuses_the_whole_request(sim: Sim, change: dict[str, Any]) -> None:
    status, answer = await sim.batch({"1": value_of(sim) | change})
    assert status == 400
    assert list(answer) == ["Errors"]


async def test_trap_5_a_batch_without_x_requested_with_is_403(sim: Sim) -> None:
    status, answer = await sim.batch({"1": value_of(sim)}, headers={"Accept": "*/*"})
    assert status == 403
    assert list(answer) == ["Errors"]


async def test_section_4_malformed_json_is_400_and_another_media_type_415(sim: Sim) -> None:
    async with sim.session.post(sim.url + "/batch", data=b'{"1":', headers=CSRF | {"Content-Type": "application/json"}) as answer:
        assert answer.status == 400
    async with sim.session.post(sim.url + "/batch", data=b"{}", headers=CSRF | {"Content-Type": "text/plain"}) as answer:
        assert answer.status == 415


async def test_trap_4_a_failed_sub_request_does_not_change_the_outer_207(sim: Sim) -> None:
    status, answer = await sim.batch(
        {
            "good": value_of(sim),
            "malformed": {"Method": "GET", "Resource": sim.url + "/streams/nonsense/value"},
            "unknown": {"Method": "GET", "Resource": sim.url + "/unitclasses"},
            "foreign": {"Method": "GET", "Resource": "https://example.org/other"},
            "relative": {"Method": "GET", "Resource": "streams/x/value"},
            "verb": {"Method": "DELETE", "Resource": sim.url + "/system"},
            "channel": {"Method": "GET", "Resource": sim.url + "/streamsets/channel"},
            "nested": {"Method": "POST", "Resource": sim.url + "/batch", "Content": "{}"},
        }
    )
    assert status == 207
    assert {key: entry["Status"] for key, entry in answer.items()} == {
        "good": 200,
        "malformed": 400,
        "unknown": 404,
        "foreign": 404,
        "relative": 400,
        "verb": 405,
        "channel": 400,
        "nested": 400,
    }
    assert list(answer["malformed"]["Content"]) == ["Errors"]
    assert list(answer["unknown"]["Content"]) == ["Message"]


async def test_section_4_host_and_port_of_a_resource_are_ignored(sim: Sim) -> None:
    entry = value_of(sim)
    entry["Resource"] = entry["Resource"].replace(sim.url, "https://pi.example.org:8443/piwebapi")
    _, answer = await sim.batch({"1": entry})
    assert answer["1"]["Status"] == 200


async def test_section_4_parameters_are_filled_from_the_parents_answer(sim: Sim) -> None:
    stream = sim.stream("Float32")
    path = f"{sim.url}/points?path=%5C%5CPISIM%5C{stream.point.name.replace(':', '%3A')}&selectedFields=WebId"
    _, answer = await sim.batch(
        {
            "2": {
                "Method": "GET",
                "Resource": "https://h/piwebapi/streams/{0}/recorded?startTime=*-10m&maxCount=5",
                "ParentIds": ["1"],
                "Parameters": ["$.1.Content.WebId"],
                "Headers": {"Cache-Control": "no-cache"},
            },
            "1": {"Method": "GET", "Resource": path},
        }
    )
    assert answer["2"]["Content"] == await sim.get(f"/streams/{sim.web_id(stream)}/recorded?startTime=*-10m&maxCount=5")
    assert answer["2"]["Content"]["Items"]


async def test_section_4_a_template_makes_one_sub_request_per_token_in_token_order(sim: Sim) -> None:
    server = (await sim.get("/dataservers"))["Items"][0]["WebId"]
    points = {"Method": "GET", "Resource": f"{sim.url}/dataservers/{server}/points?maxCount=5"}
    _, answer = await sim.batch(
        {
            "points": points,
            "links": {"Method": "GET", "RequestTemplate": {"Resource": "$.points.Content.Items[*].Links.Value"}, "ParentIds": ["points"]},
            "filled": {
                "Method": "GET",
                "RequestTemplate": {"Resource": sim.url + "/streams/{0}/value"},
                "Parameters": ["$.points.Content.Items[*].WebId"],
                "ParentIds": ["points"],
            },
        }
    )
    expected = [await sim.get(f"/streams/{point['WebId']}/value") for point in answer["points"]["Content"]["Items"]]
    assert len(expected) == 5
    for key in ("links", "filled"):
        assert answer[key]["Status"] == 207
        assert [item["Content"] for item in answer[key]["Content"]["Items"]] == expected


async def test_section_4_a_child_of_a_failed_parent_is_not_run(sim: Sim) -> None:
    bad = {"Method": "GET", "Resource": sim.url + "/points/nonsense"}
    _, answer = await sim.batch({"1": bad, "2": value_of(sim) | {"ParentIds": ["1"]}})
    assert (answer["1"]["Status"], answer["2"]["Status"]) == (400, 424)


async def test_section_4_a_path_into_a_request_that_is_no_parent_fails_always_not_by_luck(sim: Sim) -> None:
    child = {"Method": "GET", "Resource": sim.url + "/streams/{0}/value", "Parameters": ["$.1.Content.WebId"]}
    good = {"Method": "GET", "Resource": f"{sim.url}/points/{sim.web_id(sim.stream('Float32'))}"}
    for _ in range(5):
        _, answer = await sim.batch({"1": good, "2": child})
        assert answer["2"]["Status"] == 400
    for path in ("$.1.Content.Nothing", "$.1.Content", "$.1.Content.", "1.Content.WebId"):
        _, answer = await sim.batch({"1": good, "2": child | {"Parameters": [path], "ParentIds": ["1"]}})
        assert answer["2"]["Status"] == 400, path


async def test_section_4_requests_in_a_circle_are_refused(sim: Sim) -> None:
    status, _ = await sim.batch({"1": value_of(sim) | {"ParentIds": ["2"]}, "2": value_of(sim) | {"ParentIds": ["1"]}})
    assert status == 400


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.a.b", [1]),
        ("$['a']['b']", [1]),
        ("$.l[*].n", [1, 2]),
        ("$.l[1].n", [2]),
        ("$.l[7].n", []),
        ("$.x", []),
        ("$.a.*", [1]),
        ('$["l"][0].n', [1]),
    ],
)
def test_json_paths_select_tokens_in_document_order(path: str, found: list[int]) -> None:
    document = {"a": {"b": 1}, "l": [{"n": 1}, {"n": 2}]}
    assert jsonpath.select(jsonpath.parse(path), document) == found
