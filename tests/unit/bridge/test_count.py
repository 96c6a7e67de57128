"""PI's own count of events: what is asked, what an answer means, and that what PI does not answer is said."""

import io
import json
from typing import Any

import pytest

from bridge import batch, count
from bridge.count import Wanted
from bridge.errors import PIUnavailable
from bridge.pitime import parse
from bridge.points import Point
from schemas.times import TICKS_PER_HOUR
from tests.unit.bridge.simulated import Simulated, simulated
from tests.unit.bridge.world import HOUR, at


def answer(value: Any, **more: Any) -> dict[str, Any]:
    return {"Items": [{"Type": "Count", "Value": {"Value": value, "Good": True, **more}}]}


@pytest.mark.parametrize(("value", "number"), [(0, 0), (17, 17), (17.0, 17), ({"Name": "No Data", "Value": 248, "IsSystem": True}, None)])
def test_a_count_is_a_whole_number_and_no_data_is_none(value: Any, number: int | None) -> None:
    assert batch.counted(answer(value)) == number


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"Items": []},
        answer(-1),
        answer(1.5),
        answer(True),
        answer("17"),
        answer({"Name": "Access Denied", "Value": 210, "IsSystem": True}),
        answer(None, Errors=[{"FieldName": "Value", "Message": ["no"]}]),
        {"Items": [{"Type": "Total", "Value": {"Value": 3}}]},
        {"Items": [*answer(1)["Items"], *answer(2)["Items"]]},
    ],
)
def test_whatever_else_pi_says_is_no_count(content: Any) -> None:
    with pytest.raises(PIUnavailable, match="in place of a count"):
        batch.counted(content)


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [("03:00", "05:00", 2), ("03:00:01", "05:00", 1), ("03:00", "04:59:59", 1), ("03:10", "03:50", 0), ("05:00", "03:00", 0)],
)
def test_only_hours_that_lie_wholly_in_the_range_are_counted(begin: str, end: str, hours: int) -> None:
    found = count.whole_hours(at(begin), at(end))
    assert len(found) == hours
    assert all(at(begin) <= hour * HOUR and (hour + 1) * HOUR <= at(end) for hour in found)


def wanted(points: dict[str, Point], hour: int) -> list[Wanted]:
    return [Wanted(key, point.web_id, hour) for key, point in sorted(points.items())]


async def lines_of(here: Simulated, asked: list[Wanted], size: int = 20) -> list[dict[str, Any]]:
    into = io.StringIO()
    tally = await count._count_all(here.pi, asked, size, into, io.StringIO())
    lines = [json.loads(line) for line in into.getvalue().splitlines()]
    assert tally == (sum(line["problem"] is None for line in lines), sum(line["problem"] is not None for line in lines))
    return lines


async def good_events(here: Simulated, web_id: str, hour: int) -> int:
    """By reading them, both ends included."""
    begin, end = hour * TICKS_PER_HOUR, (hour + 1) * TICKS_PER_HOUR
    content = await here.pi.get(batch.recorded(here.pi.base, web_id, begin, end, 100_000), "test")
    return sum(item["Good"] for item in content["Items"] if begin <= parse(item["Timestamp"]) <= end)


async def test_pi_counts_the_good_events_of_an_hour_by_point_in_few_requests() -> None:
    async with simulated(points=50) as here:
        points = await here.points()
        hour = here.pi.now() // TICKS_PER_HOUR - 1
        lines = await lines_of(here, wanted(points, hour))
        assert here.pi.requests["batch"] == -(-len(points) // 20)
        assert [(line["point_key"], line["hour"]) for line in lines] == [(key, hour) for key in sorted(points)]
        assert all(abs(line["counted_time"] * 10 - here.pi.now()) < TICKS_PER_HOUR for line in lines)
        for line in lines[::5]:
            assert line["count"] == await good_events(here, points[line["point_key"]].web_id, hour)
        assert any(line["count"] for line in lines)


async def test_a_point_that_pi_does_not_know_costs_its_own_count_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count, "_PAUSE_SECONDS", 0.0)
    async with simulated(points=20) as here:
        points = await here.points()
        asked = wanted(points, here.pi.now() // TICKS_PER_HOUR - 1)
        asked[3] = asked[3]._replace(web_id="nonsense")
        lines = await lines_of(here, asked)
        assert [line["problem"] is None for line in lines].count(False) == 1
        assert lines[3]["count"] is None
        assert "status 400" in lines[3]["problem"]


async def test_a_pi_that_answers_nothing_is_no_count_of_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count, "_PAUSE_SECONDS", 0.0)
    async with simulated(points=20) as here:
        points = await here.points()
        await here.fault("web_exception", path="batch")
        with pytest.raises(PIUnavailable):
            await lines_of(here, wanted(points, here.pi.now() // TICKS_PER_HOUR - 1))
