"""What was published lands in bronze: each row once, every column as it was; what cannot be read is set aside, and the rest goes on."""

import json
import math
from dataclasses import dataclass
from typing import cast

import pytest
import xxhash
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from schemas import topics, wire
from schemas.records import Incident, Point, ValueFrame
from spark_jobs import digest, tables
from tests.spark.world import NOON, Sent, World, expected_samples, expected_statements, preview, sample, statement, wire_header, without

pytestmark = pytest.mark.spark

EVERY_KIND = (
    sample(NOON, ticks=9, value_double=-0.0, questionable=True),
    sample(NOON, ticks=9, ordinal=1, value_double=1e308, substituted=True, annotated=True),
    sample(NOON + 1, value_type="LONG", value_long=-(1 << 62)),
    sample(NOON + 2, value_type="STRING", value_string="Überlauf ✓ 'quoted'"),
    sample(NOON + 3, value_type="STRING", value_string=""),
    sample(NOON + 4, value_type="DIGITAL", digital_code=-3, value_string="Läuft"),
    sample(NOON + 5, value_type="TIMESTAMP", value_long=-1),
    sample(NOON + 6, value_type="BYTES", value_bytes=b"\0\xff\x80"),
    sample(NOON + 7, value_type="NONE", system_state=248, system_state_name="Keine Daten", good=False),
    sample(-62_135_596_800_000_000, ticks=1, value_double=math.inf),
)
ORDER = ("kafka_topic", "kafka_partition", "kafka_offset", "series_index", "sample_index")
UNKNOWN_ID = 999_999
POINT = {
    **{"point_key": "main:1", "server": "main", "server_id": "g", "point_id": 1, "web_id": "w", "tag": "T`1'", "path": "\\\\S\\T"},
    **{"descriptor": None, "point_class": "classic", "point_type": "Float64", "digital_set": None, "engineering_units": "°C"},
    **{"zero": -0.5, "span": None, "step": True, "future": False, "display_digits": -5, "in_scope": True},
    **{"start_time": NOON, "received_time": NOON + 1, "point_source": "OPC"},
}
INCIDENT = {
    **{"incident_id": "i-1", "kind": "CHANNEL_LOST", "state": "OPENED", "shard": 1, "opened_time": NOON, "from_time": NOON - 5},
    **{"to_time": None, "closed_time": None, "points": 2, "point_keys": ["main:1", "main:2"], "detail": "x", "topic": None},
    **{"partition": 3, "from_offset": 5, "to_offset": 6, "from_sequence": 7, "to_sequence": 9, "job_id": None},
    **{"accepted_time": NOON + 9, "accepted_reason": "known"},
}


@dataclass
class Published:
    """What lies in Kafka, and is landed in one go."""

    world: World
    frames: list[tuple[Sent, ValueFrame]]
    unreadable: dict[str, Sent]
    point: tuple[Sent, Point]
    incident: tuple[Sent, Incident]


@pytest.fixture(scope="module")
def published(world: World) -> Published:
    frames = [
        (topics.LIVE, world.frame(preview("main:1", *EVERY_KIND, uom="°C"), preview("main:2", sample()), server_time=None)),
        (topics.RECORDED, world.frame(statement("main:1", *EVERY_KIND), statement("main:3", sample(NOON + 8)), cause="incident-1")),
        (topics.RECORDED, world.frame(statement("main:4"), statement("main:5", kind="CONFIRMED", count=7, digest=99))),
        (topics.HISTORY, world.frame(statement("main:2", sample(NOON - 9, ticks=4), as_of_clock=1 << 50))),
    ]
    world.send(topics.LIVE, world.frame(preview("main:1", sample(value_double=666.0))), abort=True)
    sent = [(world.send(topic, frame)[0], frame) for topic, frame in frames]
    world.send(topics.RECORDED, world.frame(statement("main:1", sample(value_double=667.0))), abort=True)

    point = cast(Point, {"source": world.source, **POINT})
    incident = cast(Incident, {"source": world.source, **INCIDENT})
    good = world.encoded("value_frame", frames[0][1])
    unreadable = {
        "no_header": b"garbage",
        "empty": b"",
        "unknown_id": wire_header(UNKNOWN_ID) + good[5:],
        "another_unknown_id": wire_header(UNKNOWN_ID + 1),
        "impossible_id": b"\0\xff\xff\xff\xff",
        "truncated": good[: len(good) // 2],
        "a_byte_short": good[:-1],
        "a_byte_long": good + b"\0",
        "twice": good + good[5:],
        "a_point": world.encoded("point", point),
        # A text of 2 GiB, as far as its length says: to believe it would cost the driver its memory.
        "huge_length": good[:5] + b"\xfe\xff\xff\xff\x0f" + good[6:],
        "long": b"\1" * 70_000,
        "none": None,
    }
    letters = dict(zip(unreadable, world.send(topics.LIVE, *unreadable.values(), partition=1, key="main:1"), strict=True))
    after = world.frame(preview("main:9", sample(NOON + 9)), shard=1)
    sent.append((world.send(topics.LIVE, after, partition=1)[0], after))
    sent_point = world.send(topics.POINTS, world.encoded("point", point), key="main:1")[0]
    sent_incident = world.send(topics.INCIDENTS, world.encoded("incident", incident), key="i-1")[0]
    world.land()
    return Published(world, sent, letters, (sent_point, point), (sent_incident, incident))


def test_samples_land_once_with_every_column_as_published_and_aborted_ones_never(published: Published) -> None:
    wanted = [row for one, frame in published.frames for row in expected_samples(one, frame)]
    wanted.sort(key=lambda row: [row[name] for name in ORDER])
    found = published.world.rows(tables.TIMESERIES)
    assert [list(row) for row in found] == [[column.name for column in tables.TIMESERIES.columns]] * 24
    # repr, because -0.0 == 0.0
    assert [repr(sorted(row.items())) for row in without(found, "kafka_time")] == [repr(sorted(row.items())) for row in wanted]
    assert all(abs(row["kafka_time"] - found[0]["kafka_time"]) < 600e6 for row in found)


def test_statements_land_once_with_every_column_and_an_empty_one_is_a_row_of_coverage_only(published: Published) -> None:
    wanted = [row for one, frame in published.frames for row in expected_statements(one, frame)]
    wanted.sort(key=lambda row: [row[name] for name in ORDER[:4]])
    found = published.world.rows(tables.COVERAGE)
    assert [list(row) for row in found] == [[column.name for column in tables.COVERAGE.columns]] * 5
    assert without(found, "kafka_time") == wanted
    assert not {"main:4", "main:5"} & {row["point_key"] for row in published.world.rows(tables.TIMESERIES)}


def test_spark_recomputes_the_digest_of_every_statement_from_the_landed_rows(published: Published, spark: SparkSession) -> None:
    join = ["kafka_topic", "kafka_partition", "kafka_offset", "series_index"]
    samples = spark.read.format("delta").load(str(published.world.path(tables.TIMESERIES)))
    stated = spark.read.format("delta").load(str(published.world.path(tables.COVERAGE))).where("kind = 'STATED'")
    proved = stated.join(samples.groupBy(join).agg(digest.digest().alias("landed"), F.count("*").alias("rows")), join, "left")
    rows = proved.select("count", "digest", F.coalesce("rows", F.lit(0)), F.coalesce("landed", F.lit(0))).collect()
    assert sorted(row["count"] for row in rows) == [0, 1, 1, 10]
    assert all(row[0] == row[2] and row[1] == row[3] for row in rows)


def test_what_cannot_be_read_becomes_a_dead_letter_with_coordinates_and_the_rest_goes_on(published: Published) -> None:
    found = {row["offset"]: row for row in published.world.rows(tables.DEAD_LETTERS)}
    reasons = {name: found[sent.offset]["reason"] for name, sent in published.unreadable.items()}
    frame_id, point_id = published.world.ids["value_frame"], published.world.ids["point"]
    assert reasons == {
        "no_header": "7 bytes without the header of the Confluent wire format",
        "empty": "0 bytes without the header of the Confluent wire format",
        "unknown_id": f"schema id {UNKNOWN_ID} is not known to the registry",
        "another_unknown_id": f"schema id {UNKNOWN_ID + 1} is not known to the registry",
        "impossible_id": f"schema id {0xFFFFFFFF} is greater than any of a registry",
        **{
            name: f"body of {len(published.unreadable[name].value or b'') - 5} bytes does not fit schema id {frame_id}"
            for name in ("truncated", "a_byte_short", "a_byte_long", "twice")
        },
        "a_point": f"schema id {point_id} is Point, and this topic holds ValueFrame",
        "huge_length": f"body of {len(published.unreadable['huge_length'].value or b'') - 5} bytes does not fit schema id {frame_id}",
        "long": "70000 bytes without the header of the Confluent wire format",
        "none": "a Kafka record without a value",
    }
    assert len(found) == len(reasons)
    for sent in published.unreadable.values():
        row, content = found[sent.offset], sent.value or b""
        assert (row["source"], row["stage"], row["kafka_key"]) == (published.world.source, "LAND", "main:1")
        assert (row["topic"], row["partition"], row["kafka_topic"], row["kafka_partition"], row["kafka_offset"]) == (
            *(sent.topic, sent.partition),
            *(sent.topic, sent.partition, sent.offset),
        )
        assert (row["content"], row["content_bytes"]) == (content[: 64 << 10], len(content))
        assert row["content_hash"] == xxhash.xxh3_128_hexdigest(content)


def test_points_and_incidents_land_with_key_and_coordinates(published: Published) -> None:
    for table, (sent, record), key in ((tables.POINTS, published.point, "main:1"), (tables.INCIDENTS, published.incident, "i-1")):
        coordinates = {"kafka_key": key, "kafka_topic": sent.topic, "kafka_partition": sent.partition, "kafka_offset": sent.offset}
        assert without(published.world.rows(table), "kafka_time") == [dict(record) | coordinates]


def test_every_column_and_table_is_described_and_clustered_as_the_avro_files_say(published: Published, spark: SparkSession) -> None:
    docs = {f["name"]: f["doc"] for f in wire.raw_schema("value_frame")["fields"]}
    for table in tables.TABLES:
        delta = published.world.table(table)
        fields = json.loads(delta.schema().to_json())["fields"]
        assert [(f["name"], f["metadata"].get("comment")) for f in fields] == [(c.name, c.comment) for c in table.columns]
        assert delta.metadata().description == table.comment
        detail = spark.sql(f"DESCRIBE DETAIL delta.`{published.world.path(table)}`").collect()[0]
        assert tuple(detail["clusteringColumns"]) == table.cluster_by
        assert detail["properties"]["delta.enableDeletionVectors"] == "false"
        assert detail["properties"]["pibridge.schema_fingerprint"] == tables.fingerprint(table.record)
    described = {
        row["col_name"]: row["comment"] for row in spark.sql(f"DESCRIBE delta.`{published.world.path(tables.TIMESERIES)}`").collect()
    }
    assert described["sequence"] == docs["sequence"]


def test_a_batch_without_rows_for_a_table_commits_nothing_to_it(published: Published) -> None:
    nothing_came = {"pi_clock_skew", "pi_late_events", "pi_quality_checks"}
    assert published.world.versions() == {table.name: 0 if table.name in nothing_came else 1 for table in tables.TABLES}
