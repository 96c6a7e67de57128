"""What one bad stream, a sick PI or a message that nobody understands may cost the other streams: nothing (traps 35 to 37)."""

import itertools
import json
from typing import Any

import pytest
from msgspec import structs

from bridge.hearing import Ear
from bridge.incarnation import Incarnation
from tests.unit.bridge.test_hearing import listening, message
from tests.unit.bridge.world import at, config, covered, hour, incarnation, item, moment

HEARTBEAT = b'{"Links":{},"Items":[]}'


def keys(ear: Ear) -> set[str]:
    return {point.point_key for point in ear.points}


def opened_by(owner: Incarnation, bad: set[str], *, accepts: bool, rounds: int = 400) -> tuple[set[str], int]:
    """Opens all channels at a PI that knows no stream of `bad`: the points that are heard in the end, and how many openings it took.

    Such a PI refuses the handshake, or (`accepts`) ends the channel as soon as it is open.
    """
    waiting, handshakes, heard = owner.hearing.new_ears(moment("10:00")), 0, set[str]()
    for second in range(rounds):
        now = moment("10:00")._replace(seconds=36_000.0 + second, ticks=at("10:00") + second)
        still: list[Ear] = []
        for ear in waiting:
            handshakes += 1
            if not keys(ear) & bad:
                ear.opened(now)
                ear.message(HEARTBEAT, now)
                heard |= keys(ear)
                continue
            if accepts:
                ear.opened(now)
            if ear.lost("ended", now, None if accepts else 404):
                owner.hearing.refused(ear, now)
            else:
                still.append(ear)
        waiting = still + owner.hearing.new_ears(now)
    return heard, handshakes


def told(owner: Incarnation) -> list[str]:
    return [note.event for note in owner.take_notes()]


@pytest.mark.parametrize("bad", [{"main:217"}, {"main:0"}, {"main:3", "main:399"}])
def test_trap_35_one_bad_stream_of_four_hundred_is_isolated_by_halving(bad: set[str]) -> None:
    owner = incarnation(*range(400), settings=config(channels={"url_bytes": 16_384}))
    heard, handshakes = opened_by(owner, bad, accepts=False)
    assert heard == owner.points.keys() - bad
    assert handshakes <= len(bad) * (2 * 9 + 3 + 400 // 300)  # two halves at each of nine levels, and one more try after 300 s


@pytest.mark.parametrize("bad", [{"main:217"}, {"main:3", "main:399"}])
def test_trap_35_a_bad_stream_that_ends_the_channel_after_the_handshake_is_isolated_too(bad: set[str]) -> None:
    owner = incarnation(*range(400), settings=config(channels={"url_bytes": 16_384}))
    heard, _ = opened_by(owner, bad, accepts=True)
    assert heard == owner.points.keys() - bad


def two_ears() -> tuple[Incarnation, Ear, Ear]:
    """The channels of two shards' worth of points, one of which speaks."""
    owner = incarnation(*range(80), settings=config(channels={"url_bytes": 512, "silence_seconds": 60.0}))
    silent, speaking, *_ = owner.hearing.new_ears(moment("10:00"))
    speaking.opened(moment("10:00"))
    speaking.message(HEARTBEAT, moment("10:00"))
    return owner, silent, speaking


def futile(ear: Ear, times: int, clock: str = "10:00:01") -> list[bool]:
    answers = []
    for _ in range(times):
        ear.opened(moment("10:00"))
        answers.append(ear.lost("closed", moment(clock)))
    return answers


def test_trap_35_a_channel_is_split_after_three_openings_without_a_word_while_another_speaks() -> None:
    _, silent, _ = two_ears()
    assert futile(silent, 3) == [False, False, True]


def test_trap_35_while_no_channel_speaks_it_may_be_pi_that_is_sick_and_more_patience_is_had() -> None:
    _, silent, speaking = two_ears()
    speaking.lost("closed", moment("10:00:01"))
    assert futile(silent, 8) == [False] * 7 + [True]


def test_trap_35_a_channel_that_spoke_begins_to_count_anew() -> None:
    _, silent, _ = two_ears()
    futile(silent, 2)
    silent.opened(moment("10:00"))
    silent.message(HEARTBEAT, moment("10:00"))
    silent.lost("closed", moment("10:00:01"))
    assert futile(silent, 3) == [False, False, True]


def test_trap_35_silence_is_no_sign_of_a_bad_stream() -> None:
    _, silent, _ = two_ears()
    assert futile(silent, 10, clock="10:02") == [False] * 10


def test_trap_35_a_refused_stream_keeps_no_incident_open_and_the_sign_of_life_goes_on() -> None:
    owner = incarnation(*range(4))
    opened_by(owner, {"main:2"}, accepts=False)
    later = moment("10:30")
    for ear in owner.hearing.ears:
        ear.message(HEARTBEAT, later)
    assert owner.hearing.heard_until(later) == at("10:30")
    left = [(r.key or "", r.value) for r in owner.transaction(later) if r.topic.dataset == "progress"]
    heir = incarnation(*range(4), now="10:31", left=left)
    opened_by(heir, {"main:2"}, accepts=False)
    assert [i["from_time"] * 10 for i in heir.incidents.records.values() if i["to_time"] is None] == []
    assert heir.coverage["main:2"].unheard
    assert not heir.coverage["main:1"].unheard


def test_trap_35_a_refused_stream_that_is_heard_at_last_owes_a_read_of_the_whole_time() -> None:
    owner = incarnation(1)
    owner.coverage["main:1"] = covered("00:00", "09:00")
    (ear,) = owner.hearing.new_ears(moment("07:00"))
    ear.lost("404", moment("07:00"), 404)
    owner.hearing.refused(ear, moment("07:00"))
    (again,) = owner.hearing.new_ears(moment("10:05"))
    again.opened(moment("10:05"))
    assert owner.coverage["main:1"].blind == (at("10:05"), None)
    assert not owner.coverage["main:1"].unheard


def test_a_stream_whose_web_id_changed_is_tried_under_the_new_one() -> None:
    owner = incarnation(1)
    (ear,) = owner.hearing.new_ears(moment("10:00"))
    owner.hearing.refused(ear, moment("10:00"))
    owner.points["main:1"] = structs.replace(owner.points["main:1"], web_id="NEW")
    (again,) = owner.hearing.new_ears(moment("10:06"))
    assert "webId=NEW" in again.address


def test_a_point_that_left_while_its_channel_was_refused_is_heard_when_it_comes_back() -> None:
    owner = incarnation(1, 2)
    (ear,) = owner.hearing.new_ears(moment("10:00"))
    gone = owner.points.pop("main:2")
    owner.scope_changed("main:2")
    owner.hearing.refused(ear, moment("10:00"))
    owner.points["main:2"] = gone
    owner.scope_changed("main:2")
    heard = {key for ear in owner.hearing.new_ears(moment("10:06")) for key in keys(ear)}
    assert heard == {"main:1", "main:2"}


# -- when channels are opened again


def test_trap_37_channels_that_were_lost_together_are_opened_again_one_after_the_other() -> None:
    owner = incarnation(*range(600), settings=config(channels={"url_bytes": 512, "open_interval_seconds": 0.25, "reconnect_seconds": 1.0}))
    ears, now = owner.hearing.new_ears(moment("09:00")), moment("10:00")
    for ear in ears:
        ear.opened(moment("09:30"))
        ear.message(HEARTBEAT, moment("09:30"))
    for ear in ears:
        ear.lost("restart", now)
    turns = sorted(ear.pause_seconds(now) for ear in ears)
    assert len(ears) > 10
    assert turns[0] == 0.5, "each waits a time that chance gives, here always the middle of 0 to 1 s"
    assert all(later - earlier >= 0.25 for earlier, later in itertools.pairwise(turns))


def test_trap_37_one_channel_that_waits_long_does_not_hold_up_another() -> None:
    owner, silent, speaking = two_ears()
    now = moment("10:00:01")
    silent.lost("503", now, 503, 300.0)
    speaking.lost("closed", now)
    assert speaking.pause_seconds(now) < 1.0 < 300.0 <= silent.pause_seconds(now)
    assert owner.points


def test_trap_37_a_handshake_that_says_retry_after_is_obeyed_and_not_by_all_at_the_same_moment() -> None:
    owner = incarnation(*range(100), settings=config(channels={"url_bytes": 512, "open_interval_seconds": 0.05}))
    now = moment("10:00")
    ears = owner.hearing.new_ears(now)
    for ear in ears:
        assert not ear.lost("503", now, 503, 20.0)
    turns = sorted(ear.pause_seconds(now) for ear in ears)
    assert turns[0] >= 20.0
    assert len(set(turns)) == len(ears)


def test_trap_37_when_kafka_takes_frames_again_the_channels_come_back_one_after_the_other() -> None:
    owner = incarnation(*range(100), settings=config(channels={"url_bytes": 512, "open_interval_seconds": 0.25}))
    ears, overloaded = owner.hearing.new_ears(moment("10:00")), True
    owner.overloaded = lambda: overloaded  # type: ignore[method-assign]
    now = moment("10:05")
    assert {ear.pause_seconds(now) for ear in ears} == {0.2}
    overloaded = False
    assert [ear.pause_seconds(now) for ear in ears] == [0.25 * n for n in range(len(ears))]


def test_trap_36_a_channel_that_is_closed_as_soon_as_it_opens_is_tried_later_and_later() -> None:
    _, ear = listening(1)
    pauses = []
    for _ in range(5):
        ear.lost("a message larger than the limit", moment("10:00:01"))
        pauses.append(ear.pause_seconds(moment("10:00:01")))
        ear.opened(moment("10:00"))
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]
    ear.message(HEARTBEAT, moment("10:00:01"))
    ear.lost("closed", moment("10:00:01"))
    assert ear.pause_seconds(moment("10:00:01")) == 0.5


# -- messages that cannot be understood


def garbled(*streams: Any) -> bytes:
    return json.dumps({"Items": list(streams)}).encode()


def letters(owner: Incarnation) -> list[str]:
    return [record.value["reason"] for record in owner.transaction(moment("10:00:02")) if record.topic.dataset == "dead-letters"]


def previews(owner: Incarnation) -> list[str]:
    frames = [record.value for record in owner.transaction(moment("10:00:02")) if record.topic.dataset == "live"]
    return [series["point_key"] for frame in frames for series in frame["series"]]


@pytest.mark.parametrize("bad", [5, {}, {"WebId": "W1"}, {"WebId": "W1", "Items": {}}, {"WebId": 7, "Items": []}])
def test_a_stream_that_cannot_be_read_does_not_cost_the_others_of_the_message(bad: Any) -> None:
    owner, ear = listening(1, 2)
    ear.message(garbled(bad, {"WebId": "W2", "Items": [item(at("10:00"))]}), moment("10:00:01"))
    assert not owner.dead_letters.empty
    assert previews(owner) == ["main:2"]


def test_what_a_message_that_cannot_be_read_may_have_said_is_read_from_the_archive() -> None:
    owner, ear = listening(1, 2)
    for coverage in owner.coverage.values():
        coverage.dirty.clear()
        coverage.blind = None
    ear.message(b"\x80 not JSON", moment("10:00:01"))
    for coverage in owner.coverage.values():
        assert coverage.blind == (at("10:00:01"), None)
        assert hour("08:30") in coverage.dirty
    assert len(letters(owner)) == 1


def test_a_live_value_that_cannot_be_read_marks_its_hour() -> None:
    owner, ear = listening(1)
    owner.coverage["main:1"].dirty.clear()
    ear.message(garbled({"WebId": "W1", "Items": [item(at("03:30"), [1, 2])]}), moment("10:00:01"))
    assert owner.coverage["main:1"].dirty.keys() == {hour("03:30")}


def test_a_live_value_without_a_readable_time_may_have_been_a_late_one() -> None:
    owner, ear = listening(1, 2)
    for coverage in owner.coverage.values():
        coverage.dirty.clear()
    ear.message(garbled({"WebId": "W1", "Items": [item("yesterday")]}), moment("10:00:01"))
    assert hour("08:30") in owner.coverage["main:1"].dirty
    assert not owner.coverage["main:2"].dirty


def test_the_same_garbage_is_one_dead_letter_however_often_it_comes() -> None:
    owner, ear = listening(1)
    for _ in range(5):
        ear.message(b"{", moment("10:00:01"))
    ear.message(message(("W1", at("10:00"))), moment("10:00:01"))
    assert len(letters(owner)) == 1
