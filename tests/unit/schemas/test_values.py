from datetime import UTC, datetime
from typing import Any

import pytest

from schemas import wire
from schemas.records import Sample
from schemas.values import Value, read_frame, read_values
from tests.unit.schemas.frames import NINE, frame, message, sample, statement


def schema_of(_: int) -> dict[str, Any]:
    return wire.raw_schema("value_frame")


def values(*samples: Sample) -> list[Value]:
    return list(read_values([message(frame(*samples))], schema_of))


def value(**fields: object) -> Value:
    (only,) = values(sample(**fields))  # type: ignore[arg-type]
    return only


def test_values_come_flat_and_in_order_over_all_messages() -> None:
    messages = [
        message(frame(sample(NINE, value_type="LONG", value_long=1), sample(NINE + 1, value_type="LONG", value_long=2))),
        message(frame(sample(NINE - 1, value_type="LONG", value_long=3))),
    ]
    flat = list(read_values(messages, schema_of))
    assert [v.value for v in flat] == [1, 2, 3]
    assert {(v.source, v.point_key, v.tag, v.uom, v.shard, v.epoch) for v in flat} == {("plant1", "main:1", "TI-101", "°C", 3, 1)}


def test_trap_16_the_hundred_nanoseconds_left_over_are_kept() -> None:
    first, second = values(sample(NINE + 7, ticks=3), sample(NINE + 7, ticks=4))
    assert first.event_time == second.event_time == datetime(2024, 1, 1, 9, 0, 0, 7, tzinfo=UTC)
    assert (first.ticks, second.ticks) == (3, 4)


def test_trap_20_two_values_at_one_instant_are_both_given() -> None:
    first, second = values(
        sample(ordinal=0, value_type="DOUBLE", value_double=1.0), sample(ordinal=1, value_type="DOUBLE", value_double=1.0)
    )
    assert (first.ordinal, second.ordinal) == (0, 1)


def test_an_empty_statement_yields_nothing_and_its_frame_still_tells_it() -> None:
    empty = message(frame(stated=statement()))
    assert list(read_values([empty], schema_of)) == []
    (series,) = read_frame(empty, lambda _: wire.schema("value_frame"))["series"]
    assert series["statement"] == statement()


def test_a_stated_value_carries_its_statement_and_a_preview_carries_none() -> None:
    (stated,) = read_values([message(frame(sample(), stated=statement(count=1, digest=5)))], schema_of)
    assert stated.statement == statement(count=1, digest=5)
    assert (stated.origin, stated.via) == ("RECORDED", "READ")
    assert value().statement is None


@pytest.mark.parametrize(
    ("fields", "plain"),
    [
        ({"value_type": "DOUBLE", "value_double": 50.40764}, 50.40764),
        ({"value_type": "LONG", "value_long": (1 << 63) - 1}, (1 << 63) - 1),
        ({"value_type": "STRING", "value_string": ""}, ""),
        ({"value_type": "BYTES", "value_bytes": b"\x00\xff"}, b"\x00\xff"),
        ({"value_type": "TIMESTAMP", "value_long": NINE}, datetime(2024, 1, 1, 9, tzinfo=UTC)),
        ({"value_type": "NONE"}, None),
    ],
)
def test_each_value_type_gives_its_own_column(fields: dict[str, object], plain: object) -> None:
    assert value(**fields).value == plain


def test_a_digital_state_gives_its_name_and_its_code() -> None:
    manual = value(value_type="DIGITAL", digital_code=0, value_string="Manual")
    assert (manual.value, manual.digital_code, manual.system_state) == ("Manual", 0, None)


def test_trap_12_a_system_state_gives_no_value_but_its_code() -> None:
    state = value(system_state=253, system_state_name="Pt Created", good=False)
    assert (state.value, state.system_state, state.good) == (None, 253, False)


def test_trap_15_every_flag_is_passed_on_verbatim() -> None:
    flagged = value(questionable=True, substituted=True, annotated=True)
    assert (flagged.good, flagged.questionable, flagged.substituted, flagged.annotated) == (True, True, True, True)


def test_each_schema_id_is_asked_for_once() -> None:
    asked: list[int] = []

    def counted(schema_id: int) -> dict[str, Any]:
        asked.append(schema_id)
        return wire.raw_schema("value_frame")

    messages = [message(frame(sample()), schema_id) for schema_id in (7, 7, 9, 7, 9)]
    assert len(list(read_values(messages, counted))) == 5
    assert asked == [7, 9]


def test_what_is_no_frame_raises_after_the_values_before_it() -> None:
    reading = read_values([message(frame(sample())), b"garbage", message(frame(sample()))], schema_of)
    assert next(reading).point_key == "main:1"
    with pytest.raises(wire.WireError):
        next(reading)
