"""Defects of the Spark jobs that only harm where a driver dies or a checkpoint is lost, or that keep silver from the archive."""

from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import DataFrame

from proofs.seeded_defects.patches import _set as replace
from spark_jobs import bronze, delta, difference, landed, overrule, silver
from spark_jobs.destination import Destination
from spark_jobs.landed import CheckpointState, Found, Verdict
from spark_jobs.tables import Table


def _bronze_appends_without_number() -> None:
    """`txnAppId` and `txnVersion` are not passed: Delta does not know a batch again."""

    def append(destination: Destination, table: Table, frame: DataFrame, app_id: str, batch_id: int, remark: str) -> None:
        destination.save(frame.write.format("delta").mode("append").option("userMetadata", remark), table)

    replace(delta, "append", append)


def _silver_appends_without_number() -> None:
    def append(self: silver.Silver, frame: DataFrame, table: Table, rows: int, batch_id: int) -> None:
        frame.write.format("delta").mode("append").save(self._path(table))

    replace(silver.Silver, "_append", append)


def _checkpoint_begins_anew() -> None:
    """A job without its checkpoint begins at the earliest records, as if nothing had ever been landed."""

    def judge(found: Mapping[str, Found], checkpoint: CheckpointState) -> Verdict:
        return landed.judge(found, checkpoint) if checkpoint.begun else Verdict()

    replace(bronze, "judge", judge)


def _gold_told_once() -> None:
    """Ranges that later batches stated are not named: their hours stay as they were measured."""
    right = silver.Silver._tell

    def tell(self: silver.Silver, batch: DataFrame, batch_id: int) -> None:
        if batch_id == 0:
            right(self, batch, batch_id)

    replace(silver.Silver, "_tell", tell)


def _merge_left_out() -> None:
    """Events that PI changed or removed stay as they were."""
    replace(difference, "_merge", lambda *_: None)


def _corrections_left_out() -> None:
    """Silver holds what the archive holds, and does not tell what was corrected."""
    right = overrule.corrections

    def none(judged: Any) -> Any:
        return right(judged).where("false")

    replace(overrule, "corrections", none)


DEFECTS: dict[str, Callable[[], None]] = {
    "bronze appends without the batch's number": _bronze_appends_without_number,
    "silver appends without the batch's number": _silver_appends_without_number,
    "a lost checkpoint begins anew": _checkpoint_begins_anew,
    "gold is told of the first batch only": _gold_told_once,
    "the merge is left out": _merge_left_out,
    "corrections are left out": _corrections_left_out,
}
