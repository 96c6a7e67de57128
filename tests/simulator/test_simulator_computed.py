"""Computed history is worked out in bulk. It stays what the rules for single slots make of it, and what it was yesterday."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.identities import IdentifiedProfile
from simulator.profiles import Profile, build_profiles, mix, mix_run

KINDS = pytest.mark.parametrize("kind", [Profile, IdentifiedProfile])


def live(kind: type[Profile]) -> list[Profile]:
    return [profile for profile in build_profiles(100, 50.0, 7, 10, kind) if profile.period is not None]


@given(key=st.integers(0, (1 << 64) - 1), first=st.integers(-(1 << 40), 1 << 60), count=st.integers(1, 200))
def test_hashes_in_bulk_are_those_of_single_slots(key: int, first: int, count: int) -> None:
    assert list(mix_run(key, first, count)) == [mix(key ^ slot * 0x2545F4914F6CDD1D) for slot in range(first, first + count)]


@KINDS
def test_archived_events_in_bulk_are_those_of_the_slots_that_are_kept(kind: type[Profile]) -> None:
    for profile in live(kind):
        kept = []
        for slot in range(2_000_000, 2_000_200):
            before, h, after = (profile.hash_of(slot + step) for step in (-1, 0, 1))
            if profile.kept(before, h, after):
                kept += profile.events(slot, h)
        assert [event.json() for event in profile.archived(2_000_000, 2_000_200)] == [event.json() for event in kept]


def test_the_history_of_a_seed_never_changes() -> None:
    """Whoever has read it in another process, or with an older simulator, is shown the same again."""
    texts = [event.json() for profile in live(Profile) for event in profile.archived(1_000_000, 1_000_256)]
    assert len(texts) == 6679
    assert hashlib.sha256(b"".join(texts)).hexdigest()[:32] == "9a2d2ee4cf759c678b9310cb9be907f7"
