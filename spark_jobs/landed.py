"""What the tables' own logs say about how far they were landed, and what follows from it for the checkpoint. Pure.

Every append carries the record of its batch as the commit's user metadata: where it began and ended in Kafka, which tables it adds to, and
which batch each table had before. So the tables know by themselves how far they are, to the record, even where a batch was written in part;
a checkpoint that says something else is made again from them.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from spark_jobs import sequences, tables
from spark_jobs.sequences import Expected, Place

Offsets = dict[str, dict[str, int]]
"""By topic and partition: the offset that comes next. As Spark writes it."""

_VERSION = 1


@dataclass(frozen=True)
class BatchRecord:
    """A batch, as each of its commits tells of it."""

    query_id: str
    """Spark's id of the query; with the batch's number and the table it is what Delta knows an append by."""
    batch_id: int
    tables: tuple[str, ...]
    """Tables that it adds rows to, in the order of their commits."""
    before: dict[str, int]
    """Newest batch of each table before it; those without one are left out."""
    starts: Offsets
    ends: Offsets
    topic_ids: dict[str, str]
    """Kafka's id of each topic: a topic that was created anew has another."""
    expected: dict[Place, Expected]
    """Sequences that come next."""

    def newest(self) -> dict[str, int]:
        """Newest batch of each table once it is landed."""
        return self.before | dict.fromkeys(self.tables, self.batch_id)

    def text(self, table: str) -> str:
        """For the commit of a table."""
        said = {
            "pibridge": _VERSION,
            "table": table,
            "query": self.query_id,
            "batch": self.batch_id,
            "tables": list(self.tables),
            "before": self.before,
            "starts": self.starts,
            "ends": self.ends,
            "topics": self.topic_ids,
            "sequences": sequences.as_json(self.expected),
        }
        return json.dumps(said, separators=(",", ":"))  # in Spark's order of partitions, by which it compares offsets


def app_id(query_id: str, table: str) -> str:
    """Name of a query as a writer of a table, in Delta's log."""
    return f"{tables.LAYER}:{query_id}:{table}"


def parsed(text: str | None) -> tuple[str, BatchRecord] | None:
    """Table and record in a commit's user metadata; None if it was written by somebody else."""
    try:
        said = json.loads(text or "")
        if said["pibridge"] != _VERSION:
            return None
    except (ValueError, TypeError, KeyError):
        return None
    record = BatchRecord(
        said["query"],
        said["batch"],
        tuple(said["tables"]),
        said["before"],
        said["starts"],
        said["ends"],
        said["topics"],
        sequences.from_json(said["sequences"]),
    )
    return said["table"], record


@dataclass(frozen=True)
class Found:
    """A table as it lies there."""

    name: str
    place: str
    """For people."""
    exists: bool
    has_rows: bool
    written_as: str | None = None
    """Table that its newest commit of ours names."""
    record: BatchRecord | None = None
    """Of that commit."""
    writers: Mapping[str, int] = field(default_factory=dict)
    """Without a record: who appended to it (`app_id`), and its newest batch. Delta keeps that for good, and commits for a month only."""


@dataclass(frozen=True)
class CheckpointState:
    """A checkpoint as it lies there."""

    begun: bool
    """There is anything in it."""
    query_id: str | None = None
    """None: it does not say."""
    planned: int = -1
    """Newest batch whose offsets are fixed."""
    committed: int = -1
    """Newest batch that Spark holds for done."""
    damage: str | None = None
    """What is missing or cannot be read in it."""


@dataclass(frozen=True)
class Landed:
    """How far all tables together are."""

    record: BatchRecord
    lacking: tuple[str, ...]
    """Tables that do not have the newest batch yet: it has to be repeated."""

    def repeated(self, written: Collection[str]) -> "Landed":
        """Before the newest batch is repeated, and goes to these tables now.

        Those that have it from before keep it. Those that neither have it nor get it are none of its tables any more.
        """
        have = [name for name in self.record.tables if name not in self.lacking]
        record = replace(self.record, tables=tuple(dict.fromkeys((*have, *written))))
        return Landed(record, tuple(name for name in written if name not in have))

    def appended(self, table: str) -> "Landed":
        """After the batch's rows came to a table."""
        return replace(self, lacking=tuple(name for name in self.lacking if name != table))


@dataclass(frozen=True)
class Verdict:
    """What has to be done before the query may start."""

    landed: Landed | None = None
    """None: nothing was landed yet."""
    rebuild: str | None = None
    """Why the checkpoint has to be made again from the tables; None if it may be used as it is."""
    refill: tuple[str, ...] = ()
    """Tables that are gone, and may be filled again from Kafka if the operator says so."""
    begin_anew: bool = False
    """All tables are gone, while the checkpoint is not."""
    refused: str | None = None
    """Why a person has to decide: a sentence with what to do."""


def reached(found: Iterable[Found], table: str) -> Offsets:
    """Offsets up to which a table has all its rows; empty if nothing was landed yet.

    A batch without rows for it is told of by other tables alone; one that goes to several tables is there in some of them earlier.
    """
    records = {one.name: one.record for one in found if one.record is not None}
    if not records:
        return {}
    newest = _newest(records.values())
    whole = table not in newest.tables or (table in records and records[table].batch_id == newest.batch_id)
    return newest.ends if whole else newest.starts


def judge(found: Mapping[str, Found], checkpoint: CheckpointState) -> Verdict:
    """Compare tables and checkpoint. The tables are the truth: whatever the checkpoint says else is made anew."""
    records = {name: table.record for name, table in found.items() if table.record is not None}
    if (problem := _foreign(found.values(), records)) is not None:
        return Verdict(refused=problem)
    if not records:
        if checkpoint.committed >= 0:
            return Verdict(
                refused="the tables are gone, and the checkpoint says that batches were landed. Bring the tables back, or start with "
                "--rebuild, to land everything that Kafka still holds into new ones",
                begin_anew=True,
            )
        return Verdict(rebuild=checkpoint.damage)
    newest = _newest(records.values())
    wanted, last = newest.newest(), newest.before
    have = {name: table.writers[writer] for name, table in found.items() if (writer := app_id(newest.query_id, name)) in table.writers}
    have |= {name: record.batch_id for name, record in records.items()}
    lacking = tuple(name for name in newest.tables if have.get(name, -1) == last.get(name, -1) != wanted[name])
    landed = Landed(newest, lacking)
    short = [name for name, batch in wanted.items() if have.get(name, -1) != batch and name not in lacking]
    if gone := tuple(name for name in short if name not in found or not found[name].has_rows):
        return Verdict(
            landed,
            rebuild=_unlike(landed, checkpoint),
            refill=gone,
            refused=f"table {', '.join(gone)} is gone, while the others go on to batch {newest.batch_id}; starting would leave out all "
            "that was in it. Bring it back, or start with --rebuild, to fill it again with what Kafka still holds",
        )
    if short:
        behind = ", ".join(f"{name} at {found[name].place} (batch {have[name]} in place of {wanted[name]})" for name in short)
        return Verdict(
            landed,
            refused=f"table {behind} is an older copy than the others, which go on to batch {newest.batch_id}. Bring the newest one back, "
            "or remove its directory and start with --rebuild, to fill it again with what Kafka still holds",
        )
    return Verdict(landed, rebuild=_unlike(landed, checkpoint))


def _newest(records: Collection[BatchRecord]) -> BatchRecord:
    """The record of the newest batch. One that was repeated may have gone to other tables the second time, once more could be read."""
    batch_id = max(record.batch_id for record in records)
    of_it = [record for record in records if record.batch_id == batch_id]
    return replace(of_it[0], tables=tuple(dict.fromkeys(name for record in of_it for name in record.tables)))


def _foreign(found: Iterable[Found], records: Mapping[str, BatchRecord]) -> str | None:
    lives = {record.query_id for record in records.values()}
    for table in found:
        if table.record is None and table.has_rows and not any(app_id(life, table.name) in table.writers for life in lives):
            return (
                f"table {table.name} at {table.place} has rows, and its log does not say which of Kafka's records they are: it was not "
                "written by this job, or its history was cut off. Choose an empty warehouse"
            )
        if table.written_as not in (None, table.name):
            return f"table {table.name} at {table.place} is another one: its log is that of {table.written_as}. Bring the right one back"
    if len(lives) > 1:
        told = ", ".join(f"{name} ({record.query_id[:8]})" for name, record in sorted(records.items()))
        return f"the tables are not of one life, their logs name different queries: {told}. Bring those back that belong together"
    return None


def _unlike(landed: Landed, checkpoint: CheckpointState) -> str | None:
    """What the checkpoint says else than the tables; None if it is as it must be."""
    newest = landed.record.batch_id
    if not checkpoint.begun:
        return "it is not there"
    if checkpoint.damage is not None:
        return checkpoint.damage
    if checkpoint.query_id != landed.record.query_id:
        return "it is of another query"
    if checkpoint.planned < newest:
        return f"it ends at batch {checkpoint.planned}, and the tables have batch {newest}: it is an older copy"
    if checkpoint.committed > newest or checkpoint.planned > newest + 1:
        return f"it says that batch {max(checkpoint.committed, checkpoint.planned - 1)} was landed, and the tables end at batch {newest}"
    if checkpoint.committed == newest and landed.lacking:
        return f"it says that batch {newest} was landed, and {', '.join(landed.lacking)} lacks it"
    return None


def raised(offsets: Offsets, least: Mapping[Place, int]) -> Offsets:
    """Offsets that are nowhere below those given; partitions that have none so far keep having none."""
    return {
        topic: {partition: max(offset, least.get((topic, int(partition)), 0)) for partition, offset in partitions.items()}
        for topic, partitions in offsets.items()
    }


def expected_at(record: BatchRecord | None, starts: Offsets) -> dict[Place, Expected]:
    """Sequences that come next for a batch which begins at these offsets.

    Behind records that Kafka dropped nothing is expected, since what is missing is known; at a topic's very beginning it is 0.
    """
    expected: dict[Place, Expected] = {}
    for topic, partitions in starts.items():
        for partition, offset in partitions.items():
            place = topic, int(partition)
            if record is not None and record.ends.get(topic, {}).get(partition) == offset:
                if place in record.expected:
                    expected[place] = record.expected[place]
            elif offset == 0:
                expected[place] = Expected(0)
    return expected
