from typing import Any

from bridge.coverage import PointCoverage
from bridge.points import Point
from bridge.witness import Witnesses
from tests.unit.bridge.world import at, point

EVENTS = {1: None, 2: "05:00", 3: "03:00", 4: "01:00"}
"""The known event of each point; point 4 is of another data server."""


class Points(dict[str, Point]):
    """Counts how often somebody walks over them."""

    walks = 0

    def items(self) -> Any:
        self.walks += 1
        return super().items()


class Plant:
    """Points with their coverage."""

    def __init__(self) -> None:
        self.points = Points({f"main:{n}": point(n, server="other" if n == 4 else "main") for n in EVENTS})
        self.coverage = {f"main:{n}": PointCoverage(f"main:{n}", at("00:00"), at("00:00"), at("09:00")) for n in EVENTS}
        for number, event in EVENTS.items():
            self.coverage[f"main:{number}"].first_event = None if event is None else at(event)
        self.witnesses = Witnesses(self.points, self.covering)

    def covering(self, of: Point) -> PointCoverage:
        return self.coverage[of.point_key]

    def witness(self, number: int, clock: str) -> str | None:
        found = self.witnesses.of(self.points[f"main:{number}"], at(clock))
        return None if found is None else found.point.point_key


def test_a_point_vouches_for_itself_if_it_can_and_else_the_one_of_its_server_whose_event_is_oldest() -> None:
    plant = Plant()
    assert plant.witness(2, "06:00") == "main:2"
    assert plant.witness(2, "04:00") == "main:3"
    assert plant.witness(1, "03:00") == "main:3"
    assert plant.witnesses.of(plant.points["main:1"], at("03:00")) == (plant.points["main:3"], at("03:00"))


def test_where_no_event_is_known_so_early_a_later_one_vouches_at_the_covered_end() -> None:
    plant = Plant()
    assert plant.witnesses.of(plant.points["main:1"], at("02:59")) == (plant.points["main:3"], at("09:00"))
    plant.coverage["main:4"].first_event = None
    plant.witnesses.changed()
    assert plant.witness(4, "06:00") is None


def test_at_a_covered_end_below_the_known_event_that_event_vouches() -> None:
    plant = Plant()
    plant.coverage["main:3"].high = at("02:30")
    assert plant.witnesses.of(plant.points["main:1"], at("02:00")) == (plant.points["main:3"], at("03:00"))


def test_points_are_walked_over_once_and_again_only_after_a_change() -> None:
    plant = Plant()
    plant.witness(1, "04:00")
    for _ in range(10):
        plant.witness(1, "04:00")
    assert plant.points.walks == 1
    plant.coverage["main:1"].first_event = at("00:10")
    plant.witnesses.changed()
    assert plant.witness(2, "01:00") == "main:1"


def test_a_point_that_went_out_of_scope_vouches_for_nobody() -> None:
    plant = Plant()
    assert plant.witness(1, "04:00") == "main:3"
    del plant.points["main:3"]
    plant.witnesses.changed()
    assert plant.witness(1, "06:00") == "main:2"
