import math
import struct
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import digest
from schemas.records import Sample
from tests.unit.schemas.frames import NINE, sample

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
CODES = st.integers(-(1 << 31), (1 << 31) - 1)


@st.composite
def any_sample(draw: st.DrawFn) -> Sample:
    """A sample such as the bridge makes."""
    fields: dict[str, object] = draw(
        st.one_of(
            st.builds(lambda v: {"value_type": "DOUBLE", "value_double": v}, st.floats()),
            st.builds(lambda v: {"value_type": "LONG", "value_long": v}, LONGS),
            st.builds(lambda v: {"value_type": "TIMESTAMP", "value_long": v}, LONGS),
            st.builds(lambda v: {"value_type": "STRING", "value_string": v}, st.text()),
            st.builds(lambda v: {"value_type": "BYTES", "value_bytes": v}, st.binary()),
            st.builds(lambda c: {"value_type": "DIGITAL", "digital_code": c, "value_string": "state"}, CODES),
            st.builds(lambda c: {"system_state": c, "system_state_name": "state"}, CODES),
        )
    )
    flags = dict(zip(("good", "questionable", "substituted", "annotated"), draw(st.tuples(*[st.booleans()] * 4)), strict=True))
    return sample(NINE + draw(st.integers(0, 10**9)), ticks=draw(st.integers(0, 9)), **fields, **flags)


@given(st.lists(any_sample(), max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_digest_does_not_depend_on_order(samples: list[Sample], chance: Random) -> None:
    shuffled = list(samples)
    chance.shuffle(shuffled)
    assert digest.digest_of(shuffled) == digest.digest_of(samples)


@given(st.lists(any_sample(), max_size=8), st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_digests_of_parts_add_up_to_the_digest_of_the_whole(samples: list[Sample], at: int) -> None:
    left, right = digest.digest_of(samples[:at]), digest.digest_of(samples[at:])
    assert digest.add(left, right) == digest.digest_of(samples)
    assert digest.add(left, digest.EMPTY) == left


@given(st.lists(any_sample(), max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_digest_is_made_of_the_hash_of_each_sample_whatever_stands_beside_it(samples: list[Sample]) -> None:
    hashes = [digest.hash_of(sample) for sample in samples]
    assert digest.digest_of(iter(samples)) == sum(h >> 33 for h in hashes) % (1 << 31) << 32 | sum(hashes) % (1 << 32)


@given(st.lists(any_sample(), max_size=8))
@settings(max_examples=60, deadline=None)
def test_a_digest_is_a_long_that_is_not_negative(samples: list[Sample]) -> None:
    assert 0 <= digest.digest_of(samples) < 1 << 63


def test_a_long_sum_wraps_in_both_halves() -> None:
    total = digest.EMPTY
    one = digest.digest_of([sample(value_type="DOUBLE", value_double=1.0)])
    for _ in range(1000):
        total = digest.add(total, one)
    assert total == digest.digest_of([sample(value_type="DOUBLE", value_double=1.0)] * 1000)
    assert total != one * 1000


def test_no_samples_have_the_empty_digest() -> None:
    assert digest.digest_of([]) == digest.EMPTY == 0


def test_minus_zero_is_zero() -> None:
    minus, zero = (sample(value_type="DOUBLE", value_double=value) for value in (-0.0, 0.0))
    assert str(minus["value_double"]) == "-0.0"
    assert digest.hash_of(minus) == digest.hash_of(zero)


def test_every_nan_is_the_canonical_one() -> None:
    payloads = (0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000001, 0x7FF0000000000001)
    nans = [struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in payloads]
    assert all(map(math.isnan, nans))
    assert len({digest.hash_of(sample(value_type="DOUBLE", value_double=nan)) for nan in nans}) == 1


def variants_of_status() -> list[Sample]:
    variants = [sample(), sample(good=False), sample(questionable=True), sample(substituted=True), sample(annotated=True)]
    variants += [sample(value_type=name) for name in digest.VALUE_TYPE_CODES if name != "NONE"]
    variants += [sample(digital_code=code) for code in (0, 1, -1, 248)]
    variants += [sample(system_state=code) for code in (0, 1, -1, 248)]
    return variants


def test_each_flag_type_and_code_counts_whatever_stands_before_it() -> None:
    for one in variants_of_status():
        for other in variants_of_status():
            assert digest.digest_of([one, other]) == digest.add(digest.digest_of([one]), digest.digest_of([other]))


def test_each_flag_type_and_code_gives_another_status() -> None:
    statuses = [digest.status_of(variant) for variant in variants_of_status()]
    assert len(set(statuses)) == len(statuses) == 5 + 7 + 8
    assert all(0 <= status < 1 << 48 for status in statuses)


def test_trap_13_digital_state_248_is_not_the_system_state_248() -> None:
    digital = sample(value_type="DIGITAL", digital_code=248, value_string="No Data")
    system = sample(system_state=248, system_state_name="No Data")
    assert digest.hash_of(digital) != digest.hash_of(system)


def test_trap_14_the_translated_name_of_a_state_does_not_change_the_digest() -> None:
    english, german = sample(system_state=254, system_state_name="Shutdown"), sample(system_state=254, system_state_name="Abgeschaltet")
    assert digest.hash_of(english) == digest.hash_of(german)
    on, an = (sample(value_type="DIGITAL", digital_code=1, value_string=name) for name in ("On", "An"))
    assert digest.hash_of(on) == digest.hash_of(an)


@pytest.mark.parametrize("changed", [{"ticks": 1}, {"event_time": NINE + 1}, {"value_double": 1.5000000000000002}, {"good": False}])
def test_the_least_change_of_a_value_changes_the_digest(changed: dict[str, object]) -> None:
    before = sample(value_type="DOUBLE", value_double=1.5)
    after = sample(**({"value_type": "DOUBLE", "value_double": 1.5} | changed))  # type: ignore[arg-type]
    assert digest.hash_of(before) != digest.hash_of(after)


def test_trap_20_a_value_that_stands_twice_counts_twice() -> None:
    one = sample(value_type="DOUBLE", value_double=1.5)
    assert digest.digest_of([one, one]) != digest.digest_of([one])


def test_an_empty_text_is_not_an_absent_one() -> None:
    assert digest.hash_of(sample(value_type="LONG", value_long=0)) != digest.hash_of(sample(value_type="LONG"))
    assert digest.status_of(sample(value_type="STRING", value_string="")) != digest.status_of(sample())
