"""No more sockets than the configuration allows: points beyond them are told of and read, never dropped (design 4)."""

import random
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from bridge import progress
from bridge.hearing import Ear
from bridge.incarnation import Incarnation, Note, Setting
from bridge.kafka import Codec
from bridge.piwebapi import PIWebAPI
from bridge.rules import Purpose, Read
from bridge.shard import OwnedShard, World
from bridge.tenure import Fencings
from tests.unit.bridge.world import Middle, at, config, covered, incarnation, moment, point, setting

POINTS = range(150)


def narrow(sockets: int, **channels: Any) -> Incarnation:
    """A hundred and fifty points, some forty of which go on a channel."""
    return incarnation(*POINTS, settings=config(channels={"url_bytes": 512, "sockets": sockets} | channels))


def heard(owner: Incarnation) -> set[str]:
    return {point.point_key for ear in owner.hearing.ears for point in ear.points}


def _forward(read: Read) -> bool:
    return read.purpose is Purpose.FORWARD


def errors(owner: Incarnation) -> list[Note]:
    return [note for note in owner.take_notes() if note.error]


def test_no_more_channels_than_sockets_are_opened_and_the_points_without_one_are_told_of_as_an_error_once() -> None:
    owner = narrow(2)
    assert len(owner.hearing.new_ears(moment("10:00"))) == 2
    (error,) = errors(owner)
    assert error.details["points"] == len(POINTS) - len(heard(owner)) > 0
    assert "pi.channels.sockets" in error.details["hint"]
    assert owner.hearing.new_ears(moment("10:01")) == []
    assert errors(owner) == []


def test_enough_sockets_are_no_error() -> None:
    owner = narrow(200)
    owner.hearing.new_ears(moment("10:00"))
    assert heard(owner) == owner.points.keys()
    assert errors(owner) == []


def test_points_without_a_channel_are_read_forward_as_often_as_points_with_previews() -> None:
    owner = narrow(1)
    for key in owner.points:
        owner.coverage[key] = covered("00:00", "09:00", as_of="09:05")
    owner.hearing.new_ears(moment("10:00"))
    due = {
        clock: {key for key, coverage in owner.coverage.items() if (read := coverage.next_read(at(clock), owner.rules)) and _forward(read)}
        for clock in ("10:04", "10:06")
    }
    assert due == {"10:04": set(), "10:06": owner.points.keys() - heard(owner)}


def test_a_point_without_a_channel_holds_neither_an_incident_open_nor_the_sign_of_life_back() -> None:
    before = narrow(200)
    left = [(record.key or "", record.value) for record in before.transaction(moment("09:00")) if record.topic.dataset == "progress"]
    owner = incarnation(*POINTS, now="10:00", left=left, settings=config(channels={"url_bytes": 512, "sockets": 2}))
    for ear in owner.hearing.new_ears(moment("10:00")):
        ear.opened(moment("10:00"))
    assert owner.hearing.heard_until(moment("10:00")) == at("10:00")
    assert [incident["to_time"] for incident in owner.incidents.records.values()] == [at("10:00") // 10]


def test_a_socket_that_becomes_free_is_taken_and_the_time_without_it_is_owed_a_read() -> None:
    owner = narrow(2)
    first, _ = owner.hearing.new_ears(moment("10:00"))
    for gone in first.points[1:]:
        del owner.points[gone.point_key]
    was_heard = heard(owner)
    owner.hearing.refused(first, moment("10:10"))
    (taken,) = owner.hearing.new_ears(moment("10:10"))
    taken.opened(moment("10:10"))
    key = next(iter(taken.point_keys))
    assert key not in was_heard
    assert owner.coverage[key].blind == (at("10:10"), None)
    assert not owner.coverage[key].unheard
    assert len(owner.hearing.ears) == 2


@pytest.mark.parametrize(("sockets", "shards"), [(200, 12), (7, 3), (3, 7), (1, 1)])
def test_the_shards_of_a_source_share_its_sockets(sockets: int, shards: int) -> None:
    settings = config(channels={"url_bytes": 512, "sockets": sockets}, shards=shards)
    opened: list[Ear] = []
    for number in range(shards):
        told = Setting(number, settings, {**setting().topics, "progress": ("id", shards)}, Middle())
        owner = Incarnation(told, {f"main:{n}": point(n) for n in range(2000)}, progress.left([], ()), moment("10:00"))
        opened += owner.hearing.new_ears(moment("10:00"))
    assert len(opened) == sockets


def test_what_somebody_has_to_do_something_about_is_logged_as_an_error() -> None:
    owner = narrow(1)
    owner.note("channel lost")
    owner.hearing.new_ears(moment("10:00"))
    world = World(owner.config, cast(PIWebAPI, None), cast(Codec, None), dict(setting().topics), random.Random(1))
    owned = OwnedShard(0, world, Fencings(), [])
    owned.tenure.incarnation = owner
    with capture_logs() as logs:
        owned._tell()
    assert [(line["event"], line["log_level"]) for line in logs] == [("channel lost", "warning"), ("points without a channel", "error")]
