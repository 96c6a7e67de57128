"""A table that was lost, filled again from Kafka up to where the other tables are."""

import json
from collections.abc import Collection
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
    """What Kafka holds no more of all that ever fed these tables. Raises Unavailable."""
    earliest = brokers.earliest(_feeding(source, names))
    return [Loss(topic, partition, 0, offset) for (topic, partition), offset in sorted(earliest.items()) if offset > 0]


def refill(destination: Destination, decoder: Decoder, config: Config, last: BatchRecord, names: Collection[str]) -> None:
    """Fill tables that are empty with all that Kafka still holds of what was landed, each in one commit."""
    ends = {topic: last.ends[topic] for topic in _feeding(config.source, names) if topic in last.ends}
    options = kafka.source_options(config.kafka) | {"subscribe": ",".join(ends), "endingOffsets": json.dumps(ends)}
    # Days of records: neither kept nor counted by frame, but read anew for each table.
    decoded, records = decoder.decode_unkept(destination.spark.read.format("kafka").options(**options).load())
    for table in tables.TABLES:
        if table.name in names:
            frame = _rows(decoder, decoded, table, config.source)
            wanted = last.newest()[table.name]
            record = last if wanted == last.batch_id else replace(last, batch_id=wanted, tables=(table.name,))
            delta.append(destination, table, frame, app_id(last.query_id, table.name), wanted, record.text(table.name))
    log.warning("tables_filled_again", tables=sorted(names), records=records)


def _feeding(source: str, names: Collection[str]) -> list[str]:
    """Topics that tables get rows from; any of them may hold what becomes a dead letter."""
    records = {table.record for table in tables.TABLES if table.name in names}
    every = tables.DEAD_LETTERS.name in names
    return sorted(topic for topic, record in tables.records_by_topic(source).items() if every or record in records)


def _rows(decoder: Decoder, decoded: DataFrame, table: Table, source: str) -> DataFrame:
    if table is tables.TIMESERIES:
        return rows.samples(decoded, table)
    if table is tables.COVERAGE:
        return rows.statements(decoded, table)
    published = rows.records(decoded, table)
    return published.unionByName(decoder.dead_letters(decoded, source)) if table is tables.DEAD_LETTERS else published
