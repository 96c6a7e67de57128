from spark_jobs import tables
from spark_jobs.bronze import row_counts
from spark_jobs.decode import Tally, frames_of
from spark_jobs.run import offsets_behind

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


def test_frames_of_a_partition_are_put_together_whatever_schema_they_have() -> None:
    tallies = [
        Tally("pi.p.live", 1, True, 2, 0, 0, 0, [(4, 7), (6, 8)]),
        Tally("pi.p.live", 2, True, 1, 0, 0, 0, [(8, 9)]),
        Tally("pi.p.live", None, False, 1, 0, 0, 1, [(3, None)]),
        Tally("pi.p.points", 2, True, 6, 0, 0),
    ]
    assert frames_of(tallies) == {("pi.p.live", 0): [(4, 7), (6, 8), (8, 9)], ("pi.p.live", 1): [(3, None)]}


def test_offsets_behind_are_summed_over_partitions_and_new_partitions_count_whole() -> None:
    progress = {"endOffset": {"t": {"0": 5, "1": 9}}, "latestOffset": {"t": {"0": 7, "1": 9}, "u": {"0": 4}}}
    assert offsets_behind(progress) == 6
    assert offsets_behind({"endOffset": None, "latestOffset": None}) == 0
