"""`rescan`, `backfill` and `jobs`: gives a command to the bridges of a source, and follows what becomes of it, over Kafka alone."""

import json
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TextIO, cast

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

from bridge import kafka
from bridge.reports import Reports, by_job
from schemas.config import Config
from schemas.records import Command, Job, JobKind
from schemas.times import micros_of
from schemas.topics import COMMANDS, JOBS

_POLL_SECONDS = 0.5
_PLAIN_SECONDS = 10.0
"""Where no terminal shows the bar, a line is printed so often."""


def command_of(
    config: Config, kind: JobKind, begin: datetime, end: datetime | None, points: list[str], filters: list[str], reason: str | None
) -> Command:
    """A command with a job id of its own, given now."""
    now = datetime.now(UTC)
    return {
        "source": config.source,
        "job_id": f"{kind.lower()}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        "kind": kind,
        "points": points,
        "filters": filters,
        "from_time": micros_of(begin),
        "to_time": None if end is None else micros_of(end),
        "reason": reason,
        "given_time": micros_of(now),
    }


def give(config: Config, command: Command) -> None:
    """Writes the command; returns when Kafka has it. Raises KafkaException, NotReady or Unreachable."""
    kafka.publish(config, COMMANDS, command["job_id"], command)


def follow(config: Config, job_id: str, show: TextIO, seconds: float | None = None) -> Reports:
    """Shows how far a job is until it is over, or for so long; answers the reports. Raises KafkaException, NotReady or Unreachable."""
    reports, shown, began = Reports(job_id, config.delivery.shards), 0.0, time.monotonic()
    bar = show.isatty()
    for report in _reports(config):
        if report is not None and report["job_id"] == job_id:
            reports.take(report)
            if reports.ended:
                break
        now = time.monotonic()
        if seconds is not None and now - began >= seconds:
            break
        if now - shown >= (_POLL_SECONDS if bar else _PLAIN_SECONDS):
            shown = now
            line = reports.line() if reports.by_shard else "no shard has taken it yet: is a bridge running?"
            show.write(f"\r\x1b[K{line}" if bar else f"{line}\n")
            show.flush()
    show.write(f"\r\x1b[K{reports.line()}\n" if bar else f"{reports.line()}\n")
    return reports


def known(config: Config) -> dict[str, Reports]:
    """Every job that a shard reported about, the newest at the end. Raises KafkaException, NotReady or Unreachable."""
    with closing(kafka.codec(config)) as codec:
        values = [value for _, value in kafka.read_partition(config, JOBS.name(config.source), 0) if value is not None]
        return by_job((cast(Job, codec.decode(JOBS, value)) for value in values), config.delivery.shards)


def _reports(config: Config) -> Iterator[Job | None]:
    """What shards reported and report, in order; None where nothing new came for a moment."""
    with closing(kafka.codec(config)) as codec:
        reader = kafka.consumer(config, f"{config.kafka.group_id}-reader", {})
        try:
            reader.assign([TopicPartition(JOBS.name(config.source), 0, OFFSET_BEGINNING)])
            while True:
                message = reader.poll(_POLL_SECONDS)
                if message is None:
                    yield None
                elif (error := message.error()) is None:
                    yield cast(Job, codec.decode(JOBS, cast(bytes, message.value())))
                elif not error.retriable():
                    raise KafkaException(error)
        finally:
            reader.close()


def told(reports: Reports, as_json: bool) -> int:
    """Prints what became of a job; answers the exit code."""
    if as_json:
        sys.stdout.write(json.dumps(reports.as_json()) + "\n")
    else:
        sys.stdout.write("\n".join([f"{reports.job_id}: {reports.result}", *reports.remarks()]) + "\n")
    return reports.exit_code
