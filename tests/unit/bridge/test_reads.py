"""What reads ask for, and what they make of answers: pages, failures, and an archive that is away without saying so."""

from typing import Any

from bridge.errors import PIRefused, PIUnavailable
from bridge.incarnation import Incarnation
from bridge.pitime import Moment
from bridge.reads import Batch
from bridge.rules import Mark, Purpose
from tests.unit.bridge.world import at, config, covered, hour, incarnation, item, moment, point

NO_DATA = {"Name": "No Data", "Value": 248, "IsSystem": True}
NOW = moment("10:30")


def ready(*numbers: int, **load: Any) -> Incarnation:
    """Points whose archive is known to begin before their configured start (03:00), each with a dirty hour."""
    owner = incarnation(settings=config(load=load))
    for number in numbers:
        owner.points[f"main:{number}"] = point(number, start="03:00")
        known = owner.coverage[f"main:{number}"] = covered("02:00", "10:00", as_of="10:25")
        known.point_key, known.first_event = f"main:{number}", at("02:00")
        known.dirty[hour("07:00")] = Mark(at("10:20"), None)
        owner.scope_changed(f"main:{number}")
    return owner


def ask(owner: Incarnation, now: Moment = NOW) -> Batch:
    asked = owner.reads.next(now)
    assert asked is not None
    return asked


def answer(owner: Incarnation, asked: Batch, *contents: Any, now: Moment = NOW) -> None:
    owner.reads.answered(asked, dict(zip(asked.addresses, contents, strict=True)), now)


def statements(owner: Incarnation) -> list[dict[str, Any]]:
    frames = [record.value for record in owner.transaction(NOW) if record.topic.dataset in ("recorded", "history")]
    return [series["statement"] for frame in frames for series in frame["series"]]


def test_a_read_and_its_statement_carry_the_clock_that_was_taken_when_it_was_sent() -> None:
    owner = ready(1)
    asked = ask(owner)
    answer(owner, asked, {"Items": [item(at("07:10"))]})
    (stated,) = statements(owner)
    assert (stated["as_of_clock"], stated["as_of"], stated["count"]) == (asked.sent.clock, at("10:30") // 10, 1)


def test_values_are_counted_by_what_they_were_read_for_and_taken_once() -> None:
    owner = ready(1, 2)
    answer(owner, ask(owner), {"Items": [item(at("07:10")), item(at("07:20"))]}, PIUnavailable("not now"))
    assert owner.reads.take_values_read() == {Purpose.DIRTY: 2}
    assert owner.reads.take_values_read() == {}


def test_pages_follow_one_another_each_from_the_last_instant_of_the_one_before() -> None:
    owner = ready(1, page_values=2)
    answer(owner, ask(owner), {"Items": [item(at("07:10")), item(at("07:20"))]})
    asked = ask(owner)
    assert "startTime=2024-01-01T07:20:00.0000000Z" in next(iter(asked.addresses.values()))
    answer(owner, asked, {"Items": [item(at("07:20"))]})
    assert [(s["from_time"] * 10, s["to_time"] * 10, s["count"]) for s in statements(owner)] == [
        (at("07:00"), at("07:20"), 1),
        (at("07:20"), at("08:00"), 1),
    ]


def test_an_instant_that_fills_a_page_is_asked_for_with_a_larger_one() -> None:
    owner = ready(1, page_values=2)
    answer(owner, ask(owner), {"Items": [item(at("07:00")), item(at("07:00"))]})
    assert "maxCount=4" in next(iter(ask(owner).addresses.values()))


def test_a_failed_sub_request_covers_nothing_and_the_others_are_taken() -> None:
    owner = ready(1, 2)
    answer(owner, ask(owner), PIUnavailable("no"), {"Items": [item(at("07:10"))]})
    assert [s["count"] for s in statements(owner)] == [1]
    assert hour("07:00") in owner.coverage["main:1"].dirty
    assert owner.reads.next(NOW) is None  # it is retried, later
    assert owner.reads.next(moment("10:31")) is not None


def test_trap_45_a_point_whose_history_pi_does_not_serve_does_not_stop_the_others() -> None:
    owner = ready(1, 2)
    answer(owner, ask(owner), PIRefused("status 409", 409), {"Items": [item(at("07:10"))]})
    assert [s["count"] for s in statements(owner)] == [1]
    assert [note.details["point"] for note in owner.take_notes()] == ["main:1"]


def test_a_first_look_that_is_answered_with_a_later_event_is_made_again() -> None:
    for before, settled in ((at("00:00:01"), at("09:00")), (at("00:00"), at("09:58:01"))):
        owner = incarnation(1)
        answer(owner, ask(owner, moment("10:00")), item(at("09:59")), item(before), item(settled), now=moment("10:00"))
        assert owner.coverage["main:1"].high is None


def test_trap_47_credentials_that_expire_in_the_middle_of_a_back_fill_only_delay_it() -> None:
    owner = ready(1)
    answer(owner, ask(owner), PIRefused("status 401", 401))
    answer(owner, ask(owner, moment("10:31")), {"Items": [item(at("07:10"))]}, now=moment("10:31"))
    assert [s["count"] for s in statements(owner)] == [1]


def test_a_request_without_an_answer_leaves_all_as_it_was() -> None:
    owner = ready(1, 2)
    owner.reads.failed(ask(owner), "timed out", NOW)
    assert statements(owner) == []
    assert all(coverage.in_flight is None and coverage.dirty for coverage in owner.coverage.values())


def test_emptiness_beside_values_is_believed() -> None:
    owner = ready(1, 2)
    answer(owner, ask(owner), {"Items": []}, {"Items": [item(at("07:10"))]})
    assert sorted(s["count"] for s in statements(owner)) == [0, 1]


def test_emptiness_of_all_points_of_a_server_is_asked_for_again_with_an_event_that_must_be_there() -> None:
    owner = ready(1, 2)
    answer(owner, ask(owner), {"Items": []}, {"Items": []})
    assert statements(owner) == []
    asked = ask(owner)
    assert [address.split("?")[0].rsplit("/", 1)[1] for address in asked.addresses.values()] == ["recorded", "recordedattime"] * 2


def test_emptiness_is_believed_where_the_archive_shows_an_earlier_event() -> None:
    owner = ready(1)
    answer(owner, ask(owner), {"Items": []})
    answer(owner, ask(owner), {"Items": []}, item(at("02:00")))
    assert [s["count"] for s in statements(owner)] == [0]
    assert not owner.coverage["main:1"].dirty


def test_emptiness_is_not_believed_where_the_archive_shows_nothing_at_all() -> None:
    owner = ready(1)
    answer(owner, ask(owner), {"Items": []})
    answer(owner, ask(owner), {"Items": []}, item(at("07:00"), NO_DATA))
    assert statements(owner) == []
    assert owner.coverage["main:1"].dirty
    assert owner.reads.next(NOW) is None


def test_values_that_come_with_the_second_answer_are_taken() -> None:
    owner = ready(1)
    answer(owner, ask(owner), {"Items": []})
    answer(owner, ask(owner), {"Items": [item(at("07:10"))]}, item(at("02:00")))
    assert [s["count"] for s in statements(owner)] == [1]


def test_a_point_without_a_known_event_is_vouched_for_by_another_of_its_server() -> None:
    owner = ready(1, 2)
    owner.coverage["main:2"].dirty.clear()
    owner.coverage["main:1"].first_event = None
    answer(owner, ask(owner), {"Items": []})
    asked = ask(owner)
    assert ["W1" in address for address in asked.addresses.values()] == [True, False]


def test_a_shard_that_knows_of_no_event_at_all_believes_emptiness() -> None:
    owner = ready(1)
    owner.coverage["main:1"].first_event = None
    answer(owner, ask(owner), {"Items": []})
    answer(owner, ask(owner), {"Items": []})
    assert [s["count"] for s in statements(owner)] == [0]


def first_look(snapshot: Any, before: Any, settled: Any) -> Incarnation:
    owner = incarnation(1)
    answer(owner, ask(owner), snapshot, before, settled)
    return owner


def test_a_first_look_that_shows_a_snapshot_and_no_event_of_the_archive_is_made_again() -> None:
    owner = first_look(item(at("10:29")), item(at("00:00"), NO_DATA), item(at("10:28"), NO_DATA))
    assert owner.coverage["main:1"].high is None
    assert owner.reads.next(moment("10:31")) is not None


def test_a_point_whose_start_shows_no_event_vouches_by_what_its_first_look_found() -> None:
    """The archive was away before 10:00 at the first look, and shows nothing at all later."""
    owner = first_look(item(at("10:29")), item(at("00:00"), NO_DATA), item(at("10:20")))
    coverage = owner.coverage["main:1"]
    coverage.low, coverage.high = at("00:00"), at("10:20")
    coverage.mark(hour("09:30"), at("10:00"), None)
    owner.agenda.changed("main:1")
    answer(owner, ask(owner), {"Items": []})
    asked = ask(owner)
    assert "recordedattime?time=2024-01-01T10:20:00" in asked.addresses["0w"]
    answer(owner, asked, {"Items": []}, item(at("10:20"), NO_DATA))
    assert statements(owner) == []
    assert hour("09:30") in coverage.dirty


def test_a_first_look_at_a_point_without_any_event_begins_its_coverage() -> None:
    owner = first_look(*[item(at("10:30"), NO_DATA)] * 3)
    assert owner.coverage["main:1"].high == at("00:00")


def test_bytes_that_cannot_be_understood_are_dead_letters_and_the_read_is_due_again() -> None:
    owner = ready(1)
    answer(owner, ask(owner), {"Items": [{"Value": 1.0}]})
    datasets = [record.topic.dataset for record in owner.transaction(NOW)]
    assert datasets == ["dead-letters", "progress", "progress"]
    assert owner.coverage["main:1"].dirty


def test_the_newest_item_of_a_forward_read_is_a_preview_if_no_channel_told_of_it() -> None:
    owner = ready(1)
    owner.coverage["main:1"].dirty.clear()
    owner.coverage["main:1"].as_of = 0
    answer(owner, ask(owner), {"Items": [item(at("10:10")), item(at("10:29"))]})
    live = [record.value for record in owner.transaction(NOW) if record.topic.dataset == "live"]
    assert [(frame["via"], frame["series"][0]["samples"][0].ticks) for frame in live] == [("READ", at("10:29"))]
