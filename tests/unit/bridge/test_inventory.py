"""The inventory asks for what the list of points does not tell."""

import pytest
from structlog.testing import capture_logs

from bridge.inventory import Inventory, source_in
from bridge.points import packed, unpacked
from tests.unit.bridge.simulated import simulated


def sources(found: dict[str, bytes]) -> set[str | None]:
    return {unpacked(content)["point_source"] for content in found.values()}


async def test_points_get_the_source_that_pi_keeps_among_their_attributes() -> None:
    async with simulated(points=230) as plant:
        found = await plant.found()
        assert sources(found) == {None}
        truth = {f"main:{stream.point.point_id}": stream.point.source for stream in plant.running.store.streams}
        assert await plant.point_sources(found) == truth
        assert len(set(truth.values())) > 1


async def test_a_source_that_was_selected_or_read_before_is_not_asked_for() -> None:
    async with simulated(points=50, selections=[{"server": "main", "point_source": "OPC1"}]) as plant:
        found = await plant.found()
        assert sources(found) == {"OPC1"}
        assert await plant.point_sources(found) == {}
    async with simulated(points=5) as plant:
        inventory = Inventory(plant.world)
        inventory._known = {key: packed({**unpacked(content), "point_source": "LAB"}) for key, content in (await plant.found()).items()}
        assert sources(await inventory._found()) == {"LAB"}


async def test_points_whose_source_pi_does_not_tell_now_are_left_for_later() -> None:
    async with simulated(points=5) as plant:
        points = await plant.found()
        await plant.fault("refuse_inner", status=500)
        assert await plant.point_sources(points) == {}
        await plant.end_faults()
        await plant.fault("refuse", status=503)
        with capture_logs() as told:
            assert await plant.point_sources(points) == {}
        assert [line["event"] for line in told] == ["point sources not read"]
        await plant.end_faults()
        assert len(await plant.point_sources(points)) == 5


@pytest.mark.parametrize(
    "answer",
    [
        None, [], {}, {"Items": None}, {"Items": [None, 7]}, {"Items": [{"Name": "pointsource"}]},
        {"Items": [{"Name": "tag", "Value": "x"}]},
        {"Items": [{"Name": "pointsource", "Value": ""}]}, {"Items": [{"Name": "pointsource", "Value": "x" * 1001}]},
        {"Items": [{"Name": "pointsource", "Value": "a\ud800"}]}, {"Items": [{"Name": "pointsource", "Value": 5}]},
    ],
)  # fmt: skip
def test_an_answer_without_a_source_gives_none(answer: object) -> None:
    assert source_in(answer) is None


def test_the_name_of_the_attribute_may_be_written_in_any_case() -> None:
    assert source_in({"Items": [{"Name": "PointSource", "Value": "OPC1"}]}) == "OPC1"
