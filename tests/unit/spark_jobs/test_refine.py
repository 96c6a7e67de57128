import pytest

from spark_jobs import refine

WANTED = ("a", "b")


@pytest.mark.parametrize(
    ("begun", "known", "ids", "rows", "told"),
    [
        (False, {}, {}, [], None),
        (False, {}, {"a": "1"}, [], None),
        (False, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, ["a"], None),
        (False, {}, {"a": "1"}, ["a"], "no table b"),
        (True, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, ["a"], None),
        (True, {"a": "1"}, {"a": "1"}, ["a"], None),
        (True, {"a": "1", "b": "2"}, {"a": "1"}, ["a"], "tables b are not those"),
        (True, {"a": "1", "b": "2"}, {"a": "1", "b": "3"}, ["a"], "tables b are not those"),
        (True, {}, {"a": "1", "b": "3"}, [], "tables a, b are not those"),
    ],
)
def test_tables_and_checkpoint_are_of_one_life_or_a_sentence_says_what_to_remove(
    begun: bool, known: dict[str, str], ids: dict[str, str], rows: list[str], told: str | None
) -> None:
    problem = refine.disagreement(begun, known, ids, rows, WANTED)
    assert problem is None if told is None else problem is not None and told in problem
