"""The tables as an independent reader sees them: by path, with delta-rs."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from console.proof import Row, Statement, landed, ticks_of
from schemas.config import Config, ConfigError
from spark_jobs import refined
from spark_jobs.tables import LAYERS, TABLES

_PLACE = ["kafka_topic", "kafka_partition", "kafka_offset", "series_index"]
_SAMPLE = [
    "point_key", "event_time", "ticks", "ordinal", "value_type", "value_double", "value_long", "value_string", "digital_code",
    "system_state", "good", "questionable", "substituted", "annotated", "origin", *_PLACE,
]  # fmt: skip
_STATEMENT = ["point_key", "kind", "from_time", "from_ticks", "to_time", "to_ticks", "as_of_clock", "clock", *_PLACE]


@dataclass(frozen=True)
class Bronze:
    """The bronze tables below a warehouse. A table that does not exist yet is empty."""

    warehouse: Path

    def _rows(self, table: str, columns: list[str]) -> pa.Table | None:
        try:
            found = DeltaTable(str(self.warehouse / "bronze" / table)).to_pyarrow_table(columns=columns)
        except TableNotFoundError:
            return None
        for at, column in enumerate(found.schema):
            if pa.types.is_timestamp(column.type):
                found = found.set_column(at, column.name, found.column(at).cast(pa.int64()))
        return found

    def statements(self) -> dict[str, list[Statement]]:
        """Every statement by point."""
        found: dict[str, list[Statement]] = defaultdict(list)
        for row in _dictionaries(self._rows("pi_coverage", _STATEMENT)):
            begin, end = ticks_of(row["from_time"], row["from_ticks"]), ticks_of(row["to_time"], row["to_ticks"])
            place = tuple(row[name] for name in _PLACE)
            if row["kind"] == "CONFIRMED":  # it has no samples: what was stated before holds on
                continue
            found[row["point_key"]].append(Statement(begin, end, row["as_of_clock"], row["clock"], place))
        return found

    def samples(self) -> tuple[dict[tuple[str, int, int, int], list[Row]], int, int]:
        """The samples of statements by the place of their statement; the number of previews; the number of rows."""
        found: dict[tuple[str, int, int, int], list[Row]] = defaultdict(list)
        previews = rows = 0
        for row in _dictionaries(self._rows("pi_timeseries", _SAMPLE)):
            rows += 1
            if row["origin"] == "LIVE":
                previews += 1
            else:
                found[tuple(row[name] for name in _PLACE)].append(landed(row))
        return found, previews, rows

    def incidents(self) -> dict[str, tuple[str, str]]:
        """Kind and newest state of each incident."""
        order = {"OPENED": 0, "REPAIRED": 1, "CLOSED": 2}
        found: dict[str, tuple[str, str]] = {}
        for row in _dictionaries(self._rows("pi_incidents", ["incident_id", "kind", "state"])):
            known = found.get(row["incident_id"])
            if known is None or order.get(row["state"], -1) > order.get(known[1], -1):
                found[row["incident_id"]] = (row["kind"], row["state"])
        return found

    def dead_letters(self) -> int:
        """Number of dead letters."""
        found = self._rows("pi_dead_letters", ["stage"])
        return 0 if found is None else int(found.num_rows)


def silver_rows(warehouse: Path) -> int:
    """Number of events in silver."""
    return int(DeltaTable(str(warehouse / "silver" / "pi_timeseries_cleaned")).to_pyarrow_dataset().count_rows())


def listed(config: Config) -> list[dict[str, Any]]:
    """Every table below the warehouse by layer, and those of ours that are not there yet with empty figures. Raises ConfigError."""
    warehouse = None if config.lakehouse is None else config.lakehouse.warehouse
    if warehouse is None:
        raise ConfigError(Path(), ["lakehouse.warehouse is not set: tables by name are listed by their catalog"])
    expected = {(table.layer, table.name) for table in (*TABLES, *refined.TABLES, refined.COMPLETENESS)}
    logs = [] if "://" in warehouse else Path(warehouse).glob("*/*/_delta_log")  # elsewhere only those that we know of can be found
    there = {(log.parent.parent.name, log.parent.name) for log in logs}
    order = {layer: at for at, layer in enumerate(LAYERS)}
    names = sorted((one for one in expected | there if one[0] in order), key=lambda one: (order[one[0]], one[1]))
    return [_figures(f"{warehouse.rstrip('/')}/{layer}/{name}", layer, name) for layer, name in names]


def _figures(place: str, layer: str, name: str) -> dict[str, Any]:
    empty = {
        "layer": layer,
        "table": name,
        "rows": None,
        "files": None,
        "bytes": None,
        "version": None,
        "committed": None,
        "age_seconds": None,
    }
    try:
        table = DeltaTable(place)
    except TableNotFoundError:
        return empty
    files = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    # Of the commits that added rows: OPTIMIZE and the like make nothing fresher.
    committed = max((commit["timestamp"] for commit in table.history(20) if commit.get("operation") in ("WRITE", "MERGE")), default=None)
    at = None if committed is None else datetime.fromtimestamp(committed / 1000, UTC)
    return empty | {
        "rows": sum(count or 0 for count in files.get("num_records", [])),
        "files": len(files.get("path", [])),
        "bytes": sum(files.get("size_bytes", [])),
        "version": table.version(),
        "committed": None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "age_seconds": None if at is None else round((datetime.now(UTC) - at).total_seconds()),
    }


def _dictionaries(table: pa.Table | None) -> list[dict[str, Any]]:
    return [] if table is None else list(table.to_pylist())
