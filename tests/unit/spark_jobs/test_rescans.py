"""Rescans: every hour that is asked for, few commands, no names beyond what a command takes."""

import random

import pytest

from schemas.records import MAX_NAMES
from spark_jobs.rescans import MAX_RESCANS, Rescan, planned


def test_unbroken_hours_of_a_point_are_one_rescan_and_points_with_the_same_hours_share_it() -> None:
    assert planned({"a": {5, 6, 7}, "b": {7, 6, 5}, "c": {6}, "d": set()}) == [Rescan(("c",), 6, 7), Rescan(("a", "b"), 5, 8)]


def test_nothing_wrong_is_no_rescan() -> None:
    assert planned({}) == planned({"a": set()}) == []


@pytest.mark.parametrize(("points", "hours"), [(3, 10), (60, 12), (300, 5), (1000, 170), (5000, 2)])
def test_whatever_is_wrong_is_read_again_by_few_commands(points: int, hours: int) -> None:
    chance = random.Random(points)
    wrong = {f"p{n}": set(chance.sample(range(1000, 1000 + hours), chance.randint(0, min(hours, 6)))) for n in range(points)}
    rescans = planned(wrong)
    assert len(rescans) <= MAX_RESCANS
    assert all(len(rescan.points) <= MAX_NAMES for rescan in rescans)
    asked = {(key, hour) for rescan in rescans for key in rescan.points or wrong for hour in range(rescan.first, rescan.last)}
    assert asked >= {(key, hour) for key, of_point in wrong.items() for hour in of_point}


def test_the_newest_hours_come_first() -> None:
    assert [rescan.first for rescan in planned({"a": {1, 5, 9}})] == [9, 5, 1]
