"""The page about the lakehouse: it says what commands answered, and its descriptions are those of the tables."""

from pathlib import Path
from typing import Any

import pytest

from proofs.evidence import ROOT
from proofs.lakehouse.__main__ import DEFINED
from proofs.lakehouse.page import ROWS, Asked, Described, Seen, described, page
from spark_jobs.tables import Table

AGAIN = "run: python -m proofs.lakehouse --write"


def as_described(table: Table) -> Described:
    """What DESCRIBE has to say of a table."""
    rows = [{"col_name": column.name, "data_type": column.kind.sql, "comment": column.comment} for column in table.columns]
    return Described(table.layer, table.name, table.comment, rows)


@pytest.mark.parametrize("table", DEFINED, ids=lambda table: table.name)
def test_the_committed_page_describes_each_table_as_it_is(table: Table) -> None:
    text = (ROOT / "docs" / "lakehouse.md").read_text(encoding="utf-8")
    assert described(as_described(table)) in text, AGAIN


def seen(rows: list[dict[str, Any]], more: bool = False) -> Seen:
    listed = {"layer": "silver", "table": "t", "rows": 1, "files": 1, "bytes": 9, "version": 0, "committed": None, "age_seconds": 1}
    in_catalog = {
        "catalog_name": "pibridge", "schema_name": "silver", "name": "t", "table_type": "EXTERNAL", "data_source_format": "DELTA",
        "columns": [{"name": "a", "comment": "first"}, {"name": "b"}], "storage_location": "file:///tmp/demo/warehouse/silver/t",
    }  # fmt: skip
    answer = {"columns": ["a", "b"], "rows": rows, "more_rows": more}
    return Seen([listed], [in_catalog], in_catalog, [Asked("pibridge query x", answer)], {"result": "complete"}, [])


def test_answers_are_cut_and_columns_without_any_value_left_out() -> None:
    text = page(seen([{"a": number, "b": None} for number in range(ROWS + 5)], more=True), "/tmp/demo")
    assert "| a |\n|---|\n| 0 |" in text
    assert f"| {ROWS - 1} |\n\n… and 5 or more rows besides." in text
    assert f"| {ROWS} |" not in text


def test_an_answer_without_rows_says_so() -> None:
    assert "No rows." in page(seen([]), "/tmp/demo")


def test_no_directory_of_the_machine_is_told() -> None:
    text = page(seen([]), "/tmp/demo")
    assert "/tmp/demo" not in text
    assert "file:///data/warehouse/silver/t" in text


def test_columns_with_a_comment_are_counted() -> None:
    assert "| silver | t | EXTERNAL | DELTA | 2 | 1 |" in page(seen([]), str(Path("/tmp/demo")))


def test_a_value_cannot_break_its_row() -> None:
    assert "| x\\|y z |" in page(seen([{"a": "x|y\nz", "b": None}]), "/tmp/demo")
