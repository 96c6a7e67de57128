"""Answers to single requests with anything wrong in them: a call ends in an answer or a named failure, the inventory in points or none."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any, cast

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import PIRefused, PIUnavailable, PIUnreadable
from bridge.inventory import Inventory
from bridge.kafka import Codec
from bridge.piwebapi import PIWebAPI
from bridge.points import unpacked
from bridge.shard import World
from schemas import wire
from schemas.records import Point
from tests.unit.bridge.simulated import reading
from tests.unit.bridge.spoilt import DEPTHS, STEADY, bytes_of, nested, spoil

SERVER_ID = "85bb49d6-f101-4807-baf9-57c2fbd33000"
BASE = "http://127.0.0.1:1/piwebapi"
CONFIG = reading(BASE, SERVER_ID)
NOW = 17_041_000_000_000_000
FEWER = settings(STEADY, max_examples=80)
"""Each example makes a client of its own."""
SERVERS = {"Links": {}, "Items": [{"WebId": "I1DS1", "Id": SERVER_ID, "Name": "MyPIServer", "Path": "\\\\PIServers[MyPIServer]"}]}
STATUS = {"UpTimeInMinutes": 32345.6, "State": "Running", "CacheInstances": 0, "ServerTime": "2024-01-01T10:00:00.1234567Z"}


def listed(number: int) -> dict[str, Any]:
    return {
        "WebId": f"I1DP{number}", "Id": number, "Name": f"AIC{number}.PV", "Path": f"\\\\S\\AIC{number}.PV", "Descriptor": "Level",
        "PointClass": "classic", "PointType": "Float32", "DigitalSetName": "", "EngineeringUnits": "degC", "Span": 100.0, "Zero": 0.0,
        "Step": False, "Future": False, "DisplayDigits": -5,
    }  # fmt: skip


FIRST = {"Links": {"Next": BASE + "/dataservers/I1DS1/points?startIndex=2"}, "Items": [listed(1), listed(2)]}
SECOND = {"Links": {}, "Items": [listed(3)]}
Answer = Callable[[httpx2.Request], httpx2.Response]


def asked(answer: Answer, call: Callable[[World], Any]) -> Any:
    """What a call comes to with a PI that answers like that; at most fifty requests."""
    requests = 0

    def counted(request: httpx2.Request) -> httpx2.Response:
        nonlocal requests
        requests += 1
        assert requests <= 50, "a walk without an end"
        return answer(request)

    async def main() -> Any:
        pi = PIWebAPI(CONFIG.pi)
        await pi._client.aclose()
        pi._client = httpx2.AsyncClient(transport=httpx2.MockTransport(counted), follow_redirects=False, trust_env=False)
        pi.clock.observe(NOW, 0.0)
        try:
            return await call(World(CONFIG, pi, cast(Codec, None), {}, random.Random(1)))
        finally:
            await pi.close()

    return asyncio.run(main())


def inventory(answer: Answer) -> dict[str, Point] | None:
    """The points that an inventory finds, each of which Kafka could take; None if it ended in a failure that the bridge names."""
    try:
        kept: dict[str, bytes] = asked(answer, lambda world: Inventory(world)._found())
    except (PIUnavailable, PIRefused, PIUnreadable):
        return None
    found = {key: unpacked(content) for key, content in kept.items()}
    for point in found.values():
        assert len(wire.encode(1, wire.schema("point"), cast(dict[str, Any], point))) < 1_000_000
    return found


def serving(*pages: bytes, servers: bytes | None = None, **more: Any) -> Answer:
    """A PI that lists its servers and then these pages, the last one again and again."""
    waiting = list(pages)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/points"):
            return httpx2.Response(200, content=waiting.pop(0) if len(waiting) > 1 else waiting[0], **more)
        return httpx2.Response(200, content=json.dumps(SERVERS).encode() if servers is None else servers)

    return answer


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_an_inventory_that_nothing_spoils_finds_every_point() -> None:
    found = inventory(serving(body(FIRST), body(SECOND)))
    assert found is not None
    assert found.keys() == {"main:1", "main:2", "main:3"}


@pytest.mark.parametrize(("limit", "whole"), [(1000, True), (999, True), (7, True), (6, False)])
def test_trap_27_an_inventory_whose_page_pi_refuses_is_walked_in_smaller_ones(limit: int, whole: bool) -> None:
    plain = serving(body(FIRST), body(SECOND))

    def answer(request: httpx2.Request) -> httpx2.Response:
        if int(request.url.params.get("maxCount", 0)) > limit:
            return httpx2.Response(400, json={"Errors": [f"Parameter (maxCount) is greater than the maximum allowed ({limit})."]})
        return plain(request)

    assert (inventory(answer) is not None) is whole


@given(st.data())
@FEWER
def test_a_spoilt_inventory_finds_points_or_fails_by_name(data: st.DataObject) -> None:
    pages = [data.draw(bytes_of(data.draw(spoil(page)))) for page in (FIRST, SECOND)]
    found = inventory(serving(*pages))
    assert found is None or all(key.startswith("main:") for key in found)


@given(st.data())
@FEWER
def test_a_spoilt_list_of_servers_ends_in_points_or_fails_by_name(data: st.DataObject) -> None:
    inventory(serving(body(SECOND), servers=data.draw(bytes_of(data.draw(spoil(SERVERS))))))


@given(st.integers(0, 2), st.data())
@FEWER
def test_one_point_that_cannot_be_understood_does_not_cost_the_others(which: int, data: st.DataObject) -> None:
    items = [listed(1), listed(2), listed(3)]
    items[which] = data.draw(spoil(items[which]))
    found = inventory(serving(body({"Links": {}, "Items": items})))
    assert found is not None
    assert found.keys() >= {f"main:{n}" for n in (1, 2, 3) if n != which + 1}


@pytest.mark.parametrize(
    "odd",
    [
        {"Id": 10**30},
        {"Id": True},
        {"Id": "2"},
        {"Zero": 10**400},
        {"DisplayDigits": 2**40},
        {"Descriptor": "x" * 2_000_000},
        {"Name": "\ud800"},
        {"PointType": None},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_a_point_that_no_record_can_hold_is_left_out_alone(odd: dict[str, Any]) -> None:
    found = inventory(serving(body({"Links": {}, "Items": [listed(1), listed(2) | odd, listed(3)]})))
    assert found is not None
    assert found.keys() == {"main:1", "main:3"}


@pytest.mark.parametrize(
    "link",
    ["\ud800", "points?x=\ud800", "points?x=\x00", "points#" + "x" * 70_000, "points?" + "x" * 70_000, "points?x=%", "http://[", "//", "?"],
)
def test_no_link_whatever_to_the_next_page_stops_the_bridge(link: str) -> None:
    inventory(serving(json.dumps(FIRST | {"Links": {"Next": link}}).encode(), body(SECOND)))


def test_a_walk_over_pages_that_bring_nothing_new_comes_to_an_end() -> None:
    number = 0

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal number
        number += 1
        if not request.url.path.endswith("/points"):
            return httpx2.Response(200, json=SERVERS)
        return httpx2.Response(200, json=FIRST | {"Links": {"Next": f"{BASE}/dataservers/I1DS1/points?startIndex={number}"}})

    assert inventory(answer) is None


@given(st.integers(200, 599), st.data())
@FEWER
def test_any_answer_to_a_question_about_the_clock_is_a_time_or_a_named_failure(status: int, data: st.DataObject) -> None:
    content = data.draw(bytes_of(data.draw(spoil(STATUS))))
    names = ["Retry-After", "Date", "Location", "Content-Type", "WWW-Authenticate"]
    headers = data.draw(
        st.lists(st.tuples(st.sampled_from(names), st.text(alphabet=st.characters(codec="latin-1"), max_size=8)), max_size=3)
    )

    async def clock(world: World) -> int:
        await world.pi.read_clock()
        return world.pi.now()

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers=[(name.encode(), text.encode("latin-1")) for name, text in headers], content=content)

    try:
        assert asked(answer, clock) >= 0
    except (PIUnavailable, PIRefused, PIUnreadable):
        return
    assert 200 <= status < 300


@pytest.mark.parametrize("kind", ["list", "object"])
def test_no_depth_of_nesting_stops_the_inventory(kind: str) -> None:
    for depth in DEPTHS[::10]:
        inventory(serving(b'{"Items":[{"Id":1,"WebId":"A","Name":"A","Path":"A","PointType":%b}]}' % nested(depth, kind)))
        inventory(serving(b'{"Items":[%b]}' % nested(depth, kind)))
