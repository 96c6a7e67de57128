"""The checkpoint of a query as Spark keeps it: which offsets each batch has, and which batches are done.

The tables' logs know all of it too (`landed`), so a checkpoint that was lost, cut off or copied back is made again as it was: with the
query's id, the newest batch's number and the offsets that this batch had.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from spark_jobs.landed import CheckpointState, Landed, Offsets, raised
from spark_jobs.sequences import Place
from spark_jobs.storage import Storage

_INITIAL = "sources/0/0"
"""Where the Kafka source keeps the offsets that it began at."""
_NOTHING_YET = "-"
"""In place of the offsets of a source that had none."""


@dataclass(frozen=True)
class Plan:
    """Offsets of a batch."""

    starts: Offsets
    ends: Offsets


class _Damaged(Exception):
    """A file that is missing, or does not hold what it should; the message is a part of a sentence."""


class Checkpoint:
    """What we read and write in a checkpoint directory."""

    def __init__(self, storage: Storage, location: str, tables: int = 0) -> None:
        """`tables`: how many Delta tables the query streams from; 0: it reads Kafka."""
        self._storage, self.location, self._tables = storage, location, tables

    def state(self) -> CheckpointState:
        """The checkpoint as it lies there."""
        planned, committed = self._newest("offsets"), self._newest("commits")
        begun = planned >= 0 or self._storage.exists(f"{self.location}/metadata")
        query_id: str | None = None
        damage = None
        try:
            if begun:
                query_id = self.query_id()
                if not planned - 1 <= committed <= planned:
                    raise _Damaged(f"its newest batch is {planned}, and the newest that it holds for done is {committed}")
                for batch_id in range(max(0, planned - 1), planned + 1):
                    self._lines(f"offsets/{batch_id}", 1 + max(1, self._tables))
                if planned == 0 and not self._tables:
                    self.plan(planned)
                if committed >= 0:
                    self._lines(f"commits/{committed}", 1)
        except _Damaged as error:
            damage = str(error)
        return CheckpointState(begun, query_id, planned, committed, damage)

    def query_id(self) -> str:
        """Spark's id of the query, made with the checkpoint."""
        return str(self._json("metadata", self._read("metadata"))["id"])

    def plan(self, batch_id: int) -> Plan:
        """Offsets of a batch that was planned."""
        ends = self._offsets(batch_id)
        if batch_id > 0:
            return Plan(self._offsets(batch_id - 1), ends)
        text = self._read(_INITIAL).removeprefix("\0")
        return Plan(self._json(_INITIAL, text.partition("\n")[2] if text.startswith("v") else text), ends)

    def rebuild(self, landed: Landed) -> None:
        """Make it again as it was when the newest batch of the tables was planned; done or not, as the tables say."""
        record = landed.record
        newest = record.batch_id
        self.remove()
        self._write_initial(record.starts)
        if newest > 0:
            self._write_offsets(newest - 1, record.starts)
            self._write_commit(newest - 1)
        self._write_offsets(newest, record.ends)
        if not landed.lacking:
            self._write_commit(newest)
        self._write("metadata", json.dumps({"id": record.query_id}))  # last: without it the checkpoint is damaged, and is made again

    def remove(self) -> None:
        """Remove all of it."""
        self._storage.remove(self.location)

    def raise_to(self, least: dict[Place, int]) -> None:
        """Let the next batch begin nowhere below the offsets given: what lies below is lost."""
        planned, committed = self._newest("offsets"), self._newest("commits")
        if committed < 0:
            with suppress(_Damaged):  # before its first batch the query looks for the beginning itself
                initial = self.plan(0).starts if planned >= 0 else {}
                if initial:
                    self._write_initial(raised(initial, least))
        for batch_id in range(max(0, committed), planned + 1):
            self._write_offsets(batch_id, raised(self._offsets(batch_id), least))

    def next_starts(self) -> Offsets:
        """Offsets that the next batch begins at: the newest one that is done ends there. Empty before the first."""
        committed = self._newest("commits")
        if committed >= 0:
            return self._offsets(committed)
        return self.plan(0).starts if self._newest("offsets") >= 0 else {}

    # -- files ------------------------------------------------------------------------------------------------------------------------

    def _newest(self, directory: str) -> int:
        return max((int(name) for name in self._storage.names(f"{self.location}/{directory}") if name.isdecimal()), default=-1)

    def _read(self, name: str) -> str:
        path = f"{self.location}/{name}"
        if not self._storage.exists(path):
            raise _Damaged(f"{name} is missing")
        return self._storage.read(path)

    @staticmethod
    def _json(name: str, text: str) -> Any:
        try:
            found = json.loads(text)
        except ValueError:
            raise _Damaged(f"{name} is cut off") from None
        if not isinstance(found, dict):
            raise _Damaged(f"{name} is cut off")
        return found

    def _offsets(self, batch_id: int) -> Offsets:
        return self._lines(f"offsets/{batch_id}", 2)[1]

    def _lines(self, name: str, count: int) -> list[dict[str, Any]]:
        """The objects in a file of Spark's: a version, then one a line."""
        version, *lines = self._read(name).splitlines() or [""]
        if not version.startswith("v") or len(lines) != count:
            raise _Damaged(f"{name} is cut off")
        return [{} if line == _NOTHING_YET else self._json(name, line) for line in lines]

    def _write_offsets(self, batch_id: int, offsets: Offsets) -> None:
        text = json.dumps(offsets, separators=(",", ":"))
        name = f"offsets/{batch_id}"
        head = '{"batchWatermarkMs":0,"batchTimestampMs":0,"conf":{}}'
        with suppress(_Damaged):
            head = (self._read(name).splitlines()[1:2] or [head])[0]
        self._write(name, f"v1\n{head}\n{text}")

    def _write_commit(self, batch_id: int) -> None:
        self._write(f"commits/{batch_id}", 'v1\n{"nextBatchWatermarkMs":0}')

    def _write_initial(self, offsets: Offsets) -> None:
        self._write(_INITIAL, "\0v1\n" + json.dumps(offsets, separators=(",", ":")))

    def _write(self, name: str, text: str) -> None:
        self._storage.write(f"{self.location}/{name}", text)
