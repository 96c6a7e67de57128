"""The demo on real servers: it proves what it should, and its proof fails where it should."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from deltalake import DeltaTable, write_deltalake

from console.demo import Demo, Options, Result, Say
from console.lakehouse import Bronze
from console.stack import Stack, running
from schemas import wire
from schemas.topics import TOPICS

pytestmark = [pytest.mark.demo, pytest.mark.timeout(900)]
POINTS = 200


@dataclass
class Played:
    """A demo that has run, its stack still up."""

    demo: Demo
    result: Result
    stack: Stack


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    began = time.monotonic()
    say = Say(began)
    options = Options(seconds=20, points=POINTS, rate=60, verify=True)
    with running(tmp_path_factory.mktemp("demo"), say=say) as stack, closing(Demo(options, stack, say, began)) as demo:
        result = demo.run()
        yield Played(demo, result, stack)


def test_demo_proves_that_nothing_is_lost_invented_wrong_or_doubled(played: Played) -> None:
    result = played.result
    assert result.examples == {}
    assert (result.lost, result.invented, result.wrong, result.duplicates) == (0, 0, 0, 0)
    assert result.unsettled is None
    assert result.result == "proved"


def test_demo_covers_every_point_and_the_whole_real_history(played: Played) -> None:
    result = played.result
    assert result.points == result.points_covered == POINTS + 1
    assert result.csv_rows == 22_694
    assert result.archived_in_scope > 4_000
    assert result.previews > 500
    assert result.oldest_coverage_lag_seconds <= 30


def test_demo_tells_its_story(played: Played) -> None:
    assert played.result.sockets_lost >= 1
    assert played.result.late_inserted_found == 5
    assert played.result.dead_letters == 1


def test_the_verifier_finds_nothing_either(played: Played) -> None:
    assert played.result.verifier == {f"V{number}": 0 for number in range(1, 11)}


def test_servers_say_which_versions_they_are(played: Played) -> None:
    assert played.result.versions["kafka"] == "4.3.1"
    assert played.result.versions["registry"] == "3.3.3"


def test_topics_group_subjects_and_tables_are_there_for_anyone_to_see(played: Played) -> None:
    admin = AdminClient({"bootstrap.servers": played.stack.bootstrap_servers})
    assert {topic.name("demo") for topic in TOPICS} <= set(admin.list_topics(timeout=10).topics)
    groups = admin.list_consumer_groups(request_timeout=10)
    assert "pibridge" in {group.group_id for group in groups.result().valid}
    with SchemaRegistryClient({"url": played.stack.registry_url}) as registry:
        registered = registry.get_subjects()
    assert {topic.subject("demo") for topic in TOPICS} <= set(registered)
    table = DeltaTable(str(played.stack.warehouse / "bronze" / "pi_timeseries"))
    assert {"point_key", "event_time", "ticks", "kafka_offset"} <= {field.name for field in table.schema().fields}


def test_tables_carry_the_comments_of_the_avro_files_in_unity_catalog(played: Played) -> None:
    if played.stack.catalog_uri is None:
        pytest.fail("no uc-server on PATH") if os.environ.get("CI") == "true" else pytest.skip("no uc-server on PATH")
    address = f"{played.stack.catalog_uri}/api/2.1/unity-catalog/tables/pibridge.bronze.pi_timeseries"
    columns = {c["name"]: c["comment"] for c in httpx2.get(address, trust_env=False).raise_for_status().json()["columns"]}
    sample = wire.raw_schema("value_frame")["fields"][-1]["type"]["items"]["fields"][-1]["type"]["items"]["fields"]
    assert {field["name"]: field["doc"] for field in sample}.items() <= columns.items()
    assert played.result.catalog_tables == 5


# -- the proof must be able to fail: one bronze row deleted, doubled, altered, added -------------------------------------------------------


@pytest.fixture(scope="module")
def rows(played: Played) -> pa.Table:
    """All of bronze.pi_timeseries, as it was landed. Nothing is landed any more: a later statement would lack its samples here."""
    played.stack.children.stop_one(played.stack.server("spark"))
    return DeltaTable(str(played.stack.warehouse / "bronze" / "pi_timeseries")).to_pyarrow_table()


def tampered(played: Played, rows: pa.Table, directory: Path) -> Result:
    """The proof over a copy of bronze that has these rows instead."""
    write_deltalake(str(directory / "bronze" / "pi_timeseries"), rows)
    for table in ("pi_coverage", "pi_incidents", "pi_dead_letters"):
        (directory / "bronze" / table).symlink_to(played.stack.warehouse / "bronze" / table)
    return played.demo.prove(Bronze(directory))


def counts(result: Result) -> tuple[int, int, int, int]:
    return result.lost, result.invented, result.wrong, result.duplicates


def a_stated_number(rows: pa.Table) -> int:
    """Index of a row of the real history: stated once, in a statement that nothing overrules."""
    wanted = pc.and_(pc.equal(rows["tag"], "machine_temperature"), pc.equal(rows["origin"], "RECORDED"))
    return int(pc.index(wanted, True).as_py()) + 5


def test_an_untouched_copy_is_proved(played: Played, rows: pa.Table, tmp_path: Path) -> None:
    assert counts(tampered(played, rows, tmp_path)) == (0, 0, 0, 0)


def test_a_deleted_row_is_found_as_lost(played: Played, rows: pa.Table, tmp_path: Path) -> None:
    at = a_stated_number(rows)
    result = tampered(played, pa.concat_tables([rows.slice(0, at), rows.slice(at + 1)]), tmp_path)
    assert counts(result) == (1, 0, 0, 0)
    assert result.result == "failed"


def test_a_doubled_row_is_found_as_duplicate(played: Played, rows: pa.Table, tmp_path: Path) -> None:
    result = tampered(played, pa.concat_tables([rows, rows.slice(a_stated_number(rows), 1)]), tmp_path)
    assert counts(result) == (0, 0, 0, 1)
    assert result.result == "failed"


def test_an_altered_row_is_found_as_wrong(played: Played, rows: pa.Table, tmp_path: Path) -> None:
    at = a_stated_number(rows)
    values = rows["value_double"].to_pylist()
    values[at] += 2e-14 * abs(values[at])
    column = rows.schema.get_field_index("value_double")
    result = tampered(played, rows.set_column(column, "value_double", pa.array(values, pa.float64())), tmp_path)
    assert counts(result) == (0, 0, 1, 0)
    assert result.result == "failed"


def test_an_added_row_is_found_as_invented(played: Played, rows: pa.Table, tmp_path: Path) -> None:
    row = rows.slice(a_stated_number(rows), 1)
    added = row.set_column(row.schema.get_field_index("ticks"), "ticks", pa.array([7], pa.int32()))
    result = tampered(played, pa.concat_tables([rows, added.cast(rows.schema)]), tmp_path)
    assert counts(result) == (0, 1, 0, 0)
    assert result.result == "failed"
