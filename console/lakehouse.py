"""The tables as an independent reader sees them: by path, with delta-rs."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from console.proof import Row, Statement, landed, ticks_of

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


def _dictionaries(table: pa.Table | None) -> list[dict[str, Any]]:
    return [] if table is None else list(table.to_pylist())
