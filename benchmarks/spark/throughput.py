"""Rows a second of `land --available-now` over what waits in Kafka, beside a plain Spark job on one record a value.

Half of the values are previews, half are in statements. The peer's topic has the same values in the same order, one flat Avro record each,
with the same columns; its job (`plain.py`) decodes and appends them, and does nothing else: no dead letters, no sequences, no ledger, no
batch number. Both have the same Spark settings, the same options of Kafka's source, batches of as many rows, and the same table.
"""

import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from confluent_kafka import Producer
from deltalake import DeltaTable
from fastavro import parse_schema, schemaless_writer

from benchmarks.bridge.ground import Ground, Json, Void, say, spread
from benchmarks.spark.jobs import Job, Options, finished, layout, sample, source
from benchmarks.spark.plain import HEADER, flat_definition
from benchmarks.spark.publishing import Frames, preview, statement
from bridge.frame import Series
from schemas.config import Config
from schemas.topics import LIVE, RECORDED
from spark_jobs.tables import TIMESERIES

SHARDS, POINTS = 12, 1_200
FRAME_VALUES = 500
"""In a frame; one value a series in previews, as channels tell of them, fifty in statements."""
BATCH_ROWS = 5_000 * FRAME_VALUES
"""Of the peer; the job of ours takes 5,000 records at a time."""
_BEGIN = 1_700_000_000_000_000
_STEP = 1_000_000


def measure_throughput(ground: Ground, options: Options) -> Json:
    """Rows a second over values that wait in Kafka, beside a plain Spark job on one record a value; files, bytes and memory of both."""
    config, peer_topic = source(ground, "throughput", SHARDS), ground.topic("plain", SHARDS)
    say(f"publishing {options.values} values in frames, and one by one")
    _publish(config, options.values)
    _publish_flat(ground.stack.bootstrap_servers, peer_topic, config.source, options.values)
    figures: dict[str, list[Json]] = {"frames": [], "plain": []}
    for number in range(options.rounds):
        turns = [("frames", partial(_land, ground)), ("plain", partial(_land_plain, ground, peer_topic))]
        for name, land in turns if number % 2 == 0 else reversed(turns):
            figures[name].append(land(options.values, number))
        told = " and ".join(f"{rounds[-1]['rows_per_second']:,}" for rounds in figures.values())
        say(f"round {number + 1} of {options.rounds}: {told} rows/s")
    ratios = [ours["rows_per_second"] / peers["rows_per_second"] for ours, peers in zip(figures["frames"], figures["plain"], strict=True)]
    return {
        "values": options.values,
        "rows_ratio": spread(ratios),
        **{name: _together(rounds) for name, rounds in figures.items()},
    }


def _together(rounds: list[Json]) -> Json:
    spreads = {
        name: spread((one[name] for one in rounds), digits)
        for name, digits in (("rows_per_second", 0), ("job_seconds", 1), ("rss_most_mib", 0))
    }
    return spreads | {"table": rounds[-1]["table"]}


def _land(ground: Ground, values: int, number: int) -> Json:
    name = f"throughput{number}"
    path = _elsewhere(ground, name)
    began = time.monotonic()
    job = finished(ground, name, "spark_jobs", "bronze", "--config", str(path), "--available-now")
    batches = [line for line in job.lines() if line["event"] == "batch"]
    return _figures(ground, name, job, values, sum(line["seconds"] for line in batches), time.monotonic() - began)


def _land_plain(ground: Ground, topic: str, values: int, number: int) -> Json:
    name = f"plain{number}"
    path = _elsewhere(ground, name)
    began = time.monotonic()
    job = finished(ground, name, "benchmarks.spark.plain", str(path), topic, str(BATCH_ROWS))
    return _figures(
        ground, name, job, values, sum(line["seconds"] for line in job.lines() if line["event"] == "batch"), time.monotonic() - began
    )


def _elsewhere(ground: Ground, name: str) -> Path:
    """A configuration of the same source with tables and checkpoints of its own."""
    document = yaml.safe_load(ground.path("throughput").read_text(encoding="utf-8"))
    document["lakehouse"] |= {"warehouse": str(ground.stack.warehouse / name), "checkpoints": str(ground.directory / name / "checkpoints")}
    ground.path(name).write_text(yaml.safe_dump(document), encoding="utf-8")
    return ground.path(name)


def _figures(ground: Ground, name: str, job: Job, values: int, seconds: float, whole_seconds: float) -> Json:
    """Raises Void unless the table holds each value once."""
    table = ground.stack.warehouse / name / TIMESERIES.layer / TIMESERIES.name
    found = DeltaTable(str(table)).to_pyarrow_table(columns=["value_double"])["value_double"].to_numpy()
    if not np.array_equal(np.sort(found), value_of(np.arange(values))):
        raise Void(f"{name}: {len(found)} rows in place of {values} values, or others")
    return {
        "rows_per_second": round(values / seconds),
        "job_seconds": round(whole_seconds, 1),
        "rss_most_mib": job.rss_most_bytes >> 20,
        "table": layout(table),
    }


# -- what waits in Kafka -------------------------------------------------------------------------------------------------------------


def value_of(number: Any) -> Any:
    """The nth value: one that fills its eight bytes, as measured values do."""
    return number / 7


def frames_of(values: int) -> Iterator[tuple[int, int, list[tuple[str, int, int]]]]:
    """Number of the frame, its shard, and its series: point, first value, number of values."""
    for number, first in enumerate(range(0, values, FRAME_VALUES)):
        shard, in_series = number % SHARDS, 1 if number % 2 else 50
        last = min(values, first + FRAME_VALUES)
        series = [
            (f"main:{shard + SHARDS * (at // in_series % (POINTS // SHARDS))}", at, min(in_series, last - at))
            for at in range(first, last, in_series)
        ]
        yield number, shard, series


def _publish(config: Config, values: int) -> None:
    with closing(Frames(config)) as frames:
        for number, shard, parts in frames_of(values):
            stated = number % 2 == 0
            now = _BEGIN + (number + 1) * FRAME_VALUES * _STEP
            made: list[Series] = []
            for key, first, count in parts:
                samples = [sample(_BEGIN + at * _STEP, value_of(at)) for at in range(first, first + count)]
                begin, end = _BEGIN + first * _STEP, _BEGIN + (first + count) * _STEP
                made.append(statement(key, samples, begin, end, frames.clock) if stated else preview(key, samples))
            frames.send(RECORDED if stated else LIVE, shard, now, made)
        frames.flush()


def _publish_flat(bootstrap_servers: str, topic: str, source_name: str, values: int) -> None:
    schema = parse_schema(flat_definition())
    producer = Producer(
        {"bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4",
         "queue.buffering.max.messages": 500_000}
    )  # fmt: skip
    for number, shard, parts in frames_of(values):
        stated = number % 2 == 0
        now = _BEGIN + (number + 1) * FRAME_VALUES * _STEP
        head: dict[str, Any] = {
            "source": source_name, "shard": shard, "epoch": 1, "sequence": number, "clock": (1 << 40) + number,
            "origin": "RECORDED" if stated else "LIVE", "via": "READ" if stated else "CHANNEL", "received_time": now, "server_time": now,
            "cause": None, "uom": None,
        }  # fmt: skip
        for index, (key, first, count) in enumerate(parts):
            of_series = head | {"point_key": key, "tag": f"tag {key}", "series_index": index}
            for at in range(first, first + count):
                buffer = BytesIO()
                schemaless_writer(buffer, schema, of_series | sample(_BEGIN + at * _STEP, value_of(at)) | {"sample_index": at - first})
                while True:
                    try:
                        producer.produce(topic, value=HEADER + buffer.getvalue(), partition=shard)
                        break
                    except BufferError:
                        producer.poll(0.1)
        producer.poll(0)
    if producer.flush(120):
        raise Void("Kafka does not take the records in time")
