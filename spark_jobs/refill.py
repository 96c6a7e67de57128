"""A table that was lost, filled again from Kafka up to where the other tables are."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace

import structlog
from pyspark.sql import DataFrame

from schemas.config import Config
from spark_jobs import delta, kafka, rows, tables
from spark_jobs.brokers import Brokers
from spark_jobs.decode import Decoder
from spark_jobs.destination import Destination
from spark_jobs.incidents import Loss
from spark_jobs.landed import BatchRecord, app_id
from spark_jobs.tables import Table

log = structlog.get_logger()


def lost(brokers: Brokers, source: str, names: Collection[str]) -> list[Loss]:
    """What Kafka holds no more of what these tables are made from. Raises Unavailable.

    Bytes that could not be read, which became dead letters of the job, are none of that: the tables of their topics lack nothing.
    """
    earliest = brokers.earliest(_topics_of(source, {table.record for table in tables.TABLES if table.name in names}))
    return [Loss(topic, partition, 0, offset) for (topic, partition), offset in sorted(earliest.items()) if offset > 0]


def refill(destination: Destination, decoder: Decoder, config: Config, last: BatchRecord, wanted: Sequence[Table]) -> None:
    """Fill tables that are empty with all that Kafka still holds of what was landed, each in one commit."""
    every = any(table.name == tables.DEAD_LETTERS.name for table in wanted)  # any topic may hold what becomes one
    records = set(tables.RECORDS) if every else {table.record for table in wanted}
    ends = {topic: last.ends[topic] for topic in _topics_of(config.source, records) if topic in last.ends}
    options = kafka.source_options(config.kafka) | {"subscribe": ",".join(ends), "endingOffsets": json.dumps(ends)}
    # Days of records: neither kept nor counted by frame, but read anew for each table.
    decoded, count = decoder.decode_unkept(destination.spark.read.format("kafka").options(**options).load())
    for table in wanted:
        frame = _rows(decoder, decoded, table, config.source)
        batch_id = last.newest()[table.name]
        record = last if batch_id == last.batch_id else replace(last, batch_id=batch_id, tables=(table.name,))
        delta.append(destination, table, frame, app_id(last.query_id, table.name), batch_id, record.text(table.name))
    log.warning("tables_filled_again", tables=sorted(table.name for table in wanted), records=count)


def _topics_of(source: str, records: Collection[str]) -> list[str]:
    return sorted(topic for topic, record in tables.records_by_topic(source).items() if record in records)


def _rows(decoder: Decoder, decoded: DataFrame, table: Table, source: str) -> DataFrame:
    if table.name == tables.TIMESERIES.name:
        return rows.samples(decoded, table)
    if table.name == tables.COVERAGE.name:
        return rows.statements(decoded, table)
    published = rows.records(decoded, table)
    if table.name != tables.DEAD_LETTERS.name:
        return published
    return published.unionByName(decoder.dead_letters(decoded, source), allowMissingColumns=True)
