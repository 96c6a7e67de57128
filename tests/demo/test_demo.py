"""The demo on real servers: it proves what it should, and its proof fails where it should."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from deltalake import DeltaTable, write_deltalake

from console.demo import Demo, Options
from console.lakehouse import Bronze
from console.result import Result
from console.stack import Stack, running
from console.telling import Lines
from schemas import wire
from schemas.topics import TOPICS
from spark_jobs.tables import TABLES

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
    say = Lines(began)
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
    assert result.rows_silver >= result.csv_rows + result.archived_in_scope
    assert result.archived_in_scope > 4_000
    assert result.previews > 500
    assert result.oldest_coverage_lag_seconds <= 30


def test_demo_tells_its_story(played: Played) -> None:
    assert played.result.sockets_lost >= 1
    assert played.result.late_inserted_found == 5
    assert played.result.dead_letters == 1


def test_the_processors_find_each_value_that_came_late_on_purpose_and_why(played: Played) -> None:
    planted, found = played.result.late_planted, played.result.late_found
    assert played.result.not_found == ()
    assert planted["BEHIND_COVERAGE"] == 5
    assert planted["BUFFERED_INTERFACE"] > 50
    assert all(found[cause] >= count for cause, count in planted.items())


def test_the_processors_find_the_clock_that_is_ahead_and_no_other(played: Played) -> None:
    (group,) = played.result.skew_planted_seconds
    assert played.result.skew_planted_seconds[group] == -90.0
    assert abs(played.result.skew_seconds[group] + 90.0) <= 2.0
    assert played.result.skewed == (group,)
    assert played.result.skew_seconds.keys() >= {group, "pi"}
    assert len(played.result.skew_seconds) >= 3, "an interface that is plain too; the one that was silent has perhaps not been judged"


def test_what_the_processors_found_is_in_the_tables(played: Played) -> None:
    bronze = played.stack.warehouse / "bronze"
    late = DeltaTable(str(bronze / "pi_late_events")).to_pyarrow_table(columns=["cause", "samples"]).to_pylist()
    assert {row["cause"] for row in late} >= played.result.late_planted.keys()
    clocks = DeltaTable(str(bronze / "pi_clock_skew")).to_pyarrow_table(columns=["clock_group", "state"]).to_pylist()
    assert {row["clock_group"] for row in clocks if row["state"] == "SKEWED"} == set(played.result.skew_planted_seconds)


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
    assert played.result.catalog_tables == len(TABLES)


# -- what a person asks of the tables --------------------------------------------------------------------------------------------------


def pibridge(played: Played, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a command, with the demo's configuration."""
    command = [sys.executable, "-m", "console", *arguments, "--json", "--config", str(played.stack.directory / "pibridge.yaml")]
    done = subprocess.run(command, env=played.demo.environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_ledger_tables_and_pi_agree_hour_by_hour(played: Played, tmp_path: Path) -> None:
    code, found = pibridge(played, "reconcile", "--from", "3h", "--picture", str(tmp_path / "map.svg"))
    assert (code, found["result"], found["findings"]) == (0, "complete", {}), found
    assert found["points"] >= POINTS * 0.9
    assert found["hours_compared_with_pi"] >= POINTS // 2
    assert found["hours_unanswered_by_pi"] == 0
    assert (tmp_path / "map.svg").read_text().startswith("<svg")


def test_questions_are_answered_by_name(played: Played) -> None:
    code, found = pibridge(played, "query", "--file", "last_values", "--param", "tag=%")
    assert (code, len(found["rows"]), found["more_rows"]) == (0, played.result.points, False)
    assert {row["tag"] for row in found["rows"]} >= {"machine_temperature"}


# -- the proof must be able to fail: one bronze row deleted, doubled, altered, added -------------------------------------------------------


@pytest.fixture(scope="module")
def rows(played: Played) -> pa.Table:
    """All of bronze.pi_timeseries, as it was landed. The demo has ended landing, so that no later statement can lack its samples here."""
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


def test_a_clock_that_was_not_found_fails_the_proof(played: Played) -> None:
    found = played.demo.findings()
    (group,) = played.result.skew_planted_seconds
    del found.clocks[group]
    result = played.demo.prove(played.demo.bronze, findings=found)
    assert (result.result, result.not_found) == ("failed", (f"the clock of {group}, off by -90 s, was not judged",))


@pytest.mark.parametrize("cause", ["BEHIND_COVERAGE", "BUFFERED_INTERFACE"])
def test_late_values_that_were_not_found_fail_the_proof(played: Played, cause: str) -> None:
    found = played.demo.findings()
    found.late = {place: late for place, late in found.late.items() if late["cause"] != cause}
    result = played.demo.prove(played.demo.bronze, findings=found)
    assert result.result == "failed"
    (sentence,) = result.not_found
    assert sentence.startswith(f"of {played.result.late_planted[cause]} values late by {cause}, ")


def test_an_added_row_is_found_as_invented(played: Played, rows: pa.Table, tmp_path: Path) -> None:
    row = rows.slice(a_stated_number(rows), 1)
    added = row.set_column(row.schema.get_field_index("ticks"), "ticks", pa.array([7], pa.int32()))
    result = tampered(played, pa.concat_tables([rows, added.cast(rows.schema)]), tmp_path)
    assert counts(result) == (0, 1, 0, 0)
    assert result.result == "failed"
