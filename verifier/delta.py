"""Reads the tables of the lakehouse by path, each at one version, as rows for the checks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from verifier.checks import Tables
from verifier.errors import Unavailable
from verifier.events import Event, of_sample, stray_columns
from verifier.frames import Place, statement_of
from verifier.landing import CoverageRow, Head, SampleRow

_SAMPLE = (
    "event_time",
    "ticks",
    "ordinal",
    "value_type",
    "value_double",
    "value_long",
    "value_string",
    "value_bytes",
    "digital_code",
    "system_state",
    "system_state_name",
    "good",
    "questionable",
    "substituted",
    "annotated",
)
_HEAD = ("shard", "epoch", "sequence", "clock", "via")
_PLACE = ("kafka_topic", "kafka_partition", "kafka_offset", "series_index")
_STATEMENT = ("kind", "from_time", "from_ticks", "to_time", "to_ticks", "as_of", "as_of_clock", "count", "digest")


class Lakehouse:
    """The tables of one source under a warehouse root, pinned to the versions they had when this was made."""

    def __init__(self, warehouse: Path, source: str) -> None:
        """Raises Unavailable if there is no bronze."""
        self._source, self._prefix = source, f"pi.{source}."
        # The ledger first: a batch writes its samples before its statements, so that none of these lacks the others.
        self._coverage = _pinned(warehouse / "bronze" / "pi_coverage")
        self._samples = _pinned(warehouse / "bronze" / "pi_timeseries")
        self._cleaned = _pinned(warehouse / "silver" / "pi_timeseries_cleaned", optional=True)
        self._open = _pinned(warehouse / "silver" / "pi_previews_open", optional=True)

    @property
    def versions(self) -> dict[str, int]:
        """Version of each table that is there."""
        tables = {
            "bronze.pi_coverage": self._coverage,
            "bronze.pi_timeseries": self._samples,
            "silver.pi_timeseries_cleaned": self._cleaned,
            "silver.pi_previews_open": self._open,
        }
        return {name: table.version() for name, table in tables.items() if table is not None}

    def tables(self) -> Tables:
        """The rows; each table can be gone through once."""
        return Tables(
            self._sample_rows(),
            self._coverage_rows(),
            None if self._cleaned is None else self._events(self._cleaned),
            None if self._open is None else self._events(self._open),
        )

    def _sample_rows(self) -> Iterator[SampleRow]:
        columns = (*_PLACE, "sample_index", "point_key", "uom", "origin", *_HEAD, *_SAMPLE)
        for row in self._rows(self._samples, columns):
            head = Head(row["shard"], row["epoch"], row["sequence"], row["clock"], row["via"])
            place, series = self._place(row), row["series_index"]
            event, stray = of_sample(row), tuple(stray_columns(row))
            yield SampleRow(place, series, row["sample_index"], row["point_key"], row["uom"], row["origin"], head, event, stray)

    def _coverage_rows(self) -> Iterator[CoverageRow]:
        for row in self._rows(self._coverage, (*_PLACE, "point_key", *_HEAD, *_STATEMENT)):
            head = Head(row["shard"], row["epoch"], row["sequence"], row["clock"], row["via"])
            yield CoverageRow(self._place(row), row["series_index"], row["point_key"], head, statement_of(row))

    def _events(self, table: DeltaTable) -> Iterator[tuple[str, Event]]:
        for row in self._rows(table, ("point_key", *_SAMPLE)):
            yield row["point_key"], of_sample(row)

    def _place(self, row: dict[str, Any]) -> Place:
        return row["kafka_topic"].removeprefix(self._prefix), row["kafka_partition"], row["kafka_offset"]

    def _rows(self, table: DeltaTable | None, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The source's rows as dictionaries, instants as whole microseconds. Raises Unavailable if a column is missing."""
        if table is None:
            return
        try:
            dataset = table.to_pyarrow_dataset()
        except DeltaError as error:
            raise Unavailable(f"{table.table_uri}: {error}") from error
        if lacking := {*columns, "source"} - set(dataset.schema.names):
            raise Unavailable(f"{table.table_uri}: it has no column {', '.join(sorted(lacking))}")
        for batch in dataset.to_batches(columns=[*columns, "source"]):
            arrays = [_plain(batch.column(name)).to_pylist() for name in columns]
            for source, *values in zip(batch.column("source").to_pylist(), *arrays, strict=True):
                if source == self._source:
                    yield dict(zip(columns, values, strict=True))


def _pinned(path: Path, optional: bool = False) -> DeltaTable | None:
    try:
        return DeltaTable(str(path.absolute()))
    except TableNotFoundError as error:
        if optional:
            return None
        raise Unavailable(f"there is no Delta table at {path}") from error
    except (DeltaError, OSError) as error:
        raise Unavailable(f"{path}: {error}") from error


def _plain(column: Any) -> Any:
    """Timestamps as microseconds since 1970; everything else as it is."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return column
