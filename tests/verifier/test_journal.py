"""The journal, read; and the archive of a point at any serial number."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.world import SECOND, T0, World
from verifier import journal
from verifier.archive import PointArchive
from verifier.errors import JournalError
from verifier.truth import Truth

P, Q = 1001, 1002


def parsed(world: World) -> Truth:
    return journal.parse(iter(world.journal_bytes().splitlines(keepends=True)))


def texts(point: PointArchive, n: int) -> list[tuple[int, int, Any, int]]:
    return [(e.ticks, e.ordinal, e.content.value, e.content.flags) for e in point.between(0, 1 << 62, n)]


@pytest.fixture
def world() -> World:
    made = World()
    made.point(P, "Int32", "")
    return made


def test_a_torn_last_line_does_not_count(world: World, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(world.journal_bytes() + b'{"k":"write","n":3,"at":1,"p":10')
    assert journal.read(path).lines == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"k": "write", "n": 9, "at": 1, "p": P, "t": 1, "v": 1, "f": 1, "id": 1}, "serial number 9 follows 2"),
        ({"k": "wrote", "n": 3, "at": 1}, "no kind 'wrote'"),
        ({"k": "archive", "n": 3, "at": 1, "p": P, "id": 77}, "id 77"),
        ({"k": "write", "n": 3, "at": 1, "p": 5, "t": 1, "v": 1, "f": 1, "id": 1}, "KeyError"),
        ({"k": "write", "n": 3, "at": 1, "p": P, "t": 1, "v": True, "f": 1, "id": 1}, "truth value"),
        ({"k": "write", "n": 3, "at": 1, "p": P, "v": 1, "f": 1, "id": 1}, "without a time"),
        ({"k": "write", "n": "3", "at": 1}, "Expected `int`"),
        ({"k": "start", "n": 3, "at": 1, "format": 2}, "format 2 is not known"),
    ],
    ids=lambda case: case["k"] if isinstance(case, dict) else None,
)
def test_what_is_no_journal_is_refused_with_the_line(world: World, line: dict[str, Any], reason: str) -> None:
    world.lines.append(line)
    with pytest.raises(JournalError, match="line 3") as refused:
        parsed(world)
    assert reason in str(refused.value)


def test_a_file_that_is_empty_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for name in ("empty", "missing"):
        with pytest.raises(JournalError):
            journal.read(tmp_path / name)


def test_the_archive_is_what_it_was_at_each_serial_number(world: World) -> None:
    first = world.event(P, T0, 1)
    after_first = len(world.lines)
    second = world.event(P, T0, 2)
    after_second = len(world.lines)
    world.edit(P, first, 10)
    after_edit = len(world.lines)
    world.delete(P, second)
    point = parsed(world).points[P]
    assert texts(point, after_first - 1) == []
    assert texts(point, after_first) == [(T0, 0, 1, 1)]
    assert texts(point, after_second) == [(T0, 0, 1, 1), (T0, 1, 2, 1)]
    assert texts(point, after_edit) == [(T0, 0, 10, 5), (T0, 1, 2, 1)]
    assert texts(point, len(world.lines)) == [(T0, 0, 10, 5)]


def test_what_compression_threw_away_and_what_is_still_the_snapshot_is_not_archived(world: World) -> None:
    world.line("discard", p=P, id=world.write(P, T0, 1))
    world.write(P, T0 + 1, 2)
    assert texts(parsed(world).points[P], 1 << 61) == []


def test_history_was_always_there_comes_first_at_an_instant_and_can_be_edited_and_deleted(world: World) -> None:
    world.event(P, T0 - SECOND, 3)
    first = world.history(P, T0 - 2 * SECOND, T0, [(T0 - SECOND, 1, 1), (T0 - SECOND, 2, 1), (T0 - 1, 9, 1)])
    told = len(world.lines)
    world.edit(P, first + 1, 20)
    world.delete(P, first + 2)
    point = parsed(world).points[P]
    assert [event[2] for event in texts(point, 0)] == [1, 2, 9]
    assert [event[:3] for event in texts(point, told)] == [(T0 - SECOND, 0, 1), (T0 - SECOND, 1, 2), (T0 - SECOND, 2, 3), (T0 - 1, 0, 9)]
    assert [event[2] for event in texts(point, 1 << 61)] == [1, 20, 3]


def test_a_full_page_serves_what_lies_before_its_last_instant(world: World) -> None:
    for n in range(3):
        world.event(P, T0 + n, n)
    world.read(P, T0, T0 + 10, most=3)
    world.read(P, T0, T0 + 10, most=4)
    full, whole = parsed(world).points[P].reads
    assert full.covers(T0, T0 + 2)
    assert not full.covers(T0, T0 + 3)
    assert whole.covers(T0, T0 + 11)


def test_a_full_page_read_backwards_serves_what_lies_behind_its_last_instant(world: World) -> None:
    facts = {"q": "r1", "p": P, "route": "recorded", "from": T0 + 10, "to": T0, "max": 2, "count": 2, "status": 200}
    world.line("read", **facts, first=T0 + 9, last=T0 + 5)
    (read,) = parsed(world).points[P].reads
    assert read.covers(T0 + 6, T0 + 11)
    assert not read.covers(T0 + 5, T0 + 11)


def test_reads_that_failed_and_single_values_serve_no_range(world: World) -> None:
    world.read(P, T0, T0 + 10, status=500)
    world.read(P, T0, T0 + 10, status=0)
    world.read(P, T0, T0 + 10, route="value")
    point = parsed(world).points[P]
    assert point.reads == []
    assert len(point.looks) == 1


def test_only_channels_that_were_cut_are_disconnects(world: World) -> None:
    for channel, why in (("a", "client"), ("b", "server"), ("c", "dropped"), ("d", "half-open")):
        world.line("open", c=channel, points=[P])
        world.line("close", c=channel, why=why)
    world.line("open", c="e", points=[])
    world.line("close", c="e", why="dropped")
    assert [(cut.channel, cut.why, cut.points) for cut in parsed(world).disconnects] == [("c", "dropped", (P,)), ("d", "half-open", (P,))]


def test_a_cut_channel_is_no_disconnect_of_points_that_a_later_one_is_open_for(world: World) -> None:
    for channel, points in (("earlier", [P]), ("cut", [P, Q]), ("later", [Q])):
        world.line("open", c=channel, points=points)
    world.line("close", c="cut", why="dropped")
    world.line("close", c="later", why="dropped")
    assert [(cut.channel, cut.points) for cut in parsed(world).disconnects] == [("cut", (P,)), ("later", (Q,))]


STEPS = st.lists(st.tuples(st.sampled_from(["add", "edit", "delete"]), st.integers(0, 5), st.integers(0, 99)), max_size=30)


@given(steps=STEPS)
def test_the_archive_at_each_serial_number_is_that_of_a_plain_list(steps: list[tuple[str, int, int]]) -> None:
    world = World()
    world.point(P, "Int32", "")
    known: dict[int, list[tuple[int, int, int]]] = {}
    for what, where, value in steps:
        there = world.archive[P]
        if what == "add":
            world.event(P, T0 + where, value)
        elif there and what == "edit":
            world.edit(P, there[where % len(there)].event_id, value)
        elif there:
            world.delete(P, there[where % len(there)].event_id)
        known[len(world.lines)] = [(entry.ticks, entry.value, entry.flags) for entry in world.archive[P]]
    point = parsed(world).points[P]
    for n, expected in known.items():
        assert [(e.ticks, e.content.value, e.content.flags) for e in point.between(T0, T0 + 100, n)] == expected


def test_lines_may_have_keys_that_this_verifier_does_not_know(world: World) -> None:
    world.line("fault", name="stall", state="on", detail={"seconds": 3})
    world.lines[-1]["new"] = json.loads("[1]")
    assert parsed(world).faults == 1


def test_elements_and_event_frames_are_passed_over(world: World) -> None:
    world.line("element", el="e1", name="Pump", path="Plant", template=None)
    world.line("event_frame", action="create", ef="f1", name="Batch 7", elements=["e1"], start=T0, end=None)
    world.event(P, T0, 1)
    truth = parsed(world)
    assert truth.lines == len(world.lines)
    assert texts(truth.points[P], 1 << 61) == [(T0, 0, 1, 1)]
