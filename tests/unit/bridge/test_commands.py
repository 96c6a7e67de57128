"""Commands as jobs of a shard: what they have read, how far they are, and that a take-over goes on with them."""

from typing import Any

import pytest

from bridge import progress
from bridge.commands import WINDOW_HOURS
from bridge.digests import digest_of
from bridge.incarnation import Incarnation, Record
from bridge.pitime import Moment
from bridge.rules import Mark, Purpose, Read
from bridge.sums import Span, Sums
from schemas import wire
from schemas.records import MAX_NAMES, Command
from tests.unit.bridge.world import HOUR, RULES, at, covered, hour, incarnation, item, moment, page, point, setting

NOW = moment("10:00")
SETTLED = moment("10:03")


def command(kind: str = "RESCAN", begin: str | int = "03:00", end: str | None = "06:00", *points: str, **fields: Any) -> Command:
    ticks = at(begin) if isinstance(begin, str) else begin
    record = {
        "source": "plant1", "job_id": "job", "kind": kind, "points": list(points), "filters": [], "from_time": ticks // 10,
        "to_time": None if end is None else at(end) // 10, "reason": None, "given_time": 0,
    }  # fmt: skip
    return record | fields  # type: ignore[return-value]


def owner_of(*numbers: int, low: str = "00:00") -> Incarnation:
    """Points covered from `low` to 09:00."""
    owner = incarnation(*numbers)
    for number in numbers:
        key = f"main:{number}"
        owner.points[key] = point(number, start=low)
        owner.coverage[key] = covered(low, "09:00", as_of="09:55")
        owner.coverage[key].point_key = key
        owner.changed(key)
    owner.transaction(NOW)
    return owner


def reports(records: list[Record]) -> list[dict[str, Any]]:
    return [record.value for record in records if record.topic.dataset == "jobs"]


def states(records: list[Record]) -> list[tuple[str, int, int, int]]:
    return [(report["state"], report["hours_done"], report["hours"], report["hours_uncovered"]) for report in reports(records)]


def read_all(owner: Incarnation, now: Moment = SETTLED, most: int = 100) -> int:
    """Answers reads until nothing is due; how many sub-requests there were."""
    count = 0
    for _ in range(most):
        asked = owner.reads.next(now)
        if asked is None:
            break
        count += len(asked.addresses)
        owner.reads.answered(asked, {key: {"Items": [item(at("00:30"))]} for key in asked.addresses}, now)
        owner.frames.take(None, everything=True)
    return count


def test_a_rescan_has_the_covered_hours_read_again_with_the_job_as_cause_and_is_done_when_they_are() -> None:
    owner = owner_of(1)
    owner.commands.take(7, command(), NOW)
    assert states(owner.transaction(NOW)) == [("RUNNING", 0, 3, 0)]
    assert {mark.cause for mark in owner.coverage["main:1"].dirty.values()} == {"job"}
    assert owner.reads.next(moment("10:01")) is None, "only a request sent settle after the command counts"
    assert read_all(owner) == 3
    assert states(owner.transaction(SETTLED)) == [("DONE", 3, 3, 0)]
    assert not owner.commands.open


def test_whole_hours_around_the_range_are_read() -> None:
    owner = owner_of(1)
    owner.commands.take(0, command("RESCAN", "03:59", "05:00:01"), NOW)
    owner.transaction(NOW)
    assert set(owner.coverage["main:1"].dirty) == {hour("03:00"), hour("04:00"), hour("05:00")}


def test_a_command_is_taken_once_and_its_offset_goes_with_what_it_implies() -> None:
    owner = owner_of(1)
    owner.commands.take(7, command(), NOW)
    records = owner.transaction(NOW)
    (shard,) = [record.value["shard"] for record in records if record.topic.dataset == "progress" and record.value["shard"]]
    (progress,) = [record.value["point"] for record in records if record.topic.dataset == "progress" and record.value["point"]]
    assert shard["commands_offset"] == 8
    assert [job["job_id"] for job in shard["jobs"]] == ["job"]
    assert {dirty["cause"] for dirty in progress["dirty"]} == {"job"}
    owner.commands.take(7, command(), NOW)
    owner.commands.take(8, command(), NOW)
    assert states(owner.transaction(NOW)) == []


def test_hours_that_are_not_covered_are_told_and_not_read() -> None:
    owner = owner_of(1, 2, low="04:00")
    owner.coverage["main:2"] = covered("05:00", "09:00", as_of="09:55")
    owner.points["main:3"] = point(3)
    owner.commands.take(0, command(), NOW)
    assert states(owner.transaction(NOW)) == [("RUNNING", 0, 3, 6)]


def test_a_rescan_of_nothing_that_is_covered_is_done_at_once_and_says_so() -> None:
    owner = owner_of(1, low="07:00")
    owner.commands.take(0, command(), NOW)
    assert states(owner.transaction(NOW)) == [("RUNNING", 0, 0, 3), ("DONE", 0, 0, 3)]


@pytest.mark.parametrize(
    ("names", "filters", "meant"),
    [
        ([], [], {"main:1", "main:2", "main:11"}),
        (["main:2"], [], {"main:2"}),
        (["t2", "nobody"], [], {"main:2"}),
        ([], ["t1*"], {"main:1", "main:11"}),
        (["T2"], ["?1"], {"main:2", "main:1"}),
    ],
)
def test_points_are_meant_by_name_key_or_filter_or_all_of_them(names: list[str], filters: list[str], meant: set[str]) -> None:
    owner = owner_of(1, 2, 11)
    owner.commands.take(0, command(points=names, filters=filters), NOW)
    assert reports(owner.transaction(NOW))[0]["points"] == len(meant)
    assert {key for key, coverage in owner.coverage.items() if coverage.dirty} == meant


def test_the_cause_of_an_incident_stays_and_both_are_mended_by_one_read() -> None:
    owner = owner_of(1)
    owner.coverage["main:1"].dirty[hour("04:00")] = Mark(at("09:50"), "lost")
    owner.coverage["main:1"].dirty[hour("05:00")] = Mark(at("09:50"), None)
    owner.commands.take(0, command(), NOW)
    owner.transaction(NOW)
    assert [owner.coverage["main:1"].dirty[hour(h)].cause for h in ("03:00", "04:00", "05:00")] == ["job", "lost", "job"]
    assert read_all(owner) == 3
    assert states(owner.transaction(SETTLED))[-1][0] == "DONE"


def long_ago(owner: Incarnation, days: int) -> int:
    """Covers point 1 from so many days before; answers its begin."""
    low = at("00:00") - days * 24 * HOUR
    owner.coverage["main:1"].low = owner.coverage["main:1"].start = low
    return low


def test_a_long_range_is_marked_a_window_at_a_time_and_every_hour_is_read() -> None:
    owner = owner_of(1)
    low = long_ago(owner, 3)
    owner.commands.take(0, command(begin=low, end="00:00"), NOW)
    owner.transaction(NOW)
    marked = read = 0
    for minutes in range(3, 9):
        now = moment(f"10:{minutes:02}")
        assert len(owner.coverage["main:1"].dirty) <= WINDOW_HOURS
        marked += len(owner.coverage["main:1"].dirty)
        read += read_all(owner, now)
        told = states(owner.transaction(now))
        assert told, "each window is reported"
        if told[-1][0] == "DONE":
            break
    assert (marked, read, told[-1]) == (72, 72, ("DONE", 72, 72, 0))


def test_the_next_owner_goes_on_with_a_job_and_ends_it_once() -> None:
    owner = owner_of(1, 2)
    low = long_ago(owner, 2)
    owner.commands.take(0, command(begin=low, end="00:00"), NOW)
    for key in owner.points:
        owner.changed(key)
    left = [(record.key or "", record.value) for record in owner.transaction(NOW) if record.topic.dataset == "progress"]
    successor = incarnation(1, 2, now="10:05", left=left)
    successor.commands.take(0, command(begin=low, end="00:00"), NOW)
    for ear in successor.hearing.new_ears(moment("10:05")):
        ear.opened(moment("10:05"))
    done = []
    for minutes in range(8, 14):
        now = moment(f"10:{minutes:02}")
        for coverage in successor.coverage.values():
            coverage.blind = None
        read_all(successor, now)
        done += [report["state"] for report in reports(successor.transaction(now))]
    assert done.count("DONE") == 1
    assert not successor.commands.open


def test_a_point_that_goes_out_of_scope_is_not_waited_for() -> None:
    owner = owner_of(1)
    owner.commands.take(0, command(), NOW)
    owner.transaction(NOW)
    del owner.points["main:1"]
    owner.scope_changed("main:1")
    assert states(owner.transaction(SETTLED))[-1][0] == "DONE"


# -- back-fill


def test_a_back_fill_looks_for_the_event_at_or_before_the_new_start_and_reads_down_to_it() -> None:
    owner = owner_of(1, low="04:00")
    owner.commands.take(0, command("BACKFILL", "02:00", None), NOW)
    assert states(owner.transaction(NOW)) == [("RUNNING", 0, 2, 0)]
    asked = owner.reads.next(NOW)
    assert asked is not None
    assert [task.read.purpose for task in asked.tasks] == [Purpose.START]
    (address,) = asked.addresses.values()
    assert "recordedattime?time=2024-01-01T02:00:00" in address
    owner.reads.answered(asked, {key: item(at("01:10")) for key in asked.addresses}, NOW)
    assert (owner.coverage["main:1"].start, owner.coverage["main:1"].first_event) == (at("01:10"), at("01:10"))
    assert states(owner.transaction(NOW)) == []
    assert read_all(owner) == 1
    assert owner.coverage["main:1"].low == at("01:10")
    assert states(owner.transaction(SETTLED)) == [("DONE", 2, 2, 0)]


def test_where_no_event_lies_before_the_new_start_back_fill_ends_there() -> None:
    owner = owner_of(1, low="04:00")
    owner.commands.take(0, command("BACKFILL", "02:00", None), NOW)
    asked = owner.reads.next(NOW)
    assert asked is not None
    none = item(at("02:00"), {"Name": "No Data", "Value": 248, "IsSystem": True})
    owner.reads.answered(asked, dict.fromkeys(asked.addresses, none), NOW)
    assert (owner.coverage["main:1"].start, owner.coverage["main:1"].first_event) == (at("02:00"), None)


def test_an_event_above_the_start_which_may_be_gone_is_not_asked_for_beside_a_new_start() -> None:
    owner = owner_of(1, low="04:00")
    owner.coverage["main:1"].first_event = owner.coverage["main:1"].start + 1
    owner.commands.take(0, command("BACKFILL", "02:00", None), NOW)
    asked = owner.reads.next(NOW)
    assert asked is not None
    assert len(asked.addresses) == 1


def test_an_archive_that_does_not_show_an_event_it_showed_before_says_nothing_about_the_new_start() -> None:
    owner = owner_of(1, low="04:00")
    owner.coverage["main:1"].first_event = at("03:59:59.5")
    owner.commands.take(0, command("BACKFILL", "02:00", None), NOW)
    asked = owner.reads.next(NOW)
    assert asked is not None
    assert len(asked.addresses) == 2
    assert "recordedattime?time=2024-01-01T04:00:00" in list(asked.addresses.values())[1], "the whole second after the known event"
    none = item(at("02:00"), {"Name": "No Data", "Value": 248, "IsSystem": True})
    owner.reads.answered(asked, dict.fromkeys(asked.addresses, none), NOW)
    assert owner.coverage["main:1"].start == at("04:00")
    assert owner.commands.open
    assert owner.reads.next(moment("10:01")) is not None, "it is asked again"


def test_a_start_that_is_earlier_already_stays_and_the_job_waits_for_what_is_missing() -> None:
    owner = owner_of(1, low="04:00")
    owner.coverage["main:1"].start = at("01:00")
    owner.commands.take(0, command("BACKFILL", "02:00", None), NOW)
    assert states(owner.transaction(NOW)) == [("RUNNING", 0, 2, 0)]
    read_all(owner)
    assert owner.coverage["main:1"].low == at("01:00")
    assert states(owner.transaction(SETTLED))[-1][0] == "DONE"


def test_a_point_that_was_never_read_begins_with_the_new_start() -> None:
    owner = incarnation(1)
    owner.commands.take(0, command("BACKFILL", at("00:00") - 24 * HOUR, None), NOW)
    owner.transaction(NOW)
    asked = owner.reads.next(NOW)
    assert asked is not None
    assert any("recordedattime?time=2023-12-31T00:00:00" in address for address in asked.addresses.values())


def test_the_next_owner_lowers_the_start_again_if_it_was_not_looked_for_yet() -> None:
    owner = owner_of(1, low="04:00")
    owner.changed("main:1")
    owner.commands.take(0, command("BACKFILL", "02:00", None), NOW)
    left = [(record.key or "", record.value) for record in owner.transaction(NOW) if record.topic.dataset == "progress"]
    successor = Incarnation(setting(), {"main:1": point(1, start="04:00")}, progress.left(left, ()), moment("10:05"))
    asked = successor.reads.next(moment("10:05"))
    assert asked is not None
    assert [task.read.purpose for task in asked.tasks] == [Purpose.START]


# -- what is refused


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (command("RESCAN", "06:00", "03:00"), "a later one to end at"),
        (command("RESCAN", "06:00", None), "a later one to end at"),
        (command("BACKFILL", "11:00", None), "lies in the past"),
        (command("UNKNOWN"), "than this version knows"),
        (command(points=["x"] * (MAX_NAMES + 1)), "several commands"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_with_a_sentence_and_taken_note_of(given: Command, why: str) -> None:
    owner = owner_of(1)
    owner.commands.take(3, given, NOW)
    (report,) = reports(owner.transaction(NOW))
    assert report["state"] == "REFUSED"
    assert why in report["detail"]
    assert owner.state.commands_offset == 4
    assert not owner.commands.open


def test_every_report_is_what_the_schema_takes() -> None:
    owner = owner_of(1)
    owner.commands.take(0, command(), NOW)
    for record in owner.transaction(NOW):
        _, body = wire.split(wire.encode(1, wire.schema(record.topic.record), record.value))
        assert wire.decode(body, wire.schema(record.topic.record)) == record.value


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_rescan_states_again_what_nothing_has_changed_of_while_other_re_reads_confirm_it(asked_for: bool) -> None:
    coverage, begin, end = covered("00:00", "09:00"), at("03:00"), at("04:00")
    there = page(at("03:30"))
    coverage.sums = Sums([Span(begin, end, digest_of(there.samples))])
    if asked_for:
        assert coverage.rescan(hour("03:00"), hour("04:00"), at("10:00"), "job") == 1
    read = Read(Purpose.DIRTY, begin, end, "job")
    ((stated,),) = coverage.reread_answered(read, [(begin, end, there)], at("10:05"), RULES, 500)
    assert stated.confirmed is not asked_for
    assert coverage.dirty == {}
