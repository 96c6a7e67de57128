import pytest

from spark_jobs import quoting


@pytest.mark.parametrize(
    ("given", "quoted"),
    [("plain", "`plain`"), ("a`b", "`a``b`"), ("`; DROP TABLE x; --", "```; DROP TABLE x; --`"), ("ü 'x' \"y\"", "`ü 'x' \"y\"`")],
)
def test_a_name_stays_one_identifier(given: str, quoted: str) -> None:
    assert quoting.name(given) == quoted


@pytest.mark.parametrize(("given", "quoted"), [("it's", r"'it\'s'"), ("\\", r"'\\'"), (r"\' OR 1=1", r"'\\\' OR 1=1'"), ("a`b", "'a`b'")])
def test_a_text_stays_one_literal(given: str, quoted: str) -> None:
    assert quoting.text(given) == quoted


def test_a_path_with_a_back_tick_stays_one_table() -> None:
    assert quoting.table("/w/a`b") == "delta.`/w/a``b`"
