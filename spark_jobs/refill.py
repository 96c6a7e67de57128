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


def refill(
    destination: Destination, brokers: Brokers, decoder: Decoder, config: Config, last: BatchRecord, names: Collection[str]
) -> list[Loss]:
    """Fill tables that are empty with all that Kafka still holds of what was landed, each in one commit; what it holds no more."""
    records = tables.records_by_topic(config.source)
    gone = [table for table in tables.TABLES if table.name in names]
    feeding = sorted(topic for topic, record in records.items() if _feeds(record, gone))
    ends = {topic: last.ends[topic] for topic in feeding if topic in last.ends}
    options = kafka.source_options(config.kafka) | {"subscribe": ",".join(ends), "endingOffsets": json.dumps(ends)}
    decoded, tallies = decoder.decode(destination.spark.read.format("kafka").options(**options).load())
    try:
        for table in gone:
            frame = _rows(decoder, decoded, table, config.source)
            wanted = last.newest()[table.name]
            record = last if wanted == last.batch_id else replace(last, batch_id=wanted, tables=(table.name,))
            delta.append(destination, table, frame, app_id(last.query_id, table.name), wanted, record.text(table.name))
    finally:
        decoded.unpersist()
    log.warning("tables_filled_again", tables=sorted(names), records=sum(entry.records for entry in tallies))
    earliest = brokers.earliest(ends)
    return [Loss(topic, partition, 0, offset) for (topic, partition), offset in sorted(earliest.items()) if offset > 0]


def _feeds(record: str, gone: Collection[Table]) -> bool:
    return any(table.record == record or table is tables.DEAD_LETTERS for table in gone)


def _rows(decoder: Decoder, decoded: DataFrame, table: Table, source: str) -> DataFrame:
    if table is tables.TIMESERIES:
        return rows.samples(decoded, table)
    if table is tables.COVERAGE:
        return rows.statements(decoded, table)
    published = rows.records(decoded, table)
    return published.unionByName(decoder.dead_letters(decoded, source)) if table is tables.DEAD_LETTERS else published
