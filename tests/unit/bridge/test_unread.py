"""Previews that wait for a read: packed, and in no way different from a list of them."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.unread import Unread

INSTANTS = st.integers(-(1 << 62), 1 << 62)


@given(st.lists(st.tuples(INSTANTS, INSTANTS)), INSTANTS)
def test_what_is_kept_is_what_a_list_would_keep(previews: list[tuple[int, int]], end: int) -> None:
    unread = Unread()
    for preview in previews:
        unread.add(*preview)
    assert (list(unread), len(unread), bool(unread)) == (previews, len(previews), bool(previews))
    unread.keep(lambda ticks, came: ticks >= end and came >= end)
    assert list(unread) == [(ticks, came) for ticks, came in previews if ticks >= end and came >= end]
