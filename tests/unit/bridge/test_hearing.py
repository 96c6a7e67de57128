import json
import random
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.budget import DENIED_PAUSE_SECONDS
from bridge.hearing import Ear, Reconnect, addresses
from bridge.incarnation import Incarnation
from tests.unit.bridge.world import at, config, covered, hour, incarnation, item, moment

BASE = "https://pi.example/piwebapi"


def test_trap_11_no_address_is_longer_than_the_limit_and_every_stream_is_on_one_channel() -> None:
    web_ids = [f"F1DP{n:028}" for n in range(500)]
    channels = addresses(BASE, web_ids, 5, 4096)
    assert len(channels) > 1
    assert all(len(address) <= 4096 for address, _ in channels)
    assert [web_id for _, streams in channels for web_id in streams] == web_ids
    for address, streams in channels:
        assert parse_qs(urlsplit(address).query)["webId"] == streams


def test_channels_are_as_full_as_the_limit_allows() -> None:
    channels = addresses(BASE, [f"F1DP{n:028}" for n in range(500)], 5, 4096)
    assert all(len(address) > 4096 - 40 for address, _ in channels[:-1])


def test_trap_33_a_heartbeat_is_asked_for_in_polls_and_trap_32_initial_values_are_not() -> None:
    ((address, _),) = addresses(BASE, ["A"], 7, 4096)
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc, parts.path) == ("wss", "pi.example", "/piwebapi/streamsets/channel")
    assert parse_qs(parts.query) == {"webIdType": ["IDOnly"], "heartbeatRate": ["7"], "webId": ["A"]}


def test_a_plain_origin_gives_plain_sockets() -> None:
    ((address, _),) = addresses("http://127.0.0.1:8080/piwebapi", ["A"], 5, 4096)
    assert address.startswith("ws://127.0.0.1:8080/piwebapi/streamsets/channel?")


def test_a_stream_that_alone_is_too_long_gets_a_channel_of_its_own() -> None:
    channels = addresses(BASE, ["A", "B" * 600, "C"], 5, 512)
    assert [streams for _, streams in channels] == [["A"], ["B" * 600], ["C"]]


def test_no_streams_need_no_channel() -> None:
    assert addresses(BASE, [], 5, 4096) == []


class Highest(random.Random):
    """Chance that always gives the most."""

    def random(self) -> float:
        return 1.0


def test_pauses_double_up_to_the_limit_and_a_success_ends_that() -> None:
    reconnect = Reconnect(1.0, 60.0, Highest())
    assert [reconnect.pause_seconds() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    reconnect.succeeded()
    assert reconnect.pause_seconds() == 1


def test_a_thousand_failures_do_not_overflow() -> None:
    reconnect = Reconnect(1.0, 60.0, Highest())
    assert [reconnect.pause_seconds() for _ in range(1000)][-1] == 60


@pytest.mark.parametrize("seed", range(3))
def test_trap_37_channels_that_were_lost_together_do_not_come_back_together(seed: int) -> None:
    chance = random.Random(seed)
    pauses = [Reconnect(10.0, 60.0, chance).pause_seconds() for _ in range(200)]
    assert all(0 <= pause <= 10 for pause in pauses)
    assert len(set(pauses)) == 200
    assert all(sum(low <= pause < low + 2 for pause in pauses) < 80 for low in range(0, 10, 2))


# -- one channel


def listening(*numbers: int, opened: str = "10:00") -> tuple[Incarnation, Ear]:
    """An ear that has just been opened, for points covered up to 09:00."""
    owner = incarnation(*numbers, settings=config(channels={"silence_seconds": 60.0, "reconnect_seconds": 1.0}))
    for number in numbers:
        owner.coverage[f"main:{number}"] = covered("00:00", "09:00")
    (ear,) = owner.hearing.new_ears(moment(opened))
    ear.opened(moment(opened))
    return owner, ear


def message(*values: tuple[str, int]) -> bytes:
    return json.dumps({"Items": [{"WebId": web_id, "Items": [item(ticks)]} for web_id, ticks in values]}).encode()


def test_a_message_becomes_previews_and_a_value_below_the_covered_end_marks_its_hour() -> None:
    owner, ear = listening(1, 2)
    owner.coverage["main:1"].dirty.clear()
    ear.message(message(("W1", at("08:30")), ("W2", at("10:00"))), moment("10:00:01"))
    assert hour("08:30") in owner.coverage["main:1"].dirty
    (frame,) = [record.value for record in owner.transaction(moment("10:00:02")) if record.topic.dataset == "live"]
    assert {series["point_key"] for series in frame["series"]} == {"main:1", "main:2"}


def test_trap_31_the_blind_interval_begins_with_the_last_message_and_not_when_the_loss_was_noticed() -> None:
    owner, ear = listening(1)
    ear.message(b'{"Items":[]}', moment("10:05"))
    ear.lost("no message", moment("10:06"))
    (incident,) = [record.value for record in owner.transaction(moment("10:06")) if record.topic.dataset == "incidents"]
    assert (incident["kind"], incident["from_time"] * 10) == ("CHANNEL_LOST", at("10:05"))
    assert ear.blind[0] == at("10:05")


def test_hearing_again_owes_a_read_of_the_blind_interval() -> None:
    owner, ear = listening(1)
    owner.coverage["main:1"].dirty.clear()
    ear.lost("cut", moment("10:01"))
    ear.opened(moment("10:03"))
    coverage = owner.coverage["main:1"]
    assert coverage.blind is not None
    assert coverage.blind[0] == at("10:03")
    assert hour("08:59") in coverage.dirty


def test_a_channel_that_never_opened_loses_nothing_new() -> None:
    owner = incarnation(1)
    (ear,) = owner.hearing.new_ears(moment("10:00"))
    ear.lost("connection refused", moment("10:00:01"))
    assert not owner.incidents.records


def test_why_a_channel_does_not_open_is_told_once_and_again_when_it_differs() -> None:
    owner = incarnation(1)
    (ear,) = owner.hearing.new_ears(moment("10:00"))
    for reason in ("refused", "refused", "status 503"):
        ear.lost(reason, moment("10:00:01"))
    assert [note.details["reason"] for note in owner.take_notes()] == ["refused", "status 503"]
    ear.opened(moment("10:01"))
    ear.lost("cut", moment("10:01:30"))
    ear.lost("refused", moment("10:01:40"))
    owner.hearing.refused(ear, moment("10:01:50"))
    assert [(note.event, note.details["reason"]) for note in owner.take_notes()] == [
        ("channel lost", "cut"),
        ("channel not opened", "refused"),
        ("channel refused", "refused"),
    ]


def test_trap_33_silence_is_reckoned_from_the_last_message_heartbeats_included() -> None:
    _, ear = listening(1)
    ear.message(b'{"Items":[]}', moment("10:00:30"))
    assert ear.patience_seconds(moment("10:01:20")) == 10.0
    assert ear.why_close(moment("10:01:20")) is None
    assert "no message and no heartbeat for 60 s" in str(ear.why_close(moment("10:01:30")))


def test_a_channel_is_closed_and_not_opened_while_kafka_does_not_take_frames() -> None:
    owner, ear = listening(1)
    owner.overloaded = lambda: True  # type: ignore[method-assign]
    assert "Kafka" in str(ear.why_close(moment("10:00:01")))
    assert ear.pause_seconds(moment("10:00:01")) > 0


def test_credentials_that_were_refused_are_not_tried_again_at_once() -> None:
    _, ear = listening(1)
    assert not ear.lost("401", moment("10:00:10"), 401)
    assert ear.pause_seconds(moment("10:00:10")) == DENIED_PAUSE_SECONDS


def test_bytes_that_are_no_message_are_a_dead_letter() -> None:
    owner, ear = listening(1)
    ear.message(b"{", moment("10:00:01"))
    assert not owner.dead_letters.empty


# -- all channels of a shard


def test_trap_35_a_refused_channel_is_split_until_the_bad_stream_stands_alone_which_is_tried_again_later() -> None:
    owner = incarnation(*range(8))
    waiting, now = owner.hearing.new_ears(moment("10:00")), moment("10:00")
    heard: set[str] = set()
    for _ in range(10):
        for ear in waiting:
            keys = {point.point_key for point in ear.points}
            if "main:5" in keys:
                assert ear.lost("404", now, 404)
                owner.hearing.refused(ear, now)
            else:
                ear.opened(now)
                heard |= keys
        waiting = owner.hearing.new_ears(now)
    assert heard == {f"main:{n}" for n in range(8)} - {"main:5"}
    (alone,) = owner.hearing.new_ears(now._replace(seconds=now.seconds + 301))
    assert [point.point_key for point in alone.points] == ["main:5"]


def test_a_point_that_appears_later_gets_a_channel_of_its_own() -> None:
    owner = incarnation(1)
    assert len(owner.hearing.new_ears(moment("10:00"))) == 1
    assert owner.hearing.new_ears(moment("10:01")) == []
    owner.points["main:2"] = incarnation(2).points["main:2"]
    owner.scope_changed("main:2")
    (ear,) = owner.hearing.new_ears(moment("10:02"))
    assert [point.point_key for point in ear.points] == ["main:2"]


def test_channels_are_opened_one_after_the_other() -> None:
    owner = incarnation(*range(100), settings=config(channels={"url_bytes": 512, "open_interval_seconds": 0.5}))
    ears = owner.hearing.new_ears(moment("10:00"))
    pauses = [ear.pause_seconds(moment("10:00")) for ear in ears]
    assert len(ears) > 1
    assert pauses == [0.5 * n for n in range(len(ears))]
