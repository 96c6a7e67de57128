"""Points that only stand there cost nothing: what is done again and again walks over none of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from bridge import progress
from bridge.incarnation import Incarnation
from tests.unit.bridge.world import at, covered, moment, point, sample, setting


class Walked(AssertionError):
    """Somebody looked at every point."""


class NotWalked(dict[str, Any]):
    """A dictionary that may be asked for a key, and once it is armed not be walked over."""

    armed = False

    def __iter__(self) -> Iterator[str]:
        self._refuse()
        return super().__iter__()

    def keys(self) -> Any:
        self._refuse()
        return super().keys()

    def values(self) -> Any:
        self._refuse()
        return super().values()

    def items(self) -> Any:
        self._refuse()
        return super().items()

    def _refuse(self) -> None:
        if self.armed:
            raise Walked


def standing() -> Incarnation:
    """Three points, covered and heard; from now on nobody may walk over them."""
    points = NotWalked({f"main:{n}": point(n) for n in (1, 2, 3)})
    owner = Incarnation(setting(), points, progress.left([], ()), moment("10:00"))
    owner.coverage = NotWalked()
    for key in points:
        owner.coverage[key] = covered("00:00", "09:55")
        owner.coverage[key].point_key = key
    owner.reads.next(moment("10:00"))
    for ear in owner.hearing.new_ears(moment("10:00")):
        ear.opened(moment("10:00"))
    owner.transaction(moment("10:00"))
    points.armed = owner.coverage.armed = True
    return owner


def test_what_is_done_several_times_a_second_walks_over_no_points() -> None:
    owner = standing()
    for seconds in range(20):
        now = moment(f"10:01:{seconds:02}")
        owner.previews([(point(1), [sample(at("10:01"))])], "CHANNEL", now)
        owner.previews([(point(2), [sample(at("09:01"))])], "CHANNEL", now)
        owner.reads.next(now)
        owner.hearing.new_ears(now)
        if owner.due(now, 0.05):
            owner.transaction(now)
            owner.committed(now)
    assert owner.reads.next(moment("10:30")) is not None


def test_a_point_that_comes_into_scope_walks_over_no_others() -> None:
    owner = standing()
    owner.points["main:4"] = point(4)
    owner.scope_changed("main:4")
    (ear,) = owner.hearing.new_ears(moment("10:01"))
    assert ear.point_keys == {"main:4"}
    asked = owner.reads.next(moment("10:01"))
    assert asked is not None
    assert [task.point.point_key for task in asked.tasks] == ["main:4"]


@pytest.mark.parametrize("walk", ["keys", "values", "items", "__iter__"])
def test_a_walk_is_noticed(walk: str) -> None:
    with pytest.raises(Walked):
        getattr(standing().points, walk)()
