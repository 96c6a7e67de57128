"""Results as people and programs see them: tables, or one JSON object."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

_KEPT_WIDTH = 240


def print_result(result: dict[str, Any], as_json: bool) -> None:
    """Prints lists of records as tables, and what else there is as figures; or all of it as one JSON object."""
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    console = console_of_width()
    scalars = Table("figure", "value", show_header=False, box=None)
    for name, value in result.items():
        if isinstance(value, list):
            console.print(_rows(name, value))
        elif name != "schema_version":
            scalars.add_row(name, json.dumps(value) if isinstance(value, dict | tuple) else str(value))
    if scalars.row_count:
        console.print(scalars)


def console_of_width() -> Console:
    """What is not shown but kept has no width of its own: tables in it are not cut."""
    return Console(width=None if sys.stdout.isatty() else _KEPT_WIDTH)


def _rows(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(*(rows[0] if rows else ["nothing"]), title=title, title_justify="left")
    for row in rows:
        table.add_row(*map(str, row.values()))
    return table
