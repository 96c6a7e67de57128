"""Gold as it came to be, batch by batch and through whatever happened, beside gold that is measured at once out of the same silver."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from deltalake import DeltaTable

from proofs.deployment import Deployment, ProofFailed
from spark_jobs import silver
from spark_jobs.refined import CHANGED_RANGES, HOURLY, MEASURED, VALIDATED, WATERMARKS
from spark_jobs.tables import Table

_KEYS = {HOURLY.name: ("point_key", "hour"), VALIDATED.name: ("point_key", "day")}
Row = Mapping[str, Any]


def differing(deployment: Deployment) -> list[str]:
    """What gold holds otherwise than a second measuring of all covered hours, in a copy of the tables; a line each. Raises ProofFailed."""
    copy = deployment.directory / "measured-again"
    warehouse, checkpoints = copy / "warehouse", copy / "checkpoints"
    shutil.copytree(deployment.warehouse, warehouse)
    for table in MEASURED:
        shutil.rmtree(table.path(str(warehouse)))
    _tell_of_all(warehouse)
    shutil.copytree(deployment.checkpoints / silver.NAME, checkpoints / silver.NAME)  # silver has nothing to do, and gold begins anew
    document = yaml.safe_load(deployment.config_path.read_text(encoding="utf-8"))
    document["lakehouse"] |= {"warehouse": str(warehouse), "checkpoints": str(checkpoints)}
    config = copy / "pibridge.yaml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    job = deployment.start("measured-again", "spark_jobs", "refine", "--config", str(config), "--available-now")
    if (code := deployment.ended(job)) != 0:
        raise ProofFailed(f"{deployment.source}: measuring again ended with exit code {code}; its log is {job.log_path}")
    wanted = {table: _rows(table, warehouse) for table in MEASURED}
    if empty := [table.name for table, rows in wanted.items() if not rows]:
        raise ProofFailed(f"{deployment.source}: measuring again left no row in {', '.join(empty)}; its log is {job.log_path}")
    return [line for table, rows in wanted.items() for line in compared(table, _rows(table, deployment.warehouse), rows)]


def _tell_of_all(warehouse: Path) -> None:
    """Names all that is covered in pi_changed_ranges, so that what silver never told of is measured too.

    The commit is written by hand: the library that reads the table does not write to tables that are clustered.
    """
    told, file = Path(CHANGED_RANGES.path(str(warehouse))), "all-that-is-covered.parquet"
    covered = DeltaTable(WATERMARKS.path(str(warehouse))).to_pyarrow_table()
    names = {"from_time": "covered_from", "from_ticks": "covered_from_ticks", "to_time": "covered_to", "to_ticks": "covered_to_ticks",
             "received_time": "as_of"}  # fmt: skip
    columns = [column.name for column in CHANGED_RANGES.columns]
    pq.write_table(pa.table({name: covered[names.get(name, name)] for name in columns}), told / file)
    added = {"path": file, "partitionValues": {}, "size": (told / file).stat().st_size, "modificationTime": 0, "dataChange": True}
    commit = told / "_delta_log" / f"{DeltaTable(str(told)).version() + 1:020}.json"
    commit.write_text(json.dumps({"add": added}) + "\n", encoding="utf-8")


def compared(table: Table, found: Sequence[Row], wanted: Sequence[Row]) -> list[str]:
    """Rows of gold that are not as they should be; numbers may differ by their last digits, since sums are taken in any order."""
    keys = _KEYS[table.name]
    wanted_by_key = {tuple(row[key] for key in keys): row for row in wanted}
    lines = [f"{table.name}: {count - len(wanted_by_key)} rows too many or twice"] if (count := len(found)) > len(wanted_by_key) else []
    found_by_key = {tuple(row[key] for key in keys): row for row in found}
    for key, row in sorted(wanted_by_key.items(), key=lambda item: repr(item[0])):
        if (other := found_by_key.get(key)) is None:
            lines.append(f"{table.name}, {key}: there is no row")
        elif names := [name for name in row if not _alike(row[name], other[name])]:
            lines.append(f"{table.name}, {key}: " + ", ".join(f"{name} is {other[name]}, not {row[name]}" for name in names))
    return lines


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-6) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def _rows(table: Table, warehouse: Path) -> list[dict[str, Any]]:
    return list(DeltaTable(table.path(str(warehouse))).to_pyarrow_table().to_pylist())
