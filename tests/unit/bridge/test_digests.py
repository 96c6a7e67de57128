"""The digest by column against the contract's, sample by sample."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import digests
from bridge.samples import DOUBLE, PLAIN, Flags, Sample, blob_shape, record_of, shape, text_shape
from schemas import digest

TICKS = st.integers(-(1 << 60), 1 << 60)
DOUBLES = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan]))
NUMBERS = st.one_of(
    st.tuples(DOUBLES, st.sampled_from([DOUBLE, shape("DOUBLE", Flags(good=False))])),
    st.tuples(st.integers(-(1 << 63), (1 << 63) - 1), st.sampled_from([shape("LONG", PLAIN), shape("TIMESTAMP", PLAIN)])),
    st.tuples(st.none(), st.sampled_from([shape("DIGITAL", PLAIN, 3, "On"), shape("NONE", Flags(good=False), None, None, 246, "Bad")])),
    st.tuples(st.none(), st.one_of(st.text().map(lambda t: text_shape(PLAIN, t)), st.binary().map(lambda b: blob_shape(PLAIN, b)))),
)
SAMPLES = st.builds(lambda ticks, number: Sample(ticks, *number), TICKS, NUMBERS)


def by_the_contract(samples: list[Sample]) -> int:
    return digest.digest_of(map(record_of, samples))


@given(st.lists(SAMPLES, max_size=12), st.sampled_from([1, 3, 1000]))
@settings(max_examples=300, deadline=None)
def test_a_digest_is_the_contracts_whether_by_column_or_one_by_one(samples: list[Sample], columns_from: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(digests, "_COLUMNS_FROM", columns_from)
        assert digests.digest_of(samples) == by_the_contract(samples)


@pytest.mark.parametrize("count", [0, 1, 119, 120, 5000])
def test_any_number_of_samples_has_the_contracts_digest(count: int) -> None:
    samples = [Sample(17_040_996_000_000_000 + n, n / 7, DOUBLE) for n in range(count)]
    assert digests.digest_of(samples) == by_the_contract(samples)


def test_every_nan_is_the_canonical_one_by_column_too() -> None:
    payloads = (0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000001, 0x7FF0000000000001)
    nans = [struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in payloads]
    assert len({digests.digest_of([Sample(n, nan, DOUBLE) for n in range(200)]) for nan in nans}) == 1


def test_a_sample_that_differs_in_its_last_bit_changes_the_digest_of_many() -> None:
    samples = [Sample(n, 1.5, DOUBLE) for n in range(1000)]
    before = digests.digest_of(samples)
    samples[777] = Sample(777, math.nextafter(1.5, 2.0), DOUBLE)
    assert digests.digest_of(samples) != before
