from typing import Any

import pytest

from schemas import records, topics
from spark_jobs import delta, tables
from spark_jobs.errors import Refused

KAFKA = ["kafka_topic", "kafka_partition", "kafka_offset", "kafka_time"]


def names(table: tables.Table) -> list[str]:
    return [column.name for column in table.columns]


def test_every_field_of_a_frame_has_a_column() -> None:
    sample = [name for name in records.Sample.__annotations__]
    frame = ["origin", "via", "cause", "received_time", "server_time", "shard", "epoch", "sequence", "clock"]
    assert names(tables.TIMESERIES) == ["source", "point_key", "tag", "uom", *sample, *frame, *KAFKA, "series_index", "sample_index"]
    stated = ["cause", "via", "received_time", "server_time", "shard", "epoch", "sequence", "clock"]
    assert names(tables.COVERAGE) == ["source", "point_key", "tag", *records.Statement.__annotations__, *stated, *KAFKA, "series_index"]
    assert {*frame, "source", "series"} == set(records.ValueFrame.__annotations__)


@pytest.mark.parametrize(
    ("table", "record"),
    [(tables.POINTS, records.Point), (tables.INCIDENTS, records.Incident), (tables.DEAD_LETTERS, records.DeadLetter)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_other_tables_hold_the_records_fields_and_kafkas_coordinates(table: tables.Table, record: Any) -> None:
    assert names(table) == [*record.__annotations__, "kafka_key", *KAFKA]


def test_every_column_is_described_and_named_once_and_clustering_columns_have_statistics() -> None:
    for table in tables.TABLES:
        assert all(len(column.comment) > 5 for column in table.columns)
        assert len(set(names(table))) == len(table.columns)
        assert set(table.cluster_by) <= set(table.skipping) <= set(names(table))


def test_times_are_timestamps_and_lists_are_arrays() -> None:
    kinds = {column.name: column.kind.sql for table in tables.TABLES for column in table.columns}
    assert {kinds[name] for name in ("event_time", "from_time", "as_of", "received_time", "kafka_time")} == {"timestamp"}
    assert (kinds["point_keys"], kinds["value_type"], kinds["ticks"], kinds["clock"]) == ("array<string>", "string", "int", "bigint")


def test_a_union_of_several_types_has_no_column_type() -> None:
    with pytest.raises(ValueError, match="several types"):
        tables.kind_of(["null", "string", "long"])


def test_every_topic_lands_but_what_processes_tell_themselves() -> None:
    own = (topics.PROGRESS, topics.COMMANDS, topics.JOBS, topics.ASSESSMENTS)
    assert set(tables.records_by_topic("plant1")) == {topic.name("plant1") for topic in topics.TOPICS if topic not in own}


def state(table: tables.Table, **changes: Any) -> delta.State:
    columns = {column.name: (column.kind.sql, column.comment) for column in table.columns} | changes.pop("columns", {})
    without = changes.pop("without", ())
    return delta.State({k: v for k, v in columns.items() if k not in without}, table.all_properties("plant1") | changes)


def test_a_table_as_it_should_be_is_left_alone() -> None:
    assert delta.alterations(tables.POINTS, "delta.`/w/p`", "plant1", state(tables.POINTS)) == []


def test_an_older_table_gets_the_new_column_comment_and_property() -> None:
    older = state(tables.POINTS, without=("zero",), columns={"tag": ("string", "older")}, **{"pibridge.schema_fingerprint": "0"})
    assert delta.alterations(tables.POINTS, "delta.`/w/p`", "plant1", older) == [
        "ALTER TABLE delta.`/w/p` ADD COLUMNS (`zero` DOUBLE COMMENT 'Lowest expected value, in the engineering unit.')",
        "ALTER TABLE delta.`/w/p` ALTER COLUMN `tag` COMMENT 'Name of the point.'",
        f"ALTER TABLE delta.`/w/p` SET TBLPROPERTIES ('pibridge.schema_fingerprint' = '{tables.fingerprint('point')}')",
    ]


def test_a_column_of_another_type_and_the_table_of_another_source_are_refused() -> None:
    with pytest.raises(Refused, match=r"column zero .* is string"):
        delta.alterations(tables.POINTS, "delta.`/w/p`", "plant1", state(tables.POINTS, columns={"zero": ("string", "")}))
    with pytest.raises(Refused, match="holds source plant1, not plant2"):
        delta.alterations(tables.POINTS, "delta.`/w/p`", "plant2", state(tables.POINTS))
