"""A document in pieces: whole, or as it was before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_processors import pieces
from stream_processors.pieces import Pieces


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.data())
def test_a_writing_that_broke_off_leaves_what_was_written_before(contents: list[bytes], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", 10)
        store: dict[str, bytes] = {}
        writer = Pieces("overview")
        for content in contents:
            *parts, head = writer.split(content)
            broken = dict(parts[: data.draw(st.integers(0, len(parts)))])
            before = Pieces("overview").join(store.get)
            assert Pieces("overview").join((store | broken).get) == before
            store |= dict([*parts, head])
            assert Pieces("overview").join(store.get) == content


def test_who_goes_on_writes_to_the_other_place() -> None:
    store = dict(Pieces("overview").split(b"first"))
    other = Pieces("overview")
    assert other.join(store.get) == b"first"
    *parts, _ = other.split(b"second")
    assert Pieces("overview").join((store | dict(parts)).get) == b"first"


def test_nothing_written_is_nothing_and_a_piece_that_is_missing_or_changed_is_an_error() -> None:
    nothing: dict[str, bytes] = {}
    assert Pieces("overview").join(nothing.get) is None
    store = dict(Pieces("overview").split(b"content"))
    for broken in ({name: content for name, content in store.items() if "/" not in name}, store | {"overview/0/1": b"another"}):
        with pytest.raises(LookupError, match="not what was written"):
            Pieces("overview").join(broken.get)
