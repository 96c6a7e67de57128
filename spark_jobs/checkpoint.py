"""The checkpoint of a query, and which tables belong to it.

Spark keeps there which offsets each batch held; Delta keeps which batches it has. Both must be of one life: a new checkpoint over old
tables would land everything twice, old batch numbers over new tables would be taken for landed. So the ids of the tables stand in a file
inside the checkpoint, written before its first batch.
"""

import json

from spark_jobs.storage import Storage

_TABLES = "pibridge-tables.json"


class Checkpoint:
    """What we read and write in a checkpoint directory."""

    def __init__(self, storage: Storage, location: str) -> None:
        self._storage, self.location = storage, location

    def begun(self) -> bool:
        """Whether a query ever started with it."""
        return self._storage.exists(f"{self.location}/metadata")

    def query_id(self) -> str:
        """Spark's id of the query, made with the checkpoint and gone with it."""
        return str(json.loads(self._storage.read(f"{self.location}/metadata"))["id"])

    def planned(self) -> int:
        """Number of the newest batch whose offsets are fixed; -1 before the first."""
        return max((int(name) for name in self._storage.names(f"{self.location}/offsets") if name.isdecimal()), default=-1)

    def tables(self) -> dict[str, str]:
        """Names of the tables that belong to it, with their Delta ids."""
        path = f"{self.location}/{_TABLES}"
        return dict(json.loads(self._storage.read(path))) if self._storage.exists(path) else {}

    def set_tables(self, ids: dict[str, str]) -> None:
        """Remember the tables that belong to it."""
        self._storage.write(f"{self.location}/{_TABLES}", json.dumps(ids, sort_keys=True, indent=1) + "\n")
