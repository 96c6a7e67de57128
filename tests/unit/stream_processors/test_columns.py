"""A frame's samples as columns."""

from typing import Any

from schemas.processors import Processors
from stream_processors.columns import KINDS, columns_of, samples_of
from stream_processors.state import ShardState
from tests.unit.schemas.frames import frame as plain_frame
from tests.unit.stream_processors.world import micros, null, series, value


def columns(*parts: Any) -> Any:
    state = ShardState(3, Processors())
    return columns_of(list(parts), samples_of({**plain_frame(), "series": list(parts)}), state), state


def test_samples_stand_in_the_order_of_the_frame_point_by_point() -> None:
    found, state = columns(series(1, value(0), value(1)), series(2), series(3, value(2)))
    assert state.keys == ["main:1", "main:3"]
    assert [found.slots.tolist(), found.starts.tolist(), found.counts.tolist()] == [[0, 1], [0, 2], [2, 1]]
    assert found.micros.tolist() == [micros(0), micros(1), micros(2)]


def test_a_point_that_stands_twice_in_a_frame_stands_once_in_the_columns() -> None:
    found, _ = columns(series(1, value(0)), series(2, value(5)), series(1, value(1)))
    assert (found.slots.tolist(), found.counts.tolist()) == ([0, 1], [2, 1])
    assert found.micros.tolist() == [micros(0), micros(1), micros(5)]


def test_a_frame_without_samples_has_no_columns() -> None:
    assert columns(series(1))[0] is None
    assert columns()[0] is None


def test_each_kind_of_value_has_a_number_that_tells_it_from_others() -> None:
    found, _ = columns(
        series(
            1, value(0, 1.5), value(1, value_type="LONG", value_double=None, value_long=7),
            value(2, value_type="DIGITAL", value_double=None, digital_code=3, value_string="on"),
            value(3, value_type="STRING", value_double=None, value_string="a"),
            value(4, value_type="STRING", value_double=None, value_string="b"),
            value(5, value_type="BYTES", value_double=None, value_bytes=b"a"), null(6, 248), null(7, 246),
        )
    )  # fmt: skip
    kinds = ["DOUBLE", "LONG", "DIGITAL", "STRING", "STRING", "BYTES", "NONE", "NONE"]
    assert found.kinds.tolist() == [KINDS[kind] for kind in kinds]
    assert found.values.tolist()[:3] == [1.5, 7.0, 3.0]
    assert found.values[3] != found.values[4]
    assert found.values.tolist()[6:] == [-249.0, -247.0]


def test_ticks_count_in_the_time_of_a_sample() -> None:
    found, _ = columns(series(1, value(0, ticks=3)))
    assert found.ticks.tolist() == [micros(0) * 10 + 3]
