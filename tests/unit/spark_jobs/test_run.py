"""What the landing tells of its batches, on a query that is made up."""

import json
from types import SimpleNamespace
from typing import Any, cast

from pyspark.sql.streaming.query import StreamingQuery
from structlog.testing import capture_logs

from spark_jobs.batches import Batches
from spark_jobs.run import Told


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
