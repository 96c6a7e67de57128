"""Damage to Delta tables that nobody is told of: files written anew with rows gone or altered, in a commit that says it changed no data.

So it is with a disk or a tool that goes wrong: streams that read the table pass over the commit, as over a compaction.
"""

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from proofs.reconciliation.choice import Damage, cleaned_edit, coverage_edit, timeseries_edit

Edit = Callable[[pa.Table], pa.Table]


def damage(warehouse: Path, damages: Collection[Damage]) -> None:
    """Puts damages into the tables below a warehouse."""
    rewrite(warehouse / "bronze" / "pi_timeseries", timeseries_edit(damages))
    rewrite(warehouse / "bronze" / "pi_coverage", coverage_edit(damages))
    rewrite(warehouse / "silver" / "pi_timeseries_cleaned", cleaned_edit(damages))


def rewrite(place: Path, edit: Edit) -> int:
    """Puts what `edit` makes of each file in its place; answers how many rows are gone."""
    version = DeltaTable(str(place)).version()
    lines: list[dict[str, object]] = [{"commitInfo": {"timestamp": _now_ms(), "operation": "OPTIMIZE", "operationParameters": {}}}]
    gone = 0
    for path in pa.table(DeltaTable(str(place)).get_add_actions(flatten=True)).column("path").to_pylist():
        before = pq.ParquetFile(place / unquote(path)).read()
        after = edit(before)
        if after.equals(before):
            continue
        gone += before.num_rows - after.num_rows
        file = place / f"part-{uuid4()}.parquet"
        pq.write_table(after, file)
        lines.append({"remove": {"path": quote(unquote(path)), "deletionTimestamp": _now_ms(), "dataChange": False}})
        lines.append({"add": _added(file, after.num_rows)})
    log = place / "_delta_log" / f"{version + 1:020d}.json"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return gone


def _added(file: Path, rows: int) -> dict[str, object]:
    return {
        "path": file.name,
        "partitionValues": {},
        "size": file.stat().st_size,
        "modificationTime": _now_ms(),
        "dataChange": False,
        "stats": json.dumps({"numRecords": rows}),
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
