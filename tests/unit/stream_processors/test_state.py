"""A shard's state as bytes: whole at any moment, however the writing ended."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.processors import Processors
from stream_processors.assess import Assessed, Shard
from stream_processors.state import BLOCK_POINTS, VERSION
from tests.unit.stream_processors.world import Heard, point, series, value


def again(store: dict[str, bytes]) -> Heard:
    """A shard that was lost, and is read from what was written."""
    heard = Heard()
    assert heard.shard.state.load(store.get)
    return heard


def same(one: Shard, other: Shard) -> None:
    assert one.state.keys == other.state.keys
    for name, column in one.state.point.items():
        np.testing.assert_array_equal(column[: len(one.state)], other.state.point[name][: len(one.state)], err_msg=name)
    for name, column in one.state.group.items():
        np.testing.assert_array_equal(column, other.state.group[name], err_msg=name)
    np.testing.assert_array_equal(one.state.group_gaps, other.state.group_gaps)
    for name in (
        "groups",
        "tags",
        "units",
        "sets",
        "period",
        "window",
        "heard_at",
        "listening_since",
        "missing",
        "sequences",
        "offsets",
        "unreadable",
        "our_gaps",
        "changes",
        "corrections",
    ):
        assert getattr(one.state, name) == getattr(other.state, name), name
    np.testing.assert_array_equal(one.state.gaps, other.state.gaps)


def lively(points: int) -> Heard:
    heard = Heard(point(key, point_source=f"OPC{key % 3}", zero=0.0, span=9.0) for key in range(points))
    for minute in range(5):
        heard.hear(minute * 60, *(series(key, value(minute * 60 - 0.1, float(minute))) for key in range(0, points, 7)))
    heard.hear(300, series("new", value(-90_000)), series(0, value(299.0), uom="K"))
    return heard


def test_what_is_written_is_what_is_read() -> None:
    heard = lively(BLOCK_POINTS + 100)
    store = dict(heard.shard.state.dump())
    assert set(store) == {"3", "3/0/1", "3/1/1"}
    same(heard.shard, again(store).shard)


def new(assessed: Assessed) -> Assessed:
    """Without what is told again after a take-over."""
    told: list[Any] = [
        {**said, "whole": False, "changes": [change for change in said["changes"] if change["detail"] != "it fails still"]}
        for said in assessed.assessments
    ]
    return replace(assessed, assessments=told)


def test_after_a_take_over_all_that_fails_is_told_once_more_in_the_first_period() -> None:
    heard = Heard([point(1)])
    for minute in range(200):
        heard.hear(minute * 60, series(1, value(minute * 60, good=minute % 2 == 0)))
    failing = {change["quality_check"] for said in heard.assessments for change in said["changes"] if change["failed"]}
    assert failing
    read = again(dict(heard.shard.state.dump()))
    read.sequences = dict(heard.sequences)
    for minute in (200, 201):
        read.hear(minute * 60, series(1, value(minute * 60, good=minute % 2 == 0)))
    first, second = read.assessments
    assert (first["whole"], second["whole"]) == (True, False)
    assert {change["quality_check"] for change in first["changes"]} == failing
    assert second["changes"] == []


def test_nothing_to_read_is_not_an_empty_state() -> None:
    assert not Shard("plant1", 3, Processors()).state.load(lambda _: None)


def test_only_blocks_that_changed_are_written_and_each_to_its_other_place() -> None:
    heard = lively(BLOCK_POINTS + 100)
    store = dict(heard.shard.state.dump())
    heard.hear(301, series(BLOCK_POINTS + 5, value(301)))
    more = dict(heard.shard.state.dump())
    assert set(more) == {"3", "3/1/0"}
    same(heard.shard, again(store | more).shard)


def test_a_writing_that_broke_off_before_the_head_leaves_the_state_as_it_was() -> None:
    heard = lively(BLOCK_POINTS + 100)
    store = dict(heard.shard.state.dump())
    before = again(store)
    heard.hear(301, *(series(key, value(301)) for key in range(BLOCK_POINTS + 100)))
    *blocks, _ = heard.shard.state.dump()
    for written in range(1, len(blocks) + 1):
        same(again(store | dict(blocks[:written])).shard, before.shard)


def test_a_block_that_is_missing_is_an_error_and_another_version_is_learnt_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    store = dict(lively(5).shard.state.dump())
    with pytest.raises(LookupError, match="block 0 of shard 3 is missing"):
        Heard().shard.state.load({"3": store["3"]}.get)
    with pytest.raises(LookupError, match="block 0 of shard 3 is not the one that was written with the head"):
        Heard().shard.state.load((store | {"3/0/1": dict(lively(4).shard.state.dump())["3/0/1"]}).get)
    monkeypatch.setattr("stream_processors.state.VERSION", VERSION + 1)
    assert not Heard().shard.state.load(store.get)


def test_a_state_that_was_read_goes_on_like_one_that_was_never_written() -> None:
    heard = lively(40)
    read = again(dict(heard.shard.state.dump()))
    read.sequences = dict(heard.sequences)
    for minute in range(6, 70):
        parts = [series(key, value(minute * 60 - 0.1, float(minute))) for key in range(0, 40, 7)]
        one, other = heard.hear(minute * 60, *parts), read.hear(minute * 60, *parts)
        assert new(one) == new(other)
    same(heard.shard, read.shard)


FRAMES = st.lists(st.lists(st.tuples(st.integers(0, 5), st.floats(-400, 5e4)), min_size=1, max_size=5), min_size=1, max_size=25)


@settings(max_examples=50, deadline=None)
@given(FRAMES, st.data())
def test_a_worker_that_is_killed_says_the_same_as_one_that_is_not(frames: list[list[tuple[int, float]]], data: Any) -> None:
    """Frames since the last writing come again, and some from before it; every finding is the same, and none is counted twice."""
    steady, store = Heard(point(key) for key in range(6)), {}
    killed = Heard(point(key) for key in range(6))
    made = []
    for n, batch in enumerate(frames):
        own: dict[int, list[Any]] = {}
        for key, delay in batch:
            own.setdefault(key, []).append(value(n * 45 - delay))
        made.append(steady.frame(n * 45, *(series(key, *samples) for key, samples in own.items())))
    expected = [steady.give(frame) for frame in made]
    written = data.draw(st.integers(0, len(made)))
    died = data.draw(st.integers(written, len(made)))
    for frame in made[:written]:
        killed.give(frame)
    store = dict(killed.shard.state.dump())
    for frame in made[written:died]:
        killed.give(frame)
    *lost, _ = killed.shard.state.dump()
    store |= dict(lost[: data.draw(st.integers(0, len(lost)))])
    renewed = again(store)
    begin = data.draw(st.integers(0, written))
    results = [renewed.give(frame) for frame in made[begin:]]
    assert all(result.repeated and not result.late for result in results[: written - begin])
    assert [new(result) for result in results[written - begin :]] == [new(result) for result in expected[written:]]
    same(steady.shard, renewed.shard)


def test_a_hundred_thousand_points_take_less_than_three_hundred_bytes_each_in_columns() -> None:
    heard = Heard()
    for key in range(3000):
        heard.shard.point(point(key))
    assert heard.shard.state.nbytes() / 3000 < 600, "columns grow by halves"
    assert sum(column.itemsize * int(np.prod(column.shape[1:])) for column in heard.shard.state.point.values()) < 300
