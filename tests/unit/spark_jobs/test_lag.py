from spark_jobs.lag import behind


def test_what_is_left_to_land_is_counted_by_partition_and_nothing_makes_up_for_another() -> None:
    ends = {("recorded", 0): 10, ("recorded", 1): 7, ("history", 0): 0}
    assert behind(ends, {}) == 17
    assert behind(ends, {"recorded": {"0": 12, "1": 5}}) == 2
    assert behind(ends, {"recorded": {"0": 10, "1": 7}, "history": {"0": 0}}) == 0
