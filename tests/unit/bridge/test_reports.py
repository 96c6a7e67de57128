from bridge.reports import Reports, by_job
from schemas.records import Job, JobState


def report(shard: int, state: JobState = "RUNNING", job_id: str = "job", **fields: int | str) -> Job:
    record = {
        "source": "plant1", "job_id": job_id, "shard": shard, "kind": "RESCAN", "state": state, "points": 10, "hours": 100, "hours_done": 0,
        "hours_uncovered": 0, "from_time": 0, "to_time": 1, "reason": None, "accepted_time": 5, "updated_time": 6, "detail": "",
    }  # fmt: skip
    return record | fields  # type: ignore[return-value]


def reports(*taken: Job, shards: int = 2) -> Reports:
    made = Reports("job", shards)
    for each in taken:
        made.take(each)
    return made


def test_a_job_is_over_when_every_shard_says_so() -> None:
    assert (reports().result, reports().ended) == ("waiting", False)
    assert (reports(report(0, "DONE")).result, reports(report(0, "DONE")).ended) == ("running", False)
    assert reports(report(0, "DONE"), report(1)).result == "running"
    done = reports(report(0, "DONE"), report(1), report(1, "DONE"))
    assert (done.result, done.ended, done.exit_code) == ("done", True, 0)


def test_a_refusal_by_any_shard_refuses_the_job_and_says_why_once() -> None:
    refused = reports(report(0, "REFUSED", detail="no"), report(1, "REFUSED", detail="no"))
    assert (refused.result, refused.ended, refused.exit_code, refused.remarks()) == ("refused", True, 1, ["no"])


def test_a_job_that_concerns_no_point_is_not_called_done() -> None:
    nobody = reports(report(0, "DONE", points=0), report(1, "DONE", points=0))
    assert (nobody.result, nobody.exit_code) == ("no point", 1)
    assert "no point in scope" in nobody.remarks()[0]


def test_the_newest_report_of_each_shard_counts_and_all_are_added_up() -> None:
    half = reports(report(0, hours_done=10), report(0, hours_done=60), report(1, hours_done=40, hours_uncovered=7))
    assert "[############------------]  50%  100 of 200 hours of 20 points; 0 of 2 shards are done" in half.line()
    assert half.remarks()[0].startswith("7 hours of points in this range were not covered")
    assert half.as_json()["hours_done"] == 100
    assert [shard["shard"] for shard in half.as_json()["shards"]] == [0, 1]


def test_a_job_of_no_hours_is_whole_when_it_is_over() -> None:
    assert " 0%" in reports(report(0, hours=0)).line()
    assert "100%" in reports(report(0, "DONE", hours=0), report(1, "DONE", hours=0)).line()


def test_jobs_are_listed_in_the_order_in_which_they_were_taken() -> None:
    listed = by_job([report(0, job_id="b", accepted_time=9), report(0, job_id="a", accepted_time=10), report(1, job_id="b")], 2)
    assert list(listed) == ["b", "a"]
    assert listed["b"].by_shard.keys() == {0, 1}
