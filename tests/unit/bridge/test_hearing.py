import random
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.hearing import Reconnect, addresses

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
