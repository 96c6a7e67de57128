"""Whatever happens in a plant, a bridge and a job that make no mistake are found to make none; and one lost event is always found."""

import random
import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.verifier.scenes import OPEN, SHUT, TIMEOUT, silver_row
from tests.verifier.world import SECOND, T0, Json, World, key_of, restate

POINTS = {1001: "Float32", 1002: "Digital", 1003: "String", 1004: "Int32"}


def value_of(chance: random.Random, point_type: str) -> object:
    if chance.random() < 0.1:
        return TIMEOUT
    match point_type:
        case "Float32":
            return chance.choice([0.0, -0.0, 1.5, 1e30, chance.random()])
        case "Digital":
            return chance.choice([OPEN, SHUT])
        case "String":
            return chance.choice(["", "ü", "batch 7"])
    return chance.randrange(-5, 5)


def played(seed: int, steps: int) -> World:
    """A random run: events in and out of order, several at an instant, edits, deletions; reads forward and again."""
    chance = random.Random(seed)
    world = World()
    for p, point_type in POINTS.items():
        world.point(p, point_type, chance.choice(["", "m"]))
    high = dict.fromkeys(POINTS, T0)
    for _ in range(steps):
        world.now += chance.randrange(1, 3 * SECOND)
        p = chance.choice(list(POINTS))
        there = world.archive[p]
        what = chance.random()
        if what < 0.4:
            ticks = chance.choice([T0 + chance.randrange(60 * SECOND), T0 + 5 * SECOND + chance.randrange(3)])
            world.event(p, ticks, value_of(chance, POINTS[p]), chance.choice([1, 1, 3, 8]))
        elif what < 0.5 and there:
            world.edit(p, chance.choice(there).event_id, value_of(chance, POINTS[p]))
        elif what < 0.55 and there:
            world.delete(p, chance.choice(there).event_id)
        elif what < 0.65:
            world.preview(p, [(world.now - n, value_of(chance, POINTS[p]), 1) for n in range(chance.randrange(1, 3))])
        elif what < 0.8:
            end = high[p] + chance.randrange(20 * SECOND)
            world.state(p, high[p], end, chance.choice(["recorded", "history"]))
            high[p] = end
        elif high[p] > T0:
            begin = T0 + chance.randrange(high[p] - T0)
            world.state(p, begin, min(high[p], begin + chance.randrange(1, 30 * SECOND)))
    for p, end in high.items():  # at last everything is read again
        if end > T0:
            world.now += SECOND
            world.state(p, T0, end)
            world.state(p, T0, end, kind="CONFIRMED")
    return world


@given(seed=st.integers(0, 1 << 32), steps=st.integers(0, 80))
@settings(max_examples=200, deadline=None)
def test_a_bridge_without_a_mistake_is_all_zero(seed: int, steps: int) -> None:
    found = played(seed, steps).verify(settled=True)
    assert dict(found.counts) == {}, [found.example(check) for check in found.counts]


@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=8, deadline=None)
def test_tables_without_a_mistake_are_all_zero(seed: int) -> None:
    world = played(seed, 60)
    world.land()
    world.cleaned = [
        silver_row(p, sample)
        for p in POINTS
        if key_of(p) in world.progress
        for sample in world.samples(p, world.progress[key_of(p)]["low"], world.progress[key_of(p)]["high"])
    ]
    with tempfile.TemporaryDirectory() as warehouse:
        found = world.verify(Path(warehouse), settled=True)
    assert dict(found.counts) == {}, [found.example(check) for check in found.counts]


@given(seed=st.integers(0, 1 << 32), which=st.integers(0, 1 << 16))
@settings(max_examples=60, deadline=None)
def test_a_single_event_that_is_lost_anywhere_is_found(seed: int, which: int) -> None:
    world = played(seed, 60)
    holding = last_statements(world)
    assume(holding)
    series = holding[which % len(holding)]
    del series["samples"][which % len(series["samples"])]
    restate(series)
    found = world.verify()
    assert found.counts["V1"] >= 1
    assert found.counts.keys() <= {"V1", "V3", "V9"}, "ordinals behind the lost one shift, and a confirmation that follows does not agree"


def last_statements(world: World) -> list[Json]:
    """Of each point the last statement with samples, which holds everywhere."""
    stated = [[series for series in world.statements(p) if series["statement"]["kind"] == "STATED"] for p in POINTS]
    return [series[-1] for series in stated if series and series[-1]["samples"]]
