"""The frame encoder against fastavro: the same bytes, the same refusals."""

import copy
import io
from typing import Any, cast

import fastavro
import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge import frame_encoder
from bridge.frame import Frame, Series, plain
from bridge.frame_encoder import FrameEncoder, SchemaMismatch, eight_byte_varints, encoder_of, varint
from bridge.samples import Sample
from schemas import records, wire
from schemas.records import Statement
from tests.unit.bridge.world import carried
from tests.unit.schemas import frames as contract
from tests.unit.schemas.frames import NINE, statement

SCHEMA = wire.schema("value_frame")
ENCODER = FrameEncoder(SCHEMA)
LONGS = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-70, 70))
INTS = st.one_of(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(-70, 70))
TIMES = st.one_of(
    st.integers(NINE, NINE + 10**7),
    st.sampled_from([0, -1, (1 << 48) - 1, 1 << 48, (1 << 55) - 1, 1 << 55, -62135596800000000, 253402300799999999]),
    st.integers(-(1 << 62), 1 << 62),
)
NAMES = st.sampled_from(["On", "Keine Daten", None])
KINDS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.builds(lambda v: {"value_type": "DOUBLE", "value_double": v}, st.floats()),
    st.builds(lambda v: {"value_type": "LONG", "value_long": v}, LONGS),
    st.builds(lambda v: {"value_type": "TIMESTAMP", "value_long": v}, LONGS),
    st.builds(lambda v: {"value_type": "STRING", "value_string": v}, st.text()),
    st.builds(lambda v: {"value_type": "BYTES", "value_bytes": v}, st.binary()),
    st.builds(lambda c, n: {"value_type": "DIGITAL", "digital_code": c, "value_string": n}, st.integers(-1, 3), NAMES),
    st.builds(lambda c, n: {"system_state": c, "system_state_name": n}, INTS, NAMES),
    st.just({}),
]  # fmt: skip
FLAGS = st.dictionaries(st.sampled_from(["good", "questionable", "substituted", "annotated"]), st.booleans(), max_size=2)
SAMPLES = st.builds(
    lambda time, ticks, ordinal, kind, flags: sample(time, ticks=ticks, ordinal=ordinal, **kind, **flags),
    TIMES, st.integers(0, 9), st.one_of(st.integers(0, 70), INTS), st.one_of(KINDS), FLAGS,
)  # fmt: skip
PLAIN = st.builds(
    lambda time, ticks, value: sample(time, ticks=ticks, value_type="DOUBLE", value_double=value),
    st.integers(NINE, NINE + 10**10), st.integers(0, 9), st.floats(),
)  # fmt: skip
POINTS = st.tuples(st.sampled_from(["main:1", "main:2", "größer:3"]), st.text(max_size=5), st.sampled_from([None, "°C", ""]))
STATEMENTS = st.one_of(st.none(), st.builds(lambda digest, count: statement(digest=digest, count=count), LONGS, LONGS))


def sample(event_time: int = NINE, **fields: object) -> Sample:
    """A sample without a value, good, with the fields given."""
    return carried(contract.sample(event_time, **fields))


def frame(*samples: Sample, stated: Statement | None = None) -> Frame:
    """A frame of one point: previews, or a statement."""
    made: Any = contract.frame(stated=stated)
    made["series"][0]["samples"] = list(samples)
    return cast(Frame, made)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """A frame with some series, of mixed samples or of many plain ones."""
    made = frame()
    made["server_time"], made["cause"] = draw(st.sampled_from([None, NINE])), draw(st.sampled_from([None, "incident"]))
    made["sequence"] = draw(LONGS)
    made["series"] = [draw(series()) for _ in range(draw(st.integers(0, 4)))]
    return made


@st.composite
def series(draw: st.DrawFn) -> Series:
    point_key, tag, uom = draw(POINTS)
    samples = draw(st.one_of(st.lists(SAMPLES, max_size=12), st.lists(PLAIN, max_size=40)))
    return {"point_key": point_key, "tag": tag, "uom": uom, "statement": draw(STATEMENTS), "samples": samples}


def by_fastavro(record: Any, schema: Any = SCHEMA) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, plain(cast(Frame, record)) if isinstance(record, dict) else record, strict=True)
    return out.getvalue()


# -- the same bytes


@given(frames())
@example(frame(*[sample(NINE + n, ticks=n % 10, value_type="DOUBLE", value_double=n / 7) for n in range(5000)]))
@example(frame(*[sample(NINE + n, ordinal=n) for n in range(100)]))
@example(frame())
@settings(max_examples=500, deadline=None)
def test_a_frame_has_the_bytes_that_fastavro_writes(made: Frame) -> None:
    assert ENCODER.encode(made) == by_fastavro(made)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6, 63, 64, 65, 4095, 4096, 4097])
def test_any_number_of_samples_has_the_bytes_that_fastavro_writes(count: int) -> None:
    made = frame(*[sample(NINE + n * 10**6, ticks=n % 10, value_type="DOUBLE", value_double=float(n)) for n in range(count)])
    assert ENCODER.encode(made) == by_fastavro(made)


@pytest.mark.parametrize(
    "change",
    [
        *({"event_time": time} for time in (0, -1, (1 << 48) - 1, 1 << 48, (1 << 55) - 1, 1 << 55, -62135596800000000, 253402300799999999)),
        *({"ordinal": number} for number in (-1, 63, 64, 127, 128, 255, 256, 1 << 30)),
    ],
    ids=str,
)  # fmt: skip
def test_a_number_that_is_longer_or_shorter_than_the_others_has_the_bytes_that_fastavro_writes(change: Any) -> None:
    made = frame(*[sample(NINE, value_type="DOUBLE", value_double=float(n)) for n in range(20)])
    changed = made["series"][0]["samples"][7]
    changed.ticks, changed.ordinal = change.get("event_time", NINE) * 10 + change.get("ticks", 0), change.get("ordinal", 0)
    assert ENCODER.encode(made) == by_fastavro(made)


def test_day_by_day_frames_are_encoded_without_fastavro_writing_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, written = FrameEncoder(SCHEMA), list[object]()
    write = encoder._sample

    def noted(sample: records.Sample) -> bytes:
        written.append(sample)
        return write(sample)

    monkeypatch.setattr(encoder, "_whole", None)
    monkeypatch.setattr(encoder, "_sample", noted)
    doubles = [sample(NINE + n, value_type="DOUBLE", value_double=float(n)) for n in range(300)]
    longs = [sample(NINE + n, value_type="LONG", value_long=n) for n in range(300)]
    states = [sample(NINE + n, value_type="DIGITAL", digital_code=n % 3, value_string=str(n % 3)) for n in range(300)]
    texts = [sample(NINE + n, value_type="STRING", value_string=f"batch {n}") for n in range(300)]
    made = frame(*doubles, *longs, *states, *texts)
    made["series"] += frame(*doubles, stated=statement())["series"]
    assert encoder.encode(made) == by_fastavro(made)
    assert len(written) == 6  # once for each shape: two of numbers, one of texts, three states


def test_a_point_that_changes_its_name_is_written_with_the_new_one() -> None:
    for tag in ("before", "after", "before"):
        made = frame(sample())
        made["series"][0]["tag"] = tag
        assert ENCODER.encode(made) == by_fastavro(made)


def test_what_is_kept_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_encoder, "_SHAPES_KEPT", 3)
    monkeypatch.setattr(frame_encoder, "_POINTS_KEPT", 3)
    encoder = FrameEncoder(SCHEMA)
    for n in range(20):
        made = frame(sample(system_state=n))
        made["series"][0]["point_key"] = str(n)
        assert encoder.encode(made) == by_fastavro(made)
        assert len(encoder._layouts) <= 3
        assert len(encoder._points) <= 3


@given(LONGS)
@example(-(1 << 63))
@example((1 << 63) - 1)
def test_a_number_has_the_bytes_that_fastavro_writes(number: int) -> None:
    assert varint(number) == by_fastavro(number, "long")


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1])
def test_a_number_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(OverflowError):
        varint(number)


@given(st.lists(st.integers(1 << 48, (1 << 55) - 1), max_size=50))
@example([1 << 48, (1 << 55) - 1] * 3000)
def test_many_times_at_once_have_the_bytes_of_each(numbers: list[int]) -> None:
    assert eight_byte_varints(np.array(numbers, np.int64)).tobytes() == b"".join(map(varint, numbers))


# -- the same refusals


@pytest.mark.parametrize(("value_type", "number"), [("DOUBLE", "text"), ("LONG", 1 << 63), ("TIMESTAMP", 1.5), ("NONSENSE", None)], ids=str)
@pytest.mark.parametrize("count", [1, 20])
def test_a_sample_that_does_not_fit_is_refused_as_fastavro_refuses_it(value_type: Any, number: Any, count: int) -> None:
    wrong = [Sample(NINE * 10 + n, number, sample().shape) for n in range(count)]
    for one in wrong:
        one.shape = msgspec.structs.replace(one.shape, value_type=value_type)
    made = frame(sample(), *wrong)
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever it is
        by_fastavro(made)
    with pytest.raises(type(theirs.value)):
        ENCODER.encode(made)


@pytest.mark.parametrize("change", [{"tag": None}, {"samples": None}, {"statement": {}}], ids=str)
def test_a_series_that_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    made = frame(sample())
    made["series"].append({**made["series"][0], **change})  # type: ignore[typeddict-item]
    with pytest.raises((ValueError, TypeError)):
        ENCODER.encode(made)


# -- other schemas


def altered(change: Any) -> Any:
    """The schema of frames, after `change` was given its frame, series and sample fields."""
    definition = copy.deepcopy(wire.raw_schema("value_frame"))
    series_fields = definition["fields"][-1]["type"]["items"]["fields"]
    change(definition["fields"], series_fields, series_fields[-1]["type"]["items"]["fields"])
    return wire.parse(definition)


def more_fields(frame_fields: list[Any], series_fields: list[Any], sample_fields: list[Any]) -> None:
    frame_fields.insert(2, {"name": "more", "type": "string"})
    frame_fields.insert(0, {"name": "first", "type": {"type": "enum", "name": "First", "symbols": ["A", "B"]}})


def test_a_schema_that_grew_is_encoded_as_fastavro_does_it() -> None:
    schema = altered(more_fields)
    made: Any = frame(*[sample(NINE + n, value_type="DOUBLE", value_double=1.0, value_long=None) for n in range(20)])
    made["more"], made["first"] = "text", "B"
    assert FrameEncoder(schema).encode(made) == by_fastavro(made, schema)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame_fields, series_fields, sample_fields: frame_fields.append({"name": "more", "type": "int"}),
        lambda frame_fields, series_fields, sample_fields: series_fields.append({"name": "more", "type": "int"}),
        lambda frame_fields, series_fields, sample_fields: series_fields.insert(0, {"name": "more", "type": "int"}),
        lambda frame_fields, series_fields, sample_fields: sample_fields.append({"name": "more", "type": "int"}),
        lambda frame_fields, series_fields, sample_fields: sample_fields.insert(0, {"name": "more", "type": "int"}),
        lambda frame_fields, series_fields, sample_fields: sample_fields[0].update(type="string"),
        lambda frame_fields, series_fields, sample_fields: sample_fields[4].update(type=["double", "null"]),
        lambda frame_fields, series_fields, sample_fields: sample_fields[5].update(type=["null", "int"]),
        lambda frame_fields, series_fields, sample_fields: sample_fields[5].update(type="long", default=0),
        lambda frame_fields, series_fields, sample_fields: sample_fields.pop(5),
        lambda frame_fields, series_fields, sample_fields: frame_fields[-1].update(type=["null", frame_fields[-1]["type"]]),
    ],
    ids=range(11),
)
def test_a_schema_that_is_laid_out_otherwise_is_left_to_fastavro(change: Any) -> None:
    schema = altered(change)
    with pytest.raises(SchemaMismatch):
        FrameEncoder(schema)
    plain = altered(lambda frame_fields, *_: frame_fields.append({"name": "more", "type": "int"}))
    made: Any = frame(sample()) | {"more": 5}
    assert encoder_of(plain)(made) == by_fastavro(made, plain)


def test_our_schema_is_encoded_by_column() -> None:
    assert getattr(encoder_of(SCHEMA), "__func__", None) is FrameEncoder.encode
