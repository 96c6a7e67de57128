"""The bronze job: one streaming query over all topics that have a table, each micro-batch appended to the tables, each row once.

Delta remembers with every append which batch it was (`txnAppId`, `txnVersion`), so a batch that is repeated after a crash adds only what is
missing. Each append also carries the record of its batch (`landed`), from which a checkpoint that is lost is made again.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from pyspark.sql import DataFrame

from schemas.oddities import Oddity
from spark_jobs import delta, rows, sequences, tables
from spark_jobs.checkpoint import Checkpoint, Plan
from spark_jobs.decode import Decoder, Tally, frames_of
from spark_jobs.destination import Destination
from spark_jobs.errors import Refused
from spark_jobs.incidents import Incidents
from spark_jobs.landed import BatchRecord, Landed, Verdict, app_id, expected_at, judge
from spark_jobs.tables import Table

_ROWS_PER_FILE = 100_000
"""A small batch must not become a file per Kafka partition."""
_TOLD = 20
"""So many incidents are opened at a time."""

log = structlog.get_logger()


def prepare(destination: Destination, checkpoint: Checkpoint, source: str, rebuild: bool = False) -> Verdict:
    """Create or widen the tables, and make the checkpoint agree with them; what was found before. Raises Refused.

    Tables to be filled again (`rebuild`) are created empty; filling them is the caller's, and where all are gone to remove the checkpoint.
    """
    found = {table.name: delta.found(destination, table) for table in tables.TABLES}
    verdict = judge(found, checkpoint.state())
    if verdict.refused is not None and not (rebuild and (verdict.refill or verdict.begin_anew)):
        raise Refused(verdict.refused)
    for table in tables.TABLES:
        delta.ensure(destination, table, source)
    if verdict.rebuild is not None:
        log.warning("checkpoint_rebuilt", checkpoint=checkpoint.location, because=verdict.rebuild, **_where(verdict.landed))
        if verdict.landed is None:
            checkpoint.remove()
        else:
            checkpoint.rebuild(verdict.landed)
    return verdict


def _where(landed: Landed | None) -> dict[str, object]:
    return {} if landed is None else {"batch_id": landed.record.batch_id, "lacking": list(landed.lacking)}


class Landing:
    """Lands one micro-batch after another."""

    def __init__(
        self,
        decoder: Decoder,
        checkpoint: Checkpoint,
        destination: Destination,
        source: str,
        incidents: Incidents,
        topic_ids: Mapping[str, str],
        landed: Landed | None,
    ) -> None:
        self._decoder, self._checkpoint, self._destination, self._source = decoder, checkpoint, destination, source
        self._incidents, self._topic_ids, self._landed = incidents, dict(topic_ids), landed
        self._records = tables.records_by_topic(source)
        self._definitions: dict[str, Any] = {}
        """Those that the tables were last brought up to."""
        self._tables = tables.TABLES
        self.on_widened: Callable[[], None] = lambda: None
        """Called when tables got columns."""

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables as they are by now: a later release's fields may have been added."""
        return self._tables

    def __call__(self, batch: DataFrame, batch_id: int) -> dict[str, int]:
        """Land a batch; rows landed by table. Raises LandError."""
        plan = self._checkpoint.plan(batch_id)
        decoded, tallies = self._decoder.decode(batch)
        try:
            self.widen()
            counts = row_counts(tallies, self._records)
            appends = self._appends(decoded, tallies, counts)
            landed = self._begun(batch_id, plan, tallies, [table.name for table, _ in appends])
            for table, made in appends:
                frame = _union(made()).coalesce(self._parts(counts.get(table.name, 0)))
                record = landed.record
                delta.append(self._destination, table, frame, app_id(record.query_id, table.name), batch_id, record.text(table.name))
                # Kept at once: should a later append fail, the query may be started again in this process, and repeats the batch.
                landed = self._landed = landed.appended(table.name)
        finally:
            decoded.unpersist()
        return counts

    def widen(self) -> None:
        """Give the tables the columns of definitions that were not known when they were last looked at."""
        if self._definitions == self._decoder.definitions:
            return
        asked = tables.bronze(self._decoder.definitions)
        wider = tuple(tables.widened(known, table) for known, table in zip(self._tables, asked, strict=True))
        for table, known in zip(wider, self._tables, strict=True):
            if table != known:
                delta.ensure(self._destination, table, self._source)
                log.info("table_widened", table=table.name, columns=[column.name for column in table.columns[len(known.columns) :]])
        self._definitions = dict(self._decoder.definitions)
        if wider != self._tables:
            self._tables = wider
            self.on_widened()

    def _begun(self, batch_id: int, plan: Plan, tallies: Sequence[Tally], written: Sequence[str]) -> Landed:
        """The batch before its appends. Raises Refused if frames are missing that nobody accepted the loss of."""
        last = self._landed
        if last is not None and last.record.batch_id == batch_id:  # repeated: it was looked at before, and written at least in part
            return last.repeated(written)
        record = BatchRecord(
            self._checkpoint.query_id() if last is None else last.record.query_id,
            batch_id,
            tuple(written),
            {} if last is None else last.record.newest(),
            plan.starts,
            plan.ends,
            self._topic_ids,
            self._followed(plan, tallies),
        )
        return Landed(record, record.tables)

    def _followed(self, plan: Plan, tallies: Sequence[Tally]) -> dict[sequences.Place, sequences.Expected]:
        frame_topics = {topic for topic, record in self._records.items() if record == "value_frame"}
        starts = {topic: partitions for topic, partitions in plan.starts.items() if topic in frame_topics}
        followed = sequences.follow(expected_at(None if self._landed is None else self._landed.record, starts), frames_of(tallies))
        for hole in followed.explained:
            log.warning("frames_were_unreadable", problem=f"{hole.text}; records that could not be read lie there, see pi_dead_letters")
        if followed.oddities:
            accepted = self._incidents.accepted(oddity.incident_id for oddity in followed.oddities)
            if left := [oddity for oddity in followed.oddities if oddity.incident_id not in accepted]:
                self._incidents.open_oddities(left[:_TOLD])
                raise Refused(_refusal(left))
            jobs = self._incidents.read_accepted(followed.oddities)
            log.warning("sequences_accepted", incidents=sorted(accepted), jobs=jobs)
        return followed.expected

    def _appends(
        self, decoded: DataFrame, tallies: Sequence[Tally], counts: Mapping[str, int]
    ) -> list[tuple[Table, Callable[[], list[DataFrame]]]]:
        """Tables to append to, in order.

        Dead letters go first: a batch that is repeated may find a schema that was missing before, and then a message is rather in both
        places than in none. Statements come after their samples: who sees a statement sees what it speaks of. A batch without any row is
        told of in the ledger, so that the tables know of every batch.
        """
        timeseries, coverage, *plain = self._tables
        dead_letters = next(table for table in plain if table.name == tables.DEAD_LETTERS.name)
        made: dict[Table, Callable[[], list[DataFrame]]] = {
            dead_letters: lambda: self._dead_letters(decoded, tallies, dead_letters),
            timeseries: lambda: [rows.samples(decoded, timeseries)],
            coverage: lambda: [rows.statements(decoded, coverage)],
        }
        made |= {table: partial(_records, decoded, table) for table in plain if table is not dead_letters}
        return [(table, frames) for table, frames in made.items() if table.name in counts or (not counts and table is coverage)]

    def _dead_letters(self, decoded: DataFrame, tallies: Sequence[Tally], table: Table) -> list[DataFrame]:
        published = [rows.records(decoded, table)]
        ours = [self._decoder.dead_letters(decoded, self._source)] if any(not entry.decoded for entry in tallies) else []
        return published + ours

    def _parts(self, count: int) -> int:
        parallelism = self._destination.spark.sparkContext.defaultParallelism
        return max(1, min(parallelism, -(-count // _ROWS_PER_FILE)))


def _records(decoded: DataFrame, table: Table) -> list[DataFrame]:
    return [rows.records(decoded, table)]


def _refusal(oddities: Sequence[Oddity]) -> str:
    first, others = oddities[0], len(oddities) - 1
    more = f" (and {others} more, see pibridge incidents)" if others else ""
    then = "what they may have stated is then read again" if first.kind == "SEQUENCE_HOLE" else "nothing is missing because of that"
    return (
        f"{first.text}{more}. Nothing of this batch was landed. Find out what happened to these frames; then accept that with "
        f"`pibridge incidents accept {first.incident_id}`, and start again: {then}"
    )


def _union(frames: list[DataFrame]) -> DataFrame:
    first, *others = frames
    for other in others:
        first = first.unionByName(other, allowMissingColumns=True)
    return first


def row_counts(tallies: Sequence[Tally], records: Mapping[str, str]) -> dict[str, int]:
    """Rows that a batch adds, by table; tables without rows are left out. `records` names the record of each topic."""
    counts = dict.fromkeys((table.name for table in tables.TABLES), 0)
    by_record = {table.record: table.name for table in tables.PLAIN}
    for entry in tallies:
        if not entry.decoded:
            counts[tables.DEAD_LETTERS.name] += entry.records
        elif (record := records[entry.topic]) in by_record:
            counts[by_record[record]] += entry.records
        else:
            counts[tables.TIMESERIES.name] += entry.samples
            counts[tables.COVERAGE.name] += entry.statements
    return {name: count for name, count in counts.items() if count}
