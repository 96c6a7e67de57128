"""Bronze tables without Kafka: rows put in as the bronze job would, batch by batch; and silver and gold as delta-rs reads them."""

import json
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from schemas.config import Lakehouse
from schemas.digest import digest_of
from spark_jobs import delta, quoting, refine, refined, silver, tables
from spark_jobs.tables import Table
from tests.spark import silver_model as model

SOURCE = "plant1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ARROW = {
    "string": pa.string(), "int": pa.int32(), "bigint": pa.int64(), "double": pa.float64(), "boolean": pa.bool_(), "binary": pa.binary(),
    "timestamp": pa.timestamp("us", "UTC"),
}  # fmt: skip


class House:
    """A lakehouse of one source below a directory."""

    def __init__(self, spark: SparkSession, root: Path) -> None:
        self.spark, self.root = spark, root
        self.settings = Lakehouse(warehouse=str(root / "warehouse"), checkpoints=str(root / "checkpoints"), refine_seconds=0.1)
        self._offset = 0
        for table in (tables.TIMESERIES, tables.COVERAGE, tables.POINTS):
            spark.sql(delta.create_statement(table, quoting.table(self.path(table)), SOURCE))

    def path(self, table: Table) -> str:
        return table.path(str(self.root / "warehouse"))

    def refine(self) -> None:
        """Silver and gold of all that bronze has."""
        refine.run(self.spark, SOURCE, self.settings, True, threading.Event())

    def refine_silver(self) -> None:
        """Silver alone."""
        warehouse = str(self.root / "warehouse")
        of_silver = next(one for one in refine.planned(self.spark, self.settings, warehouse, threading.Event()) if one.name == silver.NAME)
        refine.prepare(self.spark, of_silver, warehouse, SOURCE)
        refine.run_one(of_silver, True, threading.Event())

    # -- bronze ------------------------------------------------------------------------------------------------------------------

    def land(self, told: Iterable[tuple[str, model.Stated | model.Heard]], chance: random.Random) -> None:
        """One micro-batch of bronze: each statement or preview in a frame of its own, samples before statements."""
        samples, statements = rows_of(told, chance, self._offset)
        self._offset += len(samples) + len(statements)
        self.append(tables.TIMESERIES, samples)
        self.append(tables.COVERAGE, statements)

    def append(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Rows added in one commit; none, none."""
        if rows:
            frame(self.spark, table, rows).coalesce(1).write.format("delta").mode("append").save(self.path(table))

    # -- silver ------------------------------------------------------------------------------------------------------------------

    def rows(self, table: Table) -> list[dict[str, Any]]:
        return list(DeltaTable(self.path(table)).to_pyarrow_table().to_pylist())

    def described(self, table: Table) -> list[tuple[str, str | None]]:
        """Columns and their comments, as they lie there."""
        fields = json.loads(DeltaTable(self.path(table)).schema().to_json())["fields"]
        return [(field["name"], field["metadata"].get("comment")) for field in fields]

    def versions(self) -> dict[str, int]:
        return {table.name: DeltaTable(self.path(table)).version() for table in refined.SILVER}

    def silver(self) -> dict[str, model.Silver]:
        """All points, as the model tells them."""
        return silver_of(self.rows)


def rows_of(
    told: Iterable[tuple[str, model.Stated | model.Heard]], chance: random.Random, offset: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of pi_timeseries and of pi_coverage for what was published, each in a frame of its own, after an offset."""
    samples: list[dict[str, Any]] = []
    statements: list[dict[str, Any]] = []
    for key, one in told:
        offset += 1
        live = isinstance(one, model.Heard)
        head = {
            "source": SOURCE, "point_key": key, "tag": one.tag if isinstance(one, model.Stated) else "tag", "shard": 0, "epoch": 0,
            "sequence": offset, "clock": one.clock, "via": "CHANNEL" if live else "READ",
            "received_time": instant(model.BASE // 10 + one.clock * 1_000_000 + 500_000),
            "kafka_topic": f"pi.{SOURCE}.{'live' if live else chance.choice(('recorded', 'history'))}",
            "kafka_partition": 0, "kafka_offset": offset, "series_index": chance.randrange(3),
        }  # fmt: skip
        if isinstance(one, model.Heard):
            samples.append(head | {"origin": "LIVE", "uom": "bar", "sample_index": 0} | sample(one.at, one.ordinal, one.content))
            continue
        events = [sample(at, ordinal, content) for (at, ordinal), content in one.events]
        samples += [head | {"origin": "RECORDED", "uom": "bar", "sample_index": number} | event for number, event in enumerate(events)]
        statements.append(
            head
            | {"kind": "CONFIRMED" if one.confirms else "STATED", "as_of": instant(one.as_of), "as_of_clock": one.as_of_clock}
            | {"from_time": instant(one.begin // 10), "from_ticks": one.begin % 10, "to_time": instant(one.end // 10)}
            | {"to_ticks": one.end % 10, "count": len(events), "digest": digest_of(map(_record, events))}
        )
    return samples, statements


def frame(spark: SparkSession, table: Table, rows: Sequence[dict[str, Any]]) -> DataFrame:
    """Rows of a table; columns that are not named are null."""
    schema = pa.schema([(column.name, _ARROW[column.kind.sql]) for column in table.columns])
    return spark.createDataFrame(pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema))


def collected(frame_: DataFrame, table: Table) -> list[dict[str, Any]]:
    """Rows of a frame, whose columns must be the table's, as delta-rs would read them."""
    assert frame_.columns == [column.name for column in table.columns]
    return list(frame_.toArrow().to_pylist())


def silver_of(rows: Callable[[Table], list[dict[str, Any]]]) -> dict[str, model.Silver]:
    """All points of the silver tables, as the model tells them. An identity that is there twice is an error."""
    found: dict[str, model.Silver] = {}

    def put(where: dict[Any, Any], identity: Any, what: Any) -> None:
        where[identity if identity not in where else (identity, "twice")] = what

    for row in rows(refined.CLEANED):
        silver = found.setdefault(row["point_key"], model.Silver())
        put(silver.cleaned, _identity(row), (content(row), row["tag"], micros(row["known_time"])))
    for row in rows(refined.CORRECTIONS):
        after = content(row) if row["change"] != "REMOVED" else None
        before = content(row, refined.BEFORE) if row["change"] != "ADDED" else None
        was = None if row["before_known_time"] is None else micros(row["before_known_time"])
        told = row["change"], micros(row["known_time"]), was, after, before
        corrections = found.setdefault(row["point_key"], model.Silver()).corrections
        put(corrections, (*_identity(row), row["as_of_clock"], row["clock"]), told)
    for row in rows(refined.PREVIEWS_OPEN):
        put(found.setdefault(row["point_key"], model.Silver()).previews, _identity(row), (content(row), row["clock"]))
    for row in rows(refined.WATERMARKS):
        low, high = (
            None if row[name] is None else micros(row[name]) * 10 + row[f"{name}_ticks"] for name in ("covered_from", "covered_to")
        )
        silver = found.setdefault(row["point_key"], model.Silver())
        assert silver.marks is None
        silver.marks = low, high, micros(row["as_of"]), row["as_of_clock"]
    return found


def differences(scenes: dict[str, model.Scene], found: dict[str, model.Silver]) -> list[str]:
    """Where silver is not as the model says, bit by bit; one line each."""
    lines = []
    for key in sorted(scenes.keys() | found.keys()):
        wanted = model.expected(scenes[key]) if key in scenes else model.Silver()
        has = found.get(key, model.Silver())
        for name in ("cleaned", "corrections", "previews", "marks"):
            one, other = _told(getattr(wanted, name)), _told(getattr(has, name))
            if one != other:
                lines.append(f"{key} {name}: {other} in place of {one}, after {scenes.get(key)}")
    return lines


def _told(part: Any) -> str:
    """As a text, since -0.0 equals 0.0."""
    return repr(sorted(part.items(), key=repr) if isinstance(part, dict) else part)


def sample(at: int, ordinal: int, content: model.Content) -> dict[str, Any]:
    """Columns of a sample."""
    value: dict[str, Any] = {"value_type": "DOUBLE", "value_double": content.value}
    if content.value is None:
        value = {"value_type": "NONE", "system_state": 248, "system_state_name": content.name}
    time = {"event_time": instant(at // 10), "ticks": at % 10, "ordinal": ordinal}
    return time | value | {"good": content.good, "questionable": False, "substituted": False, "annotated": False}


_EMPTY = dict.fromkeys(("value_double", "value_long", "value_string", "value_bytes", "digital_code", "system_state"))


def _record(row: dict[str, Any]) -> Any:
    """The columns of a sample as the bridge knows them."""
    return _EMPTY | row | {"event_time": micros(row["event_time"])}


def content(row: dict[str, Any], prefix: str = "") -> model.Content:
    """Content of a row."""
    return model.Content(row[f"{prefix}value_double"], row[f"{prefix}good"], row[f"{prefix}system_state_name"])


def _identity(row: dict[str, Any]) -> tuple[int, int]:
    return micros(row["event_time"]) * 10 + row["ticks"], row["ordinal"]


def instant(micros_: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros_)


def micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
