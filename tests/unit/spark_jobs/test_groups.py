import pytest

from spark_jobs.groups import divided


@pytest.mark.parametrize(
    ("counts", "groups"),
    [
        ([], []),
        ([("a", 10)], [("a", "a")]),
        ([("a", 4), ("b", 6), ("c", 1)], [("a", "b"), ("c", "c")]),
        ([("a", 11), ("b", 1)], [("a", "a"), ("b", "b")]),
        ([("a", 1), ("b", 50), ("c", 1), ("d", 9)], [("a", "a"), ("b", "b"), ("c", "d")]),
        ([("a", 0), ("b", 0)], [("a", "b")]),
    ],
)
def test_points_are_grouped_in_order_up_to_so_many_events_and_a_greater_one_is_alone(
    counts: list[tuple[str, int]], groups: list[tuple[str, str]]
) -> None:
    assert divided(counts, 10) == groups
