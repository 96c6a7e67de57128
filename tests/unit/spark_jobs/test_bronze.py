import pytest

from spark_jobs import tables
from spark_jobs.bronze import app_id, disagreement, row_counts
from spark_jobs.decode import Tally
from spark_jobs.errors import LandError, Refused, Unavailable
from spark_jobs.run import failure, offsets_behind

RECORDS = tables.records_by_topic("p")


def test_rows_are_counted_by_the_table_they_go_to() -> None:
    tallies = [
        Tally("pi.p.live", 1, True, 3, 30, 0),
        Tally("pi.p.recorded", 1, True, 2, 5, 4),
        Tally("pi.p.recorded", None, False, 7, 0, 0),
        Tally("pi.p.points", 2, True, 6, 0, 0),
        Tally("pi.p.dead-letters", 3, True, 1, 0, 0),
    ]
    assert row_counts(tallies, RECORDS) == {"pi_timeseries": 35, "pi_coverage": 4, "pi_points": 6, "pi_dead_letters": 8}


def test_tables_without_rows_are_left_out() -> None:
    assert row_counts([Tally("pi.p.recorded", 1, True, 1, 0, 1)], RECORDS) == {"pi_coverage": 1}
    assert row_counts([], RECORDS) == {}


@pytest.mark.parametrize(
    ("begun", "known", "there", "has_rows", "told"),
    [
        (False, None, None, False, None),
        (False, None, "a", False, None),  # killed between the tables and the checkpoint's file
        (False, "a", "a", False, None),  # killed before the first batch
        (False, "a", None, False, None),
        (False, "a", "b", False, None),
        (True, "a", "a", True, None),
        (True, None, None, False, None),  # a table of a later release
        (False, None, "a", True, "knows nothing of"),
        (True, None, "a", True, "knows nothing of"),
        (True, "a", None, False, "is gone"),
        (True, "a", "b", False, "another one"),
        (False, "a", "b", True, "another one"),
        (False, "a", "a", True, "was emptied"),
    ],
)
def test_tables_and_checkpoint_of_different_lives_disagree(
    begun: bool, known: str | None, there: str | None, has_rows: bool, told: str | None
) -> None:
    problem = disagreement(begun, known, there, lambda: has_rows)
    assert problem is None if told is None else told in (problem or "")


def test_a_writer_is_named_by_query_and_table() -> None:
    assert app_id("q", tables.COVERAGE) == "bronze:q:pi_coverage"


def test_offsets_behind_are_summed_over_partitions_and_new_partitions_count_whole() -> None:
    progress = {"endOffset": {"t": {"0": 5, "1": 9}}, "latestOffset": {"t": {"0": 7, "1": 9}, "u": {"0": 4}}}
    assert offsets_behind(progress) == 6
    assert offsets_behind({"endOffset": None, "latestOffset": None}) == 0


def test_what_ended_a_query_has_its_exit_code() -> None:
    ours = Unavailable("the registry")
    assert failure(ours, Exception("x")) is ours
    lost = failure(None, Exception("Some data may have been lost because they are not available in Kafka any more"))
    assert isinstance(lost, Refused)
    away = failure(None, Exception("org.apache.kafka.common.errors.TimeoutException: Timed out"))
    assert isinstance(away, Unavailable)
    assert type(failure(ValueError("x"), Exception("y"))) is LandError
