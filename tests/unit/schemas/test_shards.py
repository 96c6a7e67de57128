from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.shards import murmur2, shard_of


def signed(hash_: int) -> int:
    """As Java prints an int."""
    return hash_ - (1 << 32) if hash_ >> 31 else hash_


@pytest.mark.parametrize(
    ("key", "java"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_what_kafka_tests_its_own_with(key: bytes, java: int) -> None:
    assert signed(murmur2(key)) == java


def test_the_sign_bit_is_dropped_before_the_remainder_is_taken() -> None:
    assert shard_of("foobar", 12) == (-790332482 & 0x7FFFFFFF) % 12
    assert shard_of("21", 7) == (-973932308 & 0x7FFFFFFF) % 7


def test_a_key_counts_as_its_utf8_bytes() -> None:
    assert shard_of("größe", 1000) == (murmur2("größe".encode()) & 0x7FFFFFFF) % 1000


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(1, 1024))
def test_every_key_has_a_shard_within_bounds(key: str, shards: int) -> None:
    assert 0 <= shard_of(key, shards) < shards


@pytest.mark.parametrize("shards", [12, 16])
def test_consecutive_point_ids_spread_evenly(shards: int) -> None:
    points = 12_000
    counts = Counter(shard_of(f"main:{number}", shards) for number in range(1, points + 1))
    assert set(counts) == set(range(shards))
    expected = points / shards
    assert max(counts.values()) < expected * 1.15
    assert min(counts.values()) > expected * 0.85
