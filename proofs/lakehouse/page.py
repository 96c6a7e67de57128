"""The page docs/lakehouse.md, out of what the commands and the catalog answered. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ROWS = 10
"""So many rows of an answer are shown."""
_HEAD = """\
# The lakehouse as its users see it

After a demo on this machine's servers: `python -m proofs.lakehouse --write` makes this page. `tests/unit/test_lakehouse_page.py` holds its
descriptions against the tables' definitions. Paths below the demo's directory are written as `/data`.
"""


@dataclass(frozen=True)
class Described:
    """A table as DESCRIBE tells it: rows with col_name, data_type and comment; and its own comment."""

    layer: str
    name: str
    comment: str
    columns: Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """A question and its answer, an object as `pibridge query --json` prints it."""

    command: str
    answer: dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """All that the page tells of."""

    listed: Sequence[dict[str, Any]]
    """Tables, as `pibridge tables --json` has them."""
    catalog: Sequence[dict[str, Any]]
    """Tables, as the catalog's REST interface lists them."""
    example: dict[str, Any]
    """One table as the catalog has it."""
    asked: Sequence[Asked]
    reconciled: dict[str, Any]
    """As `pibridge reconcile --json` prints it."""
    described: Sequence[Described]


def page(seen: Seen, directory: str) -> str:
    """The page as Markdown, the demo's directory replaced."""
    parts = [
        _HEAD,
        "## `pibridge tables`\n",
        _table([{name: row[name] for name in ("layer", "table", "rows", "files", "bytes", "version")} for row in seen.listed]),
        "\n## What Unity Catalog lists\n",
        "`GET /api/2.1/unity-catalog/tables?catalog_name=pibridge&schema_name=…`, each schema:\n",
        _table([_as_listed(table) for table in seen.catalog]),
        f"\nOne of them whole, `GET /api/2.1/unity-catalog/tables/{seen.example['catalog_name']}.{seen.example['schema_name']}"
        f".{seen.example['name']}`:\n",
        f"```json\n{json.dumps(seen.example, indent=1, sort_keys=True)}\n```",
        "\n## Questions\n",
        f"The first {ROWS} rows of each answer, without columns that are empty in all of them.\n",
        *(f"```\n{each.command}\n```\n\n{_answered(each.answer)}\n" for each in seen.asked),
        "## Completeness\n",
        "`pibridge reconcile --from 3h`. A picture that has something to show is [the one of a hundred holes](evidence/reconcile.svg).\n",
        _table([{"figure": name, "value": value} for name, value in seen.reconciled.items() if not isinstance(value, list)]),
        "\n## Descriptions\n",
        '`pibridge query "DESCRIBE <table>"`, and the comment of each table.\n',
        *map(described, seen.described),
    ]
    return "\n".join(parts).replace(directory, "/data")


def described(table: Described) -> str:
    """A table's part of the page."""
    rows = [{"column": row["col_name"], "type": row["data_type"], "comment": row["comment"]} for row in table.columns]
    return f"### {table.layer}.{table.name}\n\n{table.comment}\n\n{_table(rows)}\n"


def _as_listed(table: dict[str, Any]) -> dict[str, Any]:
    kept = {name: table[name] for name in ("schema_name", "name", "table_type", "data_source_format")}
    return kept | {"columns": len(table["columns"]), "with comment": sum(bool(column.get("comment")) for column in table["columns"])}


def _answered(answer: dict[str, Any]) -> str:
    rows = answer["rows"][:ROWS]
    names = [name for name in answer["columns"] if any(row[name] is not None for row in rows)]
    more = len(answer["rows"]) - len(rows)
    told = f"\n\n… and {more:,}{' or more' if answer['more_rows'] else ''} rows besides." if more else ""
    return (_table([{name: row[name] for name in names} for row in rows]) if rows else "No rows.") + told


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join(lines + ["| " + " | ".join(map(_cell, row.values())) + " |" for row in rows])


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
