import pytest

from spark_jobs import query
from spark_jobs.errors import Misconfigured


def test_parameters_are_names_and_texts_which_may_hold_anything() -> None:
    assert query.parameters_of(["tag=FIC%", "text=a=b", "none="]) == {"tag": "FIC%", "text": "a=b", "none": ""}


@pytest.mark.parametrize("given", ["tag", "=x", "1a=x", "a b=c"])
def test_what_is_no_parameter_is_refused_with_what_to_write(given: str) -> None:
    with pytest.raises(Misconfigured, match="as in tag=FIC%"):
        query.parameters_of([given])


def test_a_question_that_is_nowhere_is_refused_with_those_that_are() -> None:
    with pytest.raises(Misconfigured, match="last_values"):
        query.text_of("no/such/file.sql")
