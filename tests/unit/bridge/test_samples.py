"""Samples as the bridge carries them are the contract's samples."""

from hypothesis import given

from bridge.samples import DOUBLE, PLAIN, Flags, Sample, record_of, shape, size_of, text_shape
from schemas.digest import hash_of, status_hash, status_of
from schemas.records import Sample as Record
from tests.unit.bridge.world import carried
from tests.unit.schemas.frames import NINE, sample
from tests.unit.schemas.test_digest_properties import any_sample


@given(any_sample())
def test_a_sample_becomes_the_record_that_it_was_made_from(record: Record) -> None:
    assert repr(record_of(carried(record))) == repr(record)


@given(any_sample())
def test_the_hash_of_a_status_is_known_by_the_shape(record: Record) -> None:
    assert carried(record).shape.status_hash == status_hash(status_of(record))


def test_what_differs_in_time_and_number_alone_shares_a_shape() -> None:
    one, other = (carried(sample(NINE + n, value_type="DOUBLE", value_double=float(n), good=False)) for n in (1, 2))
    assert one.shape is other.shape
    assert shape("DOUBLE", PLAIN) is DOUBLE
    assert shape("DOUBLE", Flags(good=False)) is not DOUBLE


def test_texts_have_a_shape_each_and_are_of_one_family() -> None:
    one, other = (text_shape(PLAIN, text) for text in ("filling", "draining"))
    assert one is not other
    assert one.family is other.family is shape("STRING", PLAIN, text="")
    assert text_shape(Flags(good=False), "filling").family is not one.family


def test_texts_count_for_the_size_with_all_their_bytes() -> None:
    plain, text = Sample(1, 1.5, DOUBLE), Sample(1, None, text_shape(PLAIN, "größer 😀"))
    state = Sample(1, None, shape("NONE", PLAIN, system_state=246, state_name="Störung"))
    assert size_of([plain, text, state]) == 3 * size_of([plain]) + len("größer 😀".encode()) + len("Störung".encode())
    assert hash_of(record_of(text)) != hash_of(record_of(state))
