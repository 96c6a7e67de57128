"""The demo's scenes, played on the simulated plant."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from console import story as stories
from console.plant import Plant, PlantPoint
from console.stack import StackError
from console.story import AHEAD_SECONDS, Cast, Story, cast_of


@pytest.fixture
def plant() -> Iterator[Plant]:
    command = [sys.executable, "-m", "simulator", "--json", "--points", "100", "--rate", "200", "--history", "60", "--tick", "0.05"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    with process, closing(Plant(process.stdout.readline())) as plant:
        yield plant
        process.terminate()


def key_of(point: PlantPoint) -> str:
    return f"main:{point.point_id}"


def story_of(plant: Plant, lines: list[str], ready: bool = True) -> Story:
    """A story of which everything is covered until now."""
    now = time.time_ns() // 100
    return Story(plant, lines.append, lambda: {key_of(point): now for point in plant.points()}, lambda _: ready, key_of)


def newest(plant: Plant, interface: str) -> float:
    """The newest stamp of an interface, seconds since 1970."""
    stamps = [int(point["snapshot_ticks"]) for point in plant._get("/points", {}) if point["source"] == interface and point["live"]]
    return max(stamps) / 1e7


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def point(source: str, number: int) -> PlantPoint:
    return PlantPoint(number, f"P{number}", "Float64", None, True, source)


def test_the_largest_interface_is_plain_and_the_smallest_of_three_has_the_wrong_clock() -> None:
    points = [point(source, number) for number, source in enumerate(["B", "A", "A", "C", "C", "C", "D"])]
    assert cast_of(points) == Cast("C", "A", "B")


def test_a_plant_with_two_interfaces_is_too_small_for_the_story() -> None:
    with pytest.raises(StackError, match=r"Only 2 interfaces .* --points"):
        cast_of([point("A", 1), point("B", 2), point("B", 3)])


def test_the_scenes_come_in_their_order_and_do_to_the_plant_what_they_say(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stories, "HELD_SECONDS", 2.0)
    monkeypatch.setattr(plant, "drop_channel", lambda: 1)  # nobody has opened one
    lines: list[str] = []
    story = story_of(plant, lines)
    story.begin()
    wait_until(lambda: newest(plant, story.cast.ahead) > time.time() + AHEAD_SECONDS - 5)
    assert newest(plant, story.cast.plain) < time.time() + 1

    story.play(0.0)
    assert story.played == 0
    story.play(1.0)
    story.play(1.0)
    assert (story.played, story.held) == (2, None)
    story.play(1.0)
    assert story.played == 2, "the values are still kept"
    kept, sent = newest(plant, story.cast.buffered), newest(plant, story.cast.plain)
    wait_until(lambda: newest(plant, story.cast.plain) > sent + 0.5)
    assert newest(plant, story.cast.buffered) == kept
    while story.played == 2:
        story.play(1.0)
    assert story.held is not None
    assert story.held.end - story.held.begin >= 2_000_000
    assert newest(plant, story.cast.buffered) > kept + 1

    story.play(1.0)
    assert len({late.point_key for late in story.inserted}) == 5
    assert {late.point_key for late in story.inserted} <= story.keys(story.cast.plain)
    for late in story.inserted:
        inserted = next(p for p in plant.points() if key_of(p) == late.point_key)
        assert [ticks for ticks, _ in plant.archive(inserted, late.ticks, late.ticks + 1)] == [late.ticks]
    story.play(1.0)
    assert story.over
    assert [line.split()[0] for line in lines] == ["story:"] * 6


def test_an_interface_of_which_the_processors_have_not_heard_is_not_held(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plant, "drop_channel", lambda: 1)
    story = story_of(plant, [], ready=False)
    for _ in range(3):
        story.play(1.0)
    assert story.played == 1
