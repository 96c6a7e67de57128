"""One run in which everything that matters happens, without a mistake."""

from typing import Any

from tests.verifier.world import SECOND, T0, Json, World, key_of

FLOAT, STATE, TEXT, QUIET = 1001, 1002, 1003, 1004
TIMEOUT = {"Name": "I/O Timeout", "Value": 246, "IsSystem": True}
OPEN, SHUT = ({"Name": name, "Value": code, "IsSystem": False} for code, name in enumerate(("Open", "Shut")))
HISTORY = T0 - 3600 * SECOND
RUN = T0 + 3 * SECOND + 5
"""An instant with three events, 500 ns off the second."""


def at(seconds: float, ticks: int = 0) -> int:
    return T0 + round(seconds * SECOND) + ticks


def scene() -> World:
    """Back-fill, forward reads, a late insert, an edit and a deletion that re-reads see, previews, an aborted frame, a cut channel."""
    world = World()
    world.point(FLOAT)
    world.point(STATE, "Digital", "")
    world.point(TEXT, "String", "")
    world.point(QUIET, "Int32", "rpm")
    world.line("open", c="c1", points=[FLOAT, STATE, TEXT, QUIET])
    old: list[tuple[int, Any, int]] = [(HISTORY + 60 * n * SECOND + n, 1.5 * n, 1) for n in range(1, 20)]
    world.history(FLOAT, HISTORY, T0, old)
    for n in range(10):
        if n != 3:
            world.event(FLOAT, at(n, n), 20.0 + n / 8)
    for value in (1.25, 1.25, 7.5):
        world.event(FLOAT, RUN, value)
    world.event(FLOAT, at(8, 3), TIMEOUT, 0)
    for n in range(6):
        world.event(STATE, at(n), (OPEN, SHUT)[n % 2])
        world.event(TEXT, at(n, 7), f"batch {n} ü", 1 | 2 * (n % 2))
    world.preview(FLOAT, [(at(9, 9), 21.125, 1)])
    world.preview(TEXT, [(at(5, 7), "batch 5 ü", 3)])
    world.now = at(20)
    world.state(FLOAT, T0, at(9, 9))
    world.state(FLOAT, HISTORY, T0, "history")
    world.state(STATE, T0, at(5))
    world.state(TEXT, T0, at(5, 7))
    world.state(QUIET, T0, at(10))
    aborted = world.publish("recorded", world.records[-1].partition, "READ", [dict(world.records[-1].value["series"][0])], aborted=True)
    assert aborted.aborted
    late = world.event(FLOAT, at(2, 4), 99.5)
    edited = next(entry for entry in world.archive[FLOAT] if entry.ticks == at(5, 5))
    world.edit(FLOAT, edited.event_id, 55.0)
    deleted = next(entry for entry in world.archive[FLOAT] if entry.ticks == at(7, 7))
    world.delete(FLOAT, deleted.event_id)
    assert late
    world.now = at(30)
    world.state(FLOAT, T0, at(9, 9))
    world.state(STATE, T0, at(5), kind="CONFIRMED")
    for n in range(10, 14):
        world.event(FLOAT, at(n, 1), 30.0 + n)
    world.preview(FLOAT, [(at(13, 1), 43.0, 1), (at(15), 44.0, 1)])
    world.write(FLOAT, at(15), 44.0)
    world.now = at(40)
    world.state(FLOAT, at(9, 9), at(13, 1))
    world.preview(QUIET, [(at(41), 7, 1)])
    world.now = at(50)
    world.line("close", c="c1", why="dropped")
    for p in (FLOAT, STATE, TEXT, QUIET):
        world.incident(p, at(49), at(52), incident_id=f"i{p}")
    world.now = at(55)
    world.write(STATE, at(54), OPEN)
    world.read(STATE, at(5), at(56))["last"] = at(54)
    world.preview(STATE, [(at(54), OPEN, 1)], via="READ")
    world.land()
    world.cleaned = [silver_row(p, sample) for p in world.points for sample in stated(world, p)]
    world.previews_open = [
        silver_row(p, sample)
        for p, ticks in ((FLOAT, at(13, 1)), (FLOAT, at(15)), (QUIET, at(41)), (TEXT, at(5, 7)), (STATE, at(54)))
        for sample in previewed(world, p, ticks)
    ]
    return world


def stated(world: World, p: int) -> list[Json]:
    """What silver should have: all the statements' samples, after re-reads, which the scene makes the archive's."""
    progress = world.progress[key_of(p)]
    return world.samples(p, progress["low"], progress["high"])


def previewed(world: World, p: int, ticks: int) -> list[Json]:
    frames = [record.value for record in world.records if record.dataset == "live"]
    series = [series for frame in frames for series in frame["series"] if series["point_key"] == key_of(p)]
    return [sample for one in series for sample in one["samples"] if sample["event_time"] * 10 + sample["ticks"] == ticks]


def silver_row(p: int, sample: Json) -> Json:
    return {"source": "plant1", "point_key": key_of(p), **sample}
