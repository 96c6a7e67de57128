from types import SimpleNamespace
from typing import Any, cast

import pytest

from spark_jobs import refined, tables
from spark_jobs.destination import Destination
from spark_jobs.maintain import kept
from spark_jobs.tables import Table


class Asked:
    """A session that notes what is asked of it, and put two files together if so asked."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.conf = SimpleNamespace(set=lambda name, value: None)

    def sql(self, statement: str) -> Any:
        self.statements.append(statement.partition(" ")[0])
        return SimpleNamespace(select=lambda *_: SimpleNamespace(collect=lambda: [(2, 1)]))


@pytest.mark.parametrize(
    ("table", "statements"),
    [
        (tables.COVERAGE, ["OPTIMIZE", "VACUUM"]),
        (refined.CLEANED, ["OPTIMIZE", "VACUUM"]),
        (refined.WATERMARKS, ["VACUUM"]),
        (refined.COMPLETENESS, ["VACUUM"]),  # `reconcile` may be writing it: what it replaces must not be put together meanwhile
    ],
    ids=lambda given: given.name if isinstance(given, Table) else "",
)
def test_a_table_that_is_overwritten_is_vacuumed_and_not_put_together(table: Table, statements: list[str]) -> None:
    asked = Asked()
    kept(cast(Destination, SimpleNamespace(spark=asked, sql_name=lambda table: table.name)), table)
    assert asked.statements == statements
