"""A table's rows in a scope made equal to what they should be, writing only what differs: the second time it changes nothing."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from schemas.times import MICROSECONDS_PER_HOUR
from spark_jobs import quoting
from spark_jobs.tables import Table

_ROWS_PER_FILE = 500_000
_KEYS_IN_TEXT = 500
"""More points than these are not listed in a condition: it would cost more than the files that it spares."""


@dataclass(frozen=True)
class Scope:
    """Part of a table, as far as conditions on its files can say it: the rest is left to joins."""

    time: str
    """Name of the time column."""
    ranges: Sequence[tuple[int, int]]
    """Microseconds, [begin, end) each."""
    keys: Sequence[str] | None
    """Points; None for too many."""

    def by(self, time: str) -> "Scope":
        """The same of a table whose time column has another name."""
        return replace(self, time=time)

    def wider(self, micros: int) -> "Scope":
        """With so much more at either end of each range."""
        return replace(self, ranges=joined_ranges([(begin - micros, end + micros) for begin, end in self.ranges]))

    def in_whole(self, micros: int) -> "Scope":
        """With ranges that begin and end where so long periods do, counted since 1970."""
        whole = [(begin // micros * micros, -(-end // micros) * micros) for begin, end in self.ranges]
        return replace(self, ranges=joined_ranges(whole))

    def condition(self, prefix: str = "") -> str:
        """SQL for rows whose time lies in the scope."""
        time = f"{prefix}{quoting.name(self.time)}"
        return self._of_points(prefix, [f"{time} >= {span['begin']} AND {time} < {span['end']}" for span in self._spans()])

    def overlap(self, begin: str, end: str) -> str:
        """SQL for rows whose range, of these columns, may reach into the scope."""
        return self._of_points("", [f"{begin} < {span['end']} AND {end} >= {span['begin']}" for span in self._spans()])

    def _spans(self) -> list[dict[str, str]]:
        return [{"begin": quoting.instant(begin), "end": quoting.instant(end)} for begin, end in self.ranges]

    def _of_points(self, prefix: str, times: Sequence[str]) -> str:
        condition = f"({' OR '.join(f'({time})' for time in times) or 'false'})"
        if self.keys is None:
            return condition
        return f"{condition} AND {prefix}{quoting.name('point_key')} IN ({', '.join(map(quoting.text, self.keys)) or 'NULL'})"


def scope_of(hours: DataFrame, time: str) -> Scope:
    """Where (point_key, hour)s lie, hours counted since 1970, in a table with this time column. One query."""
    keys = F.slice(F.collect_set("point_key"), 1, _KEYS_IN_TEXT + 1).alias("keys")
    (found,) = hours.agg(F.collect_set("hour").alias("hours"), keys).collect()
    ranges = joined_ranges([(hour * MICROSECONDS_PER_HOUR, (hour + 1) * MICROSECONDS_PER_HOUR) for hour in found["hours"]])
    return Scope(time, ranges, sorted(found["keys"]) if len(found["keys"]) <= _KEYS_IN_TEXT else None)


def joined_ranges(ranges: Sequence[tuple[int, int]], most: int = 48) -> list[tuple[int, int]]:
    """Ranges in order without overlap, at most so many: the smallest gaps are given up first."""
    whole: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if whole and begin <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(whole[-1][1], end)
        else:
            whole.append((begin, end))
    while len(whole) > most:
        at = min(range(1, len(whole)), key=lambda place: whole[place][0] - whole[place - 1][1])
        whole[at - 1 : at + 1] = [(whole[at - 1][0], whole[at][1])]
    return whole


@dataclass(frozen=True)
class Difference:
    """Rows written, by what became of them."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.inserted + self.updated + self.deleted


def apply(
    wanted: DataFrame,
    table: Table,
    path: str,
    keys: Sequence[str],
    scope: Scope,
    within: Callable[[DataFrame], DataFrame],
) -> Difference:
    """Make the table's rows that `within` leaves of the scope equal to `wanted`, where `keys` name one row each, and are never null.

    New rows are appended; only where rows change or go, files are written anew. A row that the table has more than once is one afterwards.
    """
    names = [column.name for column in table.columns]
    found = wanted.sparkSession.read.format("delta").load(path).where(scope.condition())
    copies = within(found).select(*keys, _sum(table).alias("now")).groupBy(*keys)
    now = copies.agg(F.max("now").alias("now"), F.count(F.lit(1)).alias("copies"))
    then = wanted.select(*keys, _sum(table).alias("then"), F.struct(*names).alias("row"))
    what = (
        F.when(F.col("now").isNull(), "inserted")
        .when(F.col("then").isNull(), "deleted")
        .when(F.col("copies") > 1, "doubled")
        .otherwise("updated")
    )
    compared = then.join(now, list(keys), "full").where((F.col("copies") > 1) | ~F.col("now").eqNullSafe(F.col("then")))
    # Kept apart from the table, whose every commit would have anything recomputed that was cached and reads it.
    difference = compared.select(*keys, "row", what.alias("what")).localCheckpoint()
    counts = Counter({row["what"]: row["count"] for row in difference.groupBy("what").count().collect()})

    def append(which: str) -> None:
        if counts[which]:
            new = difference.where(F.col("what") == which).select("row.*")
            new.coalesce(parts(new, counts[which])).write.format("delta").mode("append").save(path)

    append("inserted")
    if counts.keys() - {"inserted"}:
        _merge(difference.where("what <> 'inserted'"), table, path, keys, scope)
    append("doubled")  # all copies are gone: whoever dies here finds the row missing
    return Difference(counts["inserted"], counts["updated"] + counts["doubled"], counts["deleted"])


def parts(frame: DataFrame, rows: int) -> int:
    """Into how many files so many rows go."""
    return max(1, min(frame.sparkSession.sparkContext.defaultParallelism, -(-rows // _ROWS_PER_FILE)))


def _sum(table: Table) -> Column:
    """Hash of a row. Doubles count as texts, too: their hashes are alike for -0.0 and 0.0."""
    doubles = [F.col(column.name).cast("string") for column in table.columns if column.kind.sql == "double"]
    nulls = [F.col(column.name).isNull() for column in table.columns]  # a hash passes them over
    return F.xxhash64(*(column.name for column in table.columns), *doubles, *nulls)


def _merge(changes: DataFrame, table: Table, path: str, keys: Sequence[str], scope: Scope) -> None:
    view = f"changes_of_{table.name}"
    changes.createOrReplaceTempView(view)
    same = " AND ".join(f"t.{quoting.name(key)} = c.{quoting.name(key)}" for key in keys)
    cells = ", ".join(f"t.{name} = c.row.{name}" for name in (quoting.name(column.name) for column in table.columns))
    changes.sparkSession.sql(
        f"MERGE INTO {quoting.table(path)} t USING {view} c ON {same} AND {scope.condition('t.')} "
        f"WHEN MATCHED AND c.what <> 'updated' THEN DELETE WHEN MATCHED THEN UPDATE SET {cells}"
    )
