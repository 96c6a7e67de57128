"""Points as they are kept in memory."""

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from bridge.inventory import Inventory
from bridge.points import Point, packed, unpacked
from bridge.shard import World
from tests.unit.bridge.world import at, point_record

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(
    tag=TEXTS, descriptor=st.none() | TEXTS, zero=st.none() | st.floats(allow_nan=False), point_id=st.integers(-(1 << 63), (1 << 63) - 1)
)
def test_a_record_comes_back_from_its_packed_form_as_it_was(**fields: Any) -> None:
    record = point_record(1, **fields)
    assert unpacked(packed(record)) == record
    assert list(unpacked(packed(record))) == list(record)


def test_a_shard_carries_what_it_needs_of_a_record_and_shares_what_many_points_have_in_common() -> None:
    one, two = (Point.of(point_record(n, "05:00", engineering_units="".join(["de", "gC"]))) for n in (1, 2))
    assert one == Point("main:1", "main", "W1", "T1", "degC", "Float64", at("05:00"))
    assert one.uom is two.uom


def published(*records: dict[str, Any]) -> Inventory:
    """An inventory that has published these."""
    inventory = Inventory(cast(World, None))
    inventory._known = {record["point_key"]: packed(record) for record in records}  # type: ignore[arg-type]
    return inventory


def test_a_point_is_published_again_only_if_something_about_it_changed() -> None:
    inventory = published({**point_record(1, "05:00")})
    same = packed(point_record(1, "06:00", received_time=99))
    assert inventory._changed("main:1", same) is None
    renamed = inventory._changed("main:1", packed(point_record(1, "06:00", tag="T1b")))
    assert renamed is not None
    assert renamed["tag"] == "T1b"
    assert renamed["start_time"] * 10 == at("05:00"), "a start that counts back from now stays where it was first"


def test_a_new_point_and_one_whose_start_was_set_back_are_published() -> None:
    inventory = published({**point_record(1, "05:00")})
    earlier, new = (inventory._changed(f"main:{n}", packed(point_record(n, "04:00"))) for n in (1, 2))
    assert earlier is not None
    assert new is not None
    assert [point["start_time"] * 10 for point in (earlier, new)] == [at("04:00")] * 2
