"""Delta tables as their definitions want them: created, widened, appended to."""

from dataclasses import dataclass

from pyspark.sql import DataFrame

from spark_jobs import quoting
from spark_jobs.destination import Destination
from spark_jobs.errors import Refused
from spark_jobs.landed import Found, parsed
from spark_jobs.tables import Column, Table


@dataclass(frozen=True)
class State:
    """A table as it lies there."""

    columns: dict[str, tuple[str, str]]
    """SQL type and comment by name."""
    properties: dict[str, str]


def state(destination: Destination, table: Table) -> State | None:
    """The table at its place; None if there is none."""
    if not destination.exists(table):
        return None
    fields = destination.spark.table(destination.sql_name(table)).schema.fields
    columns = {field.name: (field.dataType.simpleString(), str(field.metadata.get("comment", ""))) for field in fields}
    return State(columns, destination.properties(table))


def found(destination: Destination, table: Table) -> Found:
    """What the table's log says about how far it was landed."""
    place = destination.place(table)
    if not destination.exists(table):
        return Found(table.name, place, False, False)
    ours = next((one for remark in destination.remarks(table) if (one := parsed(remark)) is not None), None)
    if ours is not None:
        return Found(table.name, place, True, True, *ours)
    has_rows = destination.has_rows(table)
    return Found(table.name, place, True, has_rows, writers=destination.writers(table) if has_rows else {})


def ensure(destination: Destination, table: Table, source: str) -> None:
    """Create the table, or bring it up to its definition. Raises Refused if that cannot be."""
    there = state(destination, table)
    where = destination.sql_name(table)
    if there is None:
        destination.make_room(table.layer)
        steps = [create_statement(table, where, source)]
    else:
        steps = alterations(table, where, source, there)
    for step in steps:
        destination.spark.sql(step)


def create_statement(table: Table, where: str, source: str) -> str:
    """SQL that creates the table, `where` in SQL, with all columns, comments and properties."""
    return (
        f"CREATE TABLE {where} ({_columns(table.columns)}) USING DELTA COMMENT {quoting.text(table.comment)}"
        f" CLUSTER BY ({', '.join(map(quoting.name, table.cluster_by))}) TBLPROPERTIES ({_properties(table.all_properties(source))})"
    )


def alterations(table: Table, where: str, source: str, there: State) -> list[str]:
    """SQL that brings an older table up to the present columns, comments and properties.

    Raises Refused if a column has another type, or the table holds another source.
    """
    if (other := there.properties.get("pibridge.source", source)) != source:
        raise Refused(f"table {where} holds source {other}, not {source}: give each source a warehouse of its own")
    steps = []
    if new := [column for column in table.columns if column.name not in there.columns]:
        steps.append(f"ALTER TABLE {where} ADD COLUMNS ({_columns(new)})")
    for column in table.columns:
        kind, comment = there.columns.get(column.name, (column.kind.sql, column.comment))
        if kind != column.kind.sql:
            raise Refused(f"column {column.name} of table {where} is {kind}, and the schema now says {column.kind.sql}")
        if comment != column.comment:
            steps.append(f"ALTER TABLE {where} ALTER COLUMN {quoting.name(column.name)} COMMENT {quoting.text(column.comment)}")
    wanted = table.all_properties(source)
    if changed := {key: value for key, value in wanted.items() if there.properties.get(key) != value}:
        steps.append(f"ALTER TABLE {where} SET TBLPROPERTIES ({_properties(changed)})")
    return steps


def append(destination: Destination, table: Table, frame: DataFrame, app_id: str, batch_id: int, remark: str) -> None:
    """Append a batch's rows, once: Delta passes over a batch that it has from this writer."""
    writer = frame.write.format("delta").mode("append")
    destination.save(writer.option("txnAppId", app_id).option("txnVersion", batch_id).option("userMetadata", remark), table)


def _columns(columns: tuple[Column, ...] | list[Column]) -> str:
    return ", ".join(f"{quoting.name(c.name)} {c.kind.sql.upper()} COMMENT {quoting.text(c.comment)}" for c in columns)


def _properties(values: dict[str, str]) -> str:
    return ", ".join(f"{quoting.text(key)} = {quoting.text(value)}" for key, value in values.items())
