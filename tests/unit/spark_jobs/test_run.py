"""What the landing tells of its batches, and how often it starts its query again, on queries that are made up."""

import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyspark.errors import PySparkException
from pyspark.sql.streaming.query import StreamingQuery
from structlog.testing import capture_logs

from spark_jobs import batches
from spark_jobs.batches import Batches
from spark_jobs.errors import LandError
from spark_jobs.run import Told, _follow

LOST = PySparkException("Some data may have been lost because they are not available in Kafka any more")


class Query:
    """As much of a query as is asked while one watches it."""

    def __init__(self) -> None:
        self.asked = 0
        self.progress: list[Any] = []

    @property
    def recentProgress(self) -> list[Any]:
        self.asked += 1
        return self.progress

    def went_on(self, batch_id: int, records: int, **durations: int) -> None:
        said = {"numInputRows": records, "batchDuration": 1500, "sources": [{"endOffset": None, "latestOffset": None}]}
        self.progress.append(SimpleNamespace(batchId=batch_id, json=json.dumps(said), durationMs=durations, numInputRows=records))


def test_a_batch_without_rows_is_told_like_any_other_and_nothing_is_asked_while_there_is_nothing_to_tell() -> None:
    query, counts = Query(), iter([{}, {"pi_timeseries": 2}])
    work = Batches(lambda *_: next(counts))
    told = Told(cast(StreamingQuery, query), work)
    with capture_logs() as lines:
        told()
        assert query.asked == 0
        for batch_id, records in ((3, 0), (4, 2)):
            query.went_on(batch_id, 0, latestOffset=2)  # waiting for it
            work(cast(Any, None), batch_id)
            told()
            query.went_on(batch_id, records, addBatch=7, latestOffset=2)
            told()
    batches = [line for line in lines if line["event"] == "batch"]
    assert [(line["batch_id"], line["records"], line["rows"]) for line in batches] == [(3, 0, {}), (4, 2, {"pi_timeseries": 2})]
    asked = query.asked
    with capture_logs():
        told()
    assert query.asked == asked


class Ended(Query):
    """A query that has ended already."""

    isActive = False

    def __init__(self, why: Exception | None) -> None:
        super().__init__()
        self._why = why

    def awaitTermination(self) -> None:
        if self._why is not None:
            raise self._why


def follow(monkeypatch: pytest.MonkeyPatch, ends: Iterator[Exception | None], lands: bool) -> int:
    """Starts of a query, each of which lands a batch or none, and ends so."""
    monkeypatch.setattr(batches, "_POLL_SECONDS", 0.0)
    work, starts = Batches(lambda *_: {}), 0

    def start() -> StreamingQuery:
        nonlocal starts
        starts += 1
        if lands:
            work(cast(Any, None), starts)
        return cast(StreamingQuery, Ended(next(ends)))

    with capture_logs():
        _follow(start, work, threading.Event(), lambda: True)
    return starts


def test_a_job_that_lives_long_may_lose_records_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert follow(monkeypatch, iter([*[LOST] * 7, None]), lands=True) == 8


def test_a_query_that_ends_each_time_before_it_landed_anything_is_not_started_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([LOST] * 7)
    with pytest.raises(LandError, match="ended 3 times one after the other without landing a batch"):
        follow(monkeypatch, ends, lands=False)
    assert len(list(ends)) == 4
