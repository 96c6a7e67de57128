"""Micro-batches of a query, one after another, until it is to end; and what is told of them."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

_POLL_SECONDS = 0.2


class Stopped(Exception):
    """Raised into Spark at the begin of a batch when the job is to end: the batch stays planned and is the next run's first."""


@dataclass(frozen=True)
class Done:
    """A batch whose rows are in the tables."""

    batch_id: int
    rows: dict[str, int]
    """By table; those without rows are left out."""
    seconds: float


class Batches:
    """Hands a query's batches to what does the work; Spark calls it from a thread of its own."""

    def __init__(self, work: Callable[[DataFrame, int], dict[str, int]]) -> None:
        self._work = work
        self._done: list[Done] = []
        self._lock = threading.Lock()
        self.stop = threading.Event()
        """Set: no further batch is begun."""
        self.done = 0
        """Batches done so far."""
        self.failure: Exception | None = None
        """What ended a batch, as it was before Spark wrapped it."""

    def __call__(self, batch: DataFrame, batch_id: int) -> None:
        """Do a batch; an exception ends the query, and the next run repeats the batch."""
        try:
            if self.stop.is_set():
                raise Stopped
            began = time.monotonic()
            rows = self._work(batch, batch_id)
            self.done += 1
            with self._lock:
                self._done.append(Done(batch_id, rows, time.monotonic() - began))
        except Exception as error:
            self.failure = error
            raise

    def take(self) -> list[Done]:
        """Batches done since the last call, oldest first."""
        with self._lock:
            taken, self._done = self._done, []
        return taken


def watch(query: StreamingQuery, batches: Batches, stop: threading.Event, look: Callable[[], None]) -> None:
    """Call `look` several times a second until the query ends, or `stop` is set and no batch is running, and once more behind its end.

    A running batch is finished, and one that is about to begin declines itself. Raises what ended the query, PySparkException.
    """
    try:
        ended = False
        while not ended:
            if stop.is_set():
                batches.stop.set()
                if query.isActive and not query.status["isTriggerActive"]:
                    query.stop()
            time.sleep(_POLL_SECONDS)
            ended = not query.isActive
            look()
        query.awaitTermination()
    except PySparkException:
        if not isinstance(batches.failure, Stopped):
            raise
    finally:
        if query.isActive:
            query.stop()
