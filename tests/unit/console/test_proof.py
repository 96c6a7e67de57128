"""The demo's proof finds each kind of difference, and nothing where there is none."""

import struct
from typing import Any

import pytest

from console.proof import Event, Held, Row, Statement, Verdict, archived, compare, holding, landed

GOOD = (True, False, False, False)
PLACE = ("pi.demo.recorded", 0, 7, 0)
LATER = ("pi.demo.recorded", 0, 9, 0)


def number(value: float) -> Event:
    return Event("double", struct.pack(">d", value), None, GOOD)


def statement(begin: int, end: int, as_of_clock: int = 1, clock: int = 2, place: tuple[str, int, int, int] = PLACE) -> Statement:
    return Statement(begin, end, as_of_clock, clock, place)


def verdict(rows: list[Row], truth: list[tuple[int, Event]], held: list[Held] | None = None) -> tuple[int, int, int, int]:
    found = Verdict()
    compare("main:1", holding([statement(0, 100)]) if held is None else held, {PLACE: rows}, truth, found)
    return found.lost, found.invented, found.wrong, found.duplicates


ROWS: list[Row] = [(10, 0, number(1.5)), (20, 0, number(2.5)), (20, 1, number(3.5))]
TRUTH = [(10, number(1.5)), (20, number(2.5)), (20, number(3.5))]


def test_equal_rows_and_events_are_no_difference() -> None:
    assert verdict(ROWS, TRUTH) == (0, 0, 0, 0)


def test_a_missing_row_is_lost() -> None:
    assert verdict(ROWS[1:], TRUTH) == (1, 0, 0, 0)


def test_a_row_too_many_is_invented() -> None:
    assert verdict([*ROWS, (30, 0, number(1.0))], TRUTH) == (0, 1, 0, 0)


def test_an_altered_row_is_wrong() -> None:
    assert verdict([(10, 0, number(1.5000000001)), *ROWS[1:]], TRUTH) == (0, 0, 1, 0)


def test_a_changed_flag_is_wrong() -> None:
    questionable = number(1.5)._replace(flags=(True, True, False, False))
    assert verdict([(10, 0, questionable), *ROWS[1:]], TRUTH) == (0, 0, 1, 0)


def test_a_row_twice_is_a_duplicate() -> None:
    assert verdict([*ROWS, ROWS[0]], TRUTH) == (0, 0, 0, 1)


def test_one_tick_of_difference_is_lost_and_invented() -> None:
    assert verdict([(11, 0, number(1.5)), *ROWS[1:]], TRUTH) == (1, 1, 0, 0)


def test_events_outside_the_covered_range_are_not_asked_for() -> None:
    assert verdict(ROWS, [*TRUTH, (100, number(9.0)), (-1, number(8.0))]) == (0, 0, 0, 0)


def test_an_empty_statement_over_an_event_loses_it() -> None:
    assert verdict([], TRUTH) == (3, 0, 0, 0)


def test_the_greatest_as_of_clock_holds_and_the_clock_decides_between_equals() -> None:
    old, new, newest = statement(0, 100, 5, 6), statement(20, 60, 7, 8, LATER), statement(50, 60, 7, 9, PLACE)
    assert holding([new, newest, old]) == [Held(0, 20, old), Held(20, 50, new), Held(50, 60, newest), Held(60, 100, old)]


def test_ranges_that_nobody_stated_are_not_held() -> None:
    first, second = statement(0, 10), statement(20, 30, 2, 3)
    assert holding([second, first]) == [Held(0, 10, first), Held(20, 30, second)]


def test_a_statement_without_width_holds_nothing() -> None:
    assert holding([statement(5, 5)]) == []


@pytest.mark.parametrize(
    ("point_type", "value", "columns"),
    [
        ("Float32", 1.25, {"value_type": "DOUBLE", "value_double": 1.25}),
        ("Float64", "NaN", {"value_type": "DOUBLE", "value_double": float("nan")}),
        ("Int32", 7, {"value_type": "LONG", "value_long": 7}),
        ("String", "läuft", {"value_type": "STRING", "value_string": "läuft"}),
        ("Digital", {"Name": "Open", "Value": 1, "IsSystem": False}, {"value_type": "DIGITAL", "digital_code": 1, "value_string": "Open"}),
        ("Float32", {"Name": "I/O Timeout", "Value": 246, "IsSystem": True}, {"value_type": "NONE", "system_state": 246}),
    ],
)
def test_what_pi_prints_and_what_bronze_holds_are_the_same_event(point_type: str, value: Any, columns: dict[str, Any]) -> None:
    empty = dict.fromkeys(("value_double", "value_long", "value_string", "value_bytes", "digital_code", "system_state"))
    flags = {"good": True, "questionable": False, "substituted": False, "annotated": False}
    row = {**empty, **flags, **columns, "event_time": 3, "ticks": 4, "ordinal": 0}
    assert landed(row) == (34, 0, archived(point_type, value, GOOD))
