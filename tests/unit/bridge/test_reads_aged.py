"""Reads by age, what they confirm, and ranges whose archive was away: from the request to the frame."""

from typing import Any

from bridge.digests import digest_of
from bridge.incarnation import Incarnation
from bridge.pitime import Moment
from bridge.rules import Purpose
from bridge.sums import Span, Sums
from bridge.watermarks import Watermarks
from tests.unit.bridge.world import HOUR, at, config, covered, hour, incarnation, item, moment, point, sample

NO_DATA = {"Name": "No Data", "Value": 248, "IsSystem": True}
LATER = moment("12:03")


def aged(*numbers: int) -> Incarnation:
    """Points whose hour from 09:00 has reached its first age at 12:02, and of which one value was stated in that hour."""
    owner = incarnation(settings=config(load={"batch_points": 4, "requests_per_second": 1.0}))
    for number in numbers:
        owner.points[f"main:{number}"] = point(number, start="09:00")
        known = owner.coverage[f"main:{number}"] = covered("09:00", "11:00", as_of="12:00")
        known.point_key = f"main:{number}"
        known.watermarks = Watermarks(owner.rules.ages, at("11:00"))
        known.sums = Sums([Span(at("09:00"), at("10:00"), digest_of([sample(at("09:10"), 1.5)]))])
        owner.agenda.changed(f"main:{number}")
    return owner


def series(owner: Incarnation) -> list[tuple[str, dict[str, Any]]]:
    records = owner.transaction(LATER)
    return [(r.topic.dataset, s) for r in records if r.topic.dataset in ("recorded", "history") for s in r.value["series"]]


def ask_and_answer(owner: Incarnation, content: Any, now: Moment = LATER) -> None:
    asked = owner.reads.next(now)
    assert asked is not None
    owner.reads.answered(asked, dict.fromkeys(asked.addresses, content), now)


def test_a_re_read_that_found_nothing_new_is_published_as_a_confirmation_without_samples() -> None:
    owner = aged(1)
    ask_and_answer(owner, {"Items": [item(at("09:10"))]})
    ((dataset, published),) = series(owner)
    statement = published["statement"]
    assert (dataset, statement["kind"], statement["count"], published["samples"]) == ("recorded", "CONFIRMED", 1, [])
    assert statement["digest"] == digest_of([sample(at("09:10"), 1.5)])
    assert owner.reads.next(LATER) is None


def test_a_re_read_that_found_something_is_stated_with_its_samples() -> None:
    owner = aged(1)
    ask_and_answer(owner, {"Items": [item(at("09:10")), item(at("09:20"))]})
    ((_, published),) = series(owner)
    assert (published["statement"]["kind"], len(published["samples"])) == ("STATED", 2)


def test_re_reads_by_age_have_their_share_of_the_load_and_no_more() -> None:
    owner = aged(*range(40))
    owner.coverage["main:4"].mark(hour("10:00"), at("10:10"), None)
    owner.agenda.changed("main:4")
    sent = []
    for second in range(10):
        asked = owner.reads.next(moment("12:03", 1000.0 + second))
        sent.append([task.read.purpose for task in asked.tasks] if asked else [])
    assert sent[0] == [Purpose.DIRTY, *[Purpose.AGED] * 3]
    # A request holds 4 reads, and one a second may be sent: a tenth of that in 9 s, and what was left of the first one.
    assert [purpose for tasks in sent[1:] for purpose in tasks] == [Purpose.AGED] * 4


def test_a_range_whose_archive_stays_away_is_set_aside_with_a_line_in_the_log_and_goes_to_history_when_it_answers() -> None:
    owner = aged(1)
    away = {"Items": [item(at("09:00"), NO_DATA), item(at("10:00"), NO_DATA)]}
    now = LATER
    for failure in range(owner.rules.away_failures):
        now = Moment(1000.0 + 400 * failure, at("12:03") + failure * 400 * 10_000_000, 0)
        owner.coverage["main:1"].as_of = now.ticks
        owner.agenda.changed("main:1")
        ask_and_answer(owner, away, now)
    assert [note.event for note in owner.take_notes()][-1] == "archive away, asked for again in a day"
    assert [ranges[:2] for ranges in owner.coverage["main:1"].aways.ranges] == [(at("09:00"), at("10:00"))]
    assert series(owner) == []
    now = Moment(now.seconds + 86_400.0, now.ticks + 24 * HOUR, 0)
    owner.coverage["main:1"].as_of, owner.coverage["main:1"].watermarks = now.ticks, Watermarks()
    owner.agenda.changed("main:1")
    ask_and_answer(owner, {"Items": [item(at("09:10"))]}, now)
    ((dataset, published),) = series(owner)
    assert (dataset, published["statement"]["count"]) == ("history", 1)


def test_an_event_that_was_stated_witnesses_that_the_archive_is_there() -> None:
    owner = aged(1)
    ask_and_answer(owner, {"Items": []})
    asked = owner.reads.next(LATER)
    assert asked is not None
    witness = asked.addresses["0w"]
    assert "recordedattime?time=2024-01-01T11:00:00" in witness
    owner.reads.answered(asked, {"0": {"Items": []}, "0w": item(at("09:10"), NO_DATA)}, LATER)
    assert series(owner) == []
    assert [note.event for note in owner.take_notes()] == ["read failed"]
