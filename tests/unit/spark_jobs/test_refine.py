import threading
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from pyspark.errors import PySparkException

from schemas.config import Lakehouse
from spark_jobs import batches, maintain, refine, refined, silver, tables
from spark_jobs.batches import Batches
from spark_jobs.errors import LandError, Unavailable
from spark_jobs.refine import Refinery

WANTED = ("a", "b")


@pytest.mark.parametrize(
    ("begun", "known", "ids", "rows", "told"),
    [
        (False, {}, {}, [], None),
        (False, {}, {"a": "1"}, [], None),
        (False, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, ["a"], None),
        (False, {}, {"a": "1"}, ["a"], "no table b"),
        (True, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}, ["a"], None),
        (True, {"a": "1"}, {"a": "1"}, ["a"], None),
        (True, {"a": "1", "b": "2"}, {"a": "1"}, ["a"], "tables b are not those"),
        (True, {"a": "1", "b": "2"}, {"a": "1", "b": "3"}, ["a"], "tables b are not those"),
        (True, {}, {"a": "1", "b": "3"}, [], "tables a, b are not those"),
    ],
)
def test_tables_and_checkpoint_are_of_one_life_or_a_sentence_says_what_to_remove(
    begun: bool, known: dict[str, str], ids: dict[str, str], rows: list[str], told: str | None
) -> None:
    problem = refine.disagreement(begun, known, ids, rows, WANTED)
    assert problem is None if told is None else problem is not None and told in problem


WIDENED = PySparkException("[STREAM_FAILED] [DELTA_SCHEMA_CHANGED_WITH_VERSION] Detected schema change")


def played(
    patch: pytest.MonkeyPatch, script: list[tuple[int, PySparkException | None]], work: maintain.Work = lambda batch, batch_id: {}
) -> None:
    """`run_one` over starts of a query, each with so many batches before it ends, with what."""

    def watch(query: object, work: Batches, stop: threading.Event, look: Any) -> None:
        done, error = script.pop(0)
        try:
            for number in range(done):
                work(cast(Any, None), number)
        except OSError as failed:
            raise PySparkException("[STREAM_FAILED]") from failed
        look()
        if error is not None:
            raise error

    patch.setattr(batches, "watch", watch)
    patch.setattr(refine, "_start", lambda *_: None)
    refine.run_one(Refinery("silver", (), (), lambda: cast(Any, None), work, 1.0, cast(Any, None)), False, threading.Event())


def test_bronze_may_get_any_number_of_columns_over_a_long_life(monkeypatch: pytest.MonkeyPatch) -> None:
    script: list[tuple[int, PySparkException | None]] = [(0, WIDENED), *[(1, WIDENED)] * 5, (1, None)]
    played(monkeypatch, script)
    assert script == []


def test_a_query_that_only_ever_ends_for_a_new_column_ends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LandError, match=r"the query silver ended: .*DELTA_SCHEMA_CHANGED"):
        played(monkeypatch, [(1, WIDENED), *[(0, WIDENED)] * 9])


def test_a_full_disk_is_a_reason_to_make_room_and_start_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(batch: object, batch_id: int) -> dict[str, int]:
        raise OSError("java.io.IOException: No space left on device")

    with pytest.raises(Unavailable, match="no space is left where tables or checkpoint lie; make room"):
        played(monkeypatch, [(1, None)], full)


def test_upkeep_of_silver_has_bronze_and_all_of_silver_and_what_reconciliations_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept: dict[str, tuple[tables.Table, ...]] = {}

    class Noted:
        def __init__(self, _: object, __: object, marker: str, of: tuple[tables.Table, ...], *more: object) -> None:
            kept[marker] = of

        def after(self, work: maintain.Work) -> maintain.Work:
            return work

    monkeypatch.setattr(refine, "Upkeep", Noted)
    refine.planned(MagicMock(), Lakehouse(warehouse="/w", checkpoints=str(tmp_path)), "/w", threading.Event())
    assert set(kept[f"{tmp_path}/{silver.NAME}.maintained"]) == {*tables.TABLES, *refined.SILVER, refined.COMPLETENESS}
