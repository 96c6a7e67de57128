import pytest

from schemas import wire
from spark_jobs import refined, tables
from spark_jobs.tables import Table

EVERY = (*refined.TABLES, refined.COMPLETENESS)


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_every_column_is_described_and_named_once_and_clustering_columns_have_statistics(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert all(len(column.comment) > 5 for column in table.columns)
    assert len(set(names)) == len(names)
    assert set(table.cluster_by) <= set(table.skipping) <= set(names)


def test_no_two_tables_share_a_name_and_each_lies_in_its_layer() -> None:
    everything = (*tables.TABLES, *EVERY)
    assert len({table.name for table in everything}) == len(everything)
    assert {table.path("/w").split("/")[2] for table in refined.SILVER} == {"silver"}
    assert refined.HOURLY.path("/w/") == "/w/gold/pi_metrics_hourly"


def test_what_comes_from_bronze_keeps_its_comment_and_a_new_field_of_a_sample_becomes_a_column() -> None:
    docs = {column.name: column.comment for column in tables.TIMESERIES.columns}
    taken = [column for column in refined.CLEANED.columns if column.part != "refined"]
    assert [column.comment for column in taken] == [docs[column.name] for column in taken]
    series = next(field["type"]["items"] for field in wire.raw_schema("value_frame")["fields"] if field["name"] == "series")
    fields = {field["name"] for item in series["fields"] if item["name"] == "samples" for field in item["type"]["items"]["fields"]}
    assert fields <= {column.name for column in refined.CLEANED.columns}
    corrected = {column.name for column in refined.CORRECTIONS.columns}
    assert {column.name for column in refined.VALUE} | {refined.BEFORE + column.name for column in refined.VALUE} <= corrected


def test_tables_without_an_avro_file_have_no_fingerprint_of_one() -> None:
    assert "pibridge.schema" not in refined.HOURLY.all_properties("plant1")
    assert refined.CLEANED.all_properties("plant1")["pibridge.schema"] == "value_frame"
