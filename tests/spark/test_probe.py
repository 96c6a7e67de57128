"""The probe that the design rests on: two schema ids, transactions kept and aborted; Kafka to Delta, Unity Catalog and delta-rs."""

import copy
import json
import subprocess
import sys
from typing import Any, cast

import httpx2
import pytest

from console.stack import Stack
from schemas import topics, wire
from spark_jobs import tables
from tests.spark.world import World, preview, sample, statement

pytestmark = pytest.mark.spark


def evolved() -> dict[str, Any]:
    """The frame of a later release: one more optional field on the sample, one more symbol of `via`."""
    definition = copy.deepcopy(wire.raw_schema("value_frame"))
    fields = {field["name"]: field for field in definition["fields"]}
    fields["via"]["type"]["symbols"].append("STREAM")
    series = {field["name"]: field for field in fields["series"]["type"]["items"]["fields"]}
    series["samples"]["type"]["items"]["fields"].append({"name": "note", "type": ["null", "string"], "default": None, "doc": "A remark."})
    return definition


@pytest.fixture(scope="module")
def probed(stack: Stack, catalog_uri: str) -> World:
    """300 committed frames under two schema ids between 300 aborted ones, landed by the job as a process of its own."""
    world = World(stack, catalog_uri=catalog_uri)
    later = evolved()
    later_id = world.register(topics.LIVE.subject(world.source), later)
    assert later_id != world.ids["value_frame"]
    parsed = wire.parse(later)
    for round_ in range(30):
        kept, dropped = (
            [world.frame(preview("main:1", sample(value_double=sign * (round_ * 10.0 + n)))) for n in range(10)] for sign in (1.0, -1.0)
        )
        for frame in kept:
            frame["sequence"] = world.next_sequence(topics.LIVE, round_ // 2 % 2)
        if round_ % 2:
            for frame in kept:
                cast(dict[str, Any], frame["series"][0]["samples"][0])["note"] = "from a later release"
                cast(dict[str, Any], frame)["via"] = "STREAM"
            encoded = [wire.encode(later_id, parsed, cast(dict[str, Any], frame)) for frame in kept]
        else:
            encoded = [world.encoded("value_frame", frame) for frame in kept]
        world.send(topics.LIVE, *dropped, partition=round_ % 2, abort=True)
        world.send(topics.LIVE, *encoded, partition=round_ // 2 % 2)
    world.send(topics.RECORDED, world.frame(statement("main:1", sample())))
    ran = subprocess.run(
        [sys.executable, "-m", "spark_jobs", "bronze", "--config", str(world.file), "--available-now"],
        env=world.environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert [line["level"] for line in lines if line["level"] not in ("info", "warning", "warn")] == []
    assert sum(line["rows"].get("pi_timeseries", 0) for line in lines if line["event"] == "batch") == 301
    return world


def test_committed_values_of_both_schema_ids_are_there_once_and_aborted_ones_are_not(probed: World) -> None:
    rows = [row for row in probed.rows(tables.TIMESERIES) if row["origin"] == "LIVE"]
    assert sorted(row["value_double"] for row in rows) == [float(n) for n in range(300)]
    # What a later release says besides is kept: a symbol that this one does not know, a field that becomes a column.
    assert {via: sum(row["via"] == via for row in rows) for via in ("CHANNEL", "STREAM")} == {"CHANNEL": 150, "STREAM": 150}
    assert {note: sum(row["note"] == note for row in rows) for note in (None, "from a later release")} == dict.fromkeys(
        (None, "from a later release"), 150
    )
    assert probed.rows(tables.DEAD_LETTERS) == []
    assert len(probed.rows(tables.COVERAGE)) == 1


def test_the_table_is_clustered_and_described_for_readers_without_spark(probed: World) -> None:
    log = probed.path(tables.TIMESERIES) / "_delta_log" / "00000000000000000000.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    clustering = [action["domainMetadata"] for action in actions if "domainMetadata" in action]
    assert json.loads(clustering[0]["configuration"])["clusteringColumns"] == [["point_key"], ["event_time"]]
    fields = {field["name"]: field["metadata"] for field in json.loads(probed.table(tables.TIMESERIES).schema().to_json())["fields"]}
    assert "100 ns" in fields["ticks"]["comment"]


def test_the_catalog_shows_every_table_with_its_columns_comments_and_place(probed: World, catalog_uri: str) -> None:
    for table in tables.TABLES:
        answer = httpx2.get(f"{catalog_uri}/api/2.1/unity-catalog/tables/{probed.lakehouse.catalog_name}.bronze.{table.name}", timeout=10)
        answer.raise_for_status()
        found = answer.json()
        later = [("note", "string", "A remark.")] if table is tables.TIMESERIES else []
        wanted = [(c.name, c.kind.sql, c.comment) for c in table.columns] + later
        assert [(c["name"], c["type_text"], c["comment"]) for c in found["columns"]] == wanted
        assert [field.name for field in probed.table(table).schema().fields] == [name for name, _, _ in wanted]
        assert (found["table_type"], found["data_source_format"], found["comment"]) == ("EXTERNAL", "DELTA", table.comment)
        assert found["storage_location"].rstrip("/").endswith(str(probed.path(table)))
        assert found["properties"]["pibridge.schema_fingerprint"] == tables.fingerprint(table.record)
