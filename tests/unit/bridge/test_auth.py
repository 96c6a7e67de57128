"""Credentials towards the simulator: Basic, a token from a file, OAuth 2; on reads and on channels; old ones renewed without a word."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from bridge.auth import Kept
from bridge.channel import Channel
from bridge.errors import PINotLetIn, PIRefused, PIUnavailable
from bridge.hearing import Ear, Reconnect, addresses
from bridge.pitime import Moment
from bridge.piwebapi import PIWebAPI
from runtime.masking import MASKED, Mask
from schemas.config import BasicAuth
from simulator.server import Running
from tests.unit.bridge.plant import BASIC, ENVIRONMENT, PASSWORD, USER, begin_fault, config_of, simulated
from tests.unit.bridge.test_metrics import value
from tests.unit.bridge.world import at, incarnation

SERVER = "85bb49d6-f101-4807-baf9-57c2fbd33000"
CLIENT, CLIENT_SECRET = "plant:bridge", ENVIRONMENT["CLIENT_SECRET"]
OAUTH = {"client_id": CLIENT, "client_secret": CLIENT_SECRET}


def token_url(running: Running) -> str:
    parts = urlsplit(running.url)
    return f"{parts.scheme}://{parts.netloc}/identitymanager/connect/token"


def oauth(running: Running, **changes: str) -> dict[str, str]:
    section = {"kind": "oauth", "token_url": token_url(running), "client_id": CLIENT, "client_secret": "${env:CLIENT_SECRET}"}
    return section | changes


async def a_token(running: Running) -> str:
    """A token as somebody else would fetch it and put it into a file."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        form = {"grant_type": "client_credentials", "scope": "system", "client_id": CLIENT, "client_secret": CLIENT_SECRET}
        return str((await client.post(token_url(running), data=form)).raise_for_status().json()["access_token"])


async def revoke(running: Running) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        (await client.post(running.control_url + "/tokens/revoke")).raise_for_status()


@contextlib.asynccontextmanager
async def asking(directory: Path, running: Running, auth: dict[str, str], mask: Mask | None = None) -> AsyncIterator[PIWebAPI]:
    pi = PIWebAPI(config_of(directory, running.url, str(running.server_id), auth=auth).pi, mask=mask)
    try:
        yield pi
    finally:
        await pi.close()


def answers(pi: PIWebAPI, kind: str = "clock", status: str = "2xx") -> float:
    return value(pi.metrics, "pibridge_pi_requests_total", kind=kind, status=status)


class Attentive(Ear):
    """The ear of one channel, without points; counts what it is told."""

    def __init__(self, address: str) -> None:
        owner = incarnation()
        super().__init__(owner, address, [], 1, (at("10:00"), None), Reconnect(0.05, 0.1, random.Random(1)), owner.hearing.turn)
        self.openings, self.messages, self.reasons = 0, 0, list[str]()

    def opened(self, now: Moment) -> None:
        self.openings += 1
        super().opened(now)

    def message(self, body: str | bytes, now: Moment) -> None:
        self.messages += 1
        super().message(body, now)

    def lost(self, reason: str, now: Moment, status: int | None = None, wish_seconds: float | None = None) -> bool:
        self.reasons.append(reason)
        return super().lost(reason, now, status, wish_seconds)


def present() -> Moment:
    return Moment(time.monotonic(), at("10:00"), at("10:00") // 10)


@contextlib.asynccontextmanager
async def listening(directory: Path, running: Running, pi: PIWebAPI, **section: Any) -> AsyncIterator[Attentive]:
    config = config_of(directory, pi.base, str(running.server_id), **section).pi
    servers = (await pi.get(pi.base + "/dataservers", "dataservers"))["Items"]
    points = (await pi.get(f"{pi.base}/dataservers/{servers[0]['WebId']}/points?webIdType=IDOnly", "points"))["Items"]
    ((address, _),) = addresses(pi.base, [point["WebId"] for point in points], 5, 4096)
    ear = Attentive(address)
    running_channel = asyncio.create_task(Channel(pi, config, ear, present).run())
    try:
        yield ear
    finally:
        running_channel.cancel()
        await asyncio.gather(running_channel, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.02)


# -- Basic


async def test_basic_credentials_open_reads_and_channels(tmp_path: Path) -> None:
    async with simulated(user=USER, password=PASSWORD) as running, asking(tmp_path, running, BASIC) as pi:
        await pi.read_clock()
        async with listening(tmp_path, running, pi, auth=BASIC) as ear:
            await until(lambda: ear.messages > 0)


async def test_a_password_that_is_refused_is_not_tried_again_at_once_for_accounts_lock(tmp_path: Path) -> None:
    async with simulated(user=USER, password="another") as running, asking(tmp_path, running, BASIC) as pi:
        with pytest.raises(PIRefused, match="401"):
            await pi.read_clock()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pi.read_clock(), 0.5)
        assert answers(pi, status="4xx") == 1


async def test_a_password_in_a_file_may_be_changed_while_the_bridge_runs(tmp_path: Path) -> None:
    secret, mask = tmp_path / "password", Mask()
    secret.write_text("before\n")
    async with (
        simulated(user=USER, password="afterwards") as running,
        asking(tmp_path, running, BASIC | {"password": f"${{file:{secret}}}"}, mask) as pi,
    ):
        secret.write_text("afterwards\n")
        await pi.read_clock()
        assert answers(pi, status="4xx") == 1
    assert mask.text("afterwards") == MASKED


# -- Bearer


async def test_a_token_that_was_rotated_is_read_again_when_pi_refuses_the_old_one(tmp_path: Path) -> None:
    file, mask = tmp_path / "token", Mask()
    async with simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running:
        file.write_text(await a_token(running) + "\n")
        auth = {"kind": "bearer", "token": f"${{file:{file}}}"}
        async with asking(tmp_path, running, auth, mask) as pi:
            await pi.read_clock()
            await revoke(running)
            file.write_text(newer := await a_token(running))
            await pi.read_clock()
            await pi.read_clock()
            assert (answers(pi), answers(pi, status="4xx")) == (3, 1)
            assert mask.text(newer) == MASKED


async def test_a_rotated_token_opens_channels_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running:
        file.write_text(await a_token(running))
        auth = {"kind": "bearer", "token": f"${{file:{file}}}"}
        async with asking(tmp_path, running, auth) as pi, listening(tmp_path, running, pi, auth=auth) as ear:
            await until(lambda: ear.openings == 1)
            await revoke(running)
            file.write_text(await a_token(running))
            await running.channels.drop(10, close_frame=True, why="test")
            await until(lambda: ear.openings == 2)
            assert value(pi.metrics, "pibridge_channels_lost_total") == len(ear.reasons) == 1
            assert value(pi.metrics, "pibridge_channel_reconnects_total") == 2, "the first was refused, and is no loss"
            assert value(pi.metrics, "pibridge_channels_open") == 1


async def test_a_channel_that_is_refused_is_not_tried_again_at_once_for_accounts_lock(tmp_path: Path) -> None:
    async with simulated(user=USER, password="another") as running, asking(tmp_path, running, BASIC) as pi:
        ((address, _),) = addresses(pi.base, ["F1DP"], 5, 4096)
        ear, config = Attentive(address), config_of(tmp_path, pi.base, str(running.server_id), auth=BASIC).pi
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Channel(pi, config, ear, present).run(), 0.5)
        assert ear.reasons == ["the handshake was answered with status 401"]


async def test_a_password_that_a_read_was_refused_with_is_not_shown_by_channels_either(tmp_path: Path) -> None:
    async with simulated(user=USER, password="another") as running, asking(tmp_path, running, BASIC) as pi:
        with pytest.raises(PIRefused, match="401"):
            await pi.read_clock()
        ((address, _),) = addresses(pi.base, ["F1DP"], 5, 4096)
        ear, config = Attentive(address), config_of(tmp_path, pi.base, str(running.server_id), auth=BASIC).pi
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Channel(pi, config, ear, present).run(), 0.5)
        assert set(ear.reasons) == {"PI refused the credentials; they are not shown again so soon, for accounts lock"}


async def test_after_a_refusal_a_password_is_shown_once_in_half_a_minute_until_it_is_another(tmp_path: Path) -> None:
    file, seconds = tmp_path / "password", [100.0]
    file.write_text("wrong")
    auth = config_of(tmp_path, "http://127.0.0.1:1/piwebapi", SERVER, auth=BASIC | {"password": f"${{file:{file}}}"}).pi.auth
    assert isinstance(auth, BasicAuth)
    kept = Kept(auth, Mask(), lambda: seconds[0])
    for _ in range(2):
        shown = await kept.headers()
        assert not await kept.renewed(shown)
        for later in (0.0, 29.9):
            seconds[0] += later
            with pytest.raises(PIUnavailable, match="not shown again so soon"):
                await kept.headers()
        seconds[0] += 0.2
    assert await kept.headers() == shown
    with pytest.raises(PIUnavailable):  # another one waits for what PI says to the first
        await kept.headers()
    seconds[0] += 2.1
    assert await kept.headers() == await kept.headers() == shown
    assert not await kept.renewed(shown)
    file.write_text("right")
    assert await kept.headers() == await kept.headers() != shown
    assert await kept.renewed(shown), "it was another that PI refused"


async def test_a_channel_whose_streams_pi_refuses_ends(tmp_path: Path) -> None:
    async with simulated() as running, asking(tmp_path, running, {"kind": "anonymous"}) as pi:
        ((address, _),) = addresses(pi.base, ["nonsense"], 5, 4096)
        config = config_of(tmp_path, pi.base, str(running.server_id)).pi
        async with asyncio.timeout(10):
            await Channel(pi, config, Attentive(address), present).run()
        assert value(pi.metrics, "pibridge_channels_lost_total") == 0


@pytest.mark.parametrize("left", ["the same", "", "two words", "zwei\nZeilen", "tök€n"])
async def test_without_another_token_a_refusal_is_a_refusal(tmp_path: Path, left: str) -> None:
    file = tmp_path / "token"
    file.write_text("the-same")
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        asking(tmp_path, running, {"kind": "bearer", "token": f"${{file:{file}}}"}) as pi,
    ):
        file.write_text("the-same" if left == "the same" else left)
        with pytest.raises(PIRefused, match="401"):
            await pi.read_clock()
        assert answers(pi, status="4xx") == 1


async def test_a_configured_token_that_is_none_never_leaves_the_process(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc\r\nX-Evil: 1")
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        asking(tmp_path, running, {"kind": "bearer", "token": f"${{file:{file}}}"}) as pi,
    ):
        with pytest.raises(PINotLetIn, match="is no token") as refused:
            await pi.read_clock()
        assert "Evil" not in str(refused.value)
        assert answers(pi, status="4xx") == 0


# -- OAuth 2


async def test_a_token_is_fetched_once_and_used_for_reads_and_channels(tmp_path: Path) -> None:
    mask = Mask()
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        asking(tmp_path, running, auth := oauth(running), mask) as pi,
    ):
        await asyncio.gather(*(pi.read_clock() for _ in range(4)))
        async with listening(tmp_path, running, pi, auth=auth) as ear:
            await until(lambda: ear.messages > 0)
        assert answers(pi, "token") == 1
        shown = (await pi.credentials.headers())["Authorization"]
        assert mask.text(shown) == f"Bearer {MASKED}"


async def test_a_token_is_renewed_before_it_expires_so_that_nothing_is_ever_refused(tmp_path: Path) -> None:
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET, token_seconds=1.0) as running,
        asking(tmp_path, running, oauth(running)) as pi,
    ):
        async with asyncio.timeout(30):
            while answers(pi, "token") < 4:
                await pi.read_clock()
                await asyncio.sleep(0.02)
        assert answers(pi, status="4xx") == 0


async def test_a_token_that_was_revoked_is_replaced_without_a_failure(tmp_path: Path) -> None:
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        asking(tmp_path, running, auth := oauth(running)) as pi,
        listening(tmp_path, running, pi, auth=auth) as ear,
    ):
        await until(lambda: ear.openings == 1)
        await revoke(running)
        await asyncio.gather(*(pi.read_clock() for _ in range(4)))
        assert answers(pi, "token") == 2
        await revoke(running)
        await running.channels.drop(10, close_frame=False, why="test")
        await until(lambda: ear.openings == 2)
        assert answers(pi, "token") == 3


async def test_a_client_that_is_refused_is_not_tried_again_at_once_and_its_secret_is_not_told(tmp_path: Path) -> None:
    async with simulated(client_id=CLIENT, client_secret="another") as running, asking(tmp_path, running, oauth(running)) as pi:
        for _ in range(3):
            with pytest.raises(PINotLetIn, match="invalid_client") as refused:
                await pi.read_clock()
            assert CLIENT_SECRET not in str(refused.value)
        assert answers(pi, "token", "4xx") == 1
        assert pi.requests["clock"] == 0


async def test_a_client_secret_that_was_rotated_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("before")
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        asking(tmp_path, running, oauth(running, client_secret=f"${{file:{file}}}")) as pi,
    ):
        file.write_text(CLIENT_SECRET)
        await pi.read_clock()
        assert (answers(pi, "token", "4xx"), answers(pi, "token")) == (1, 1)


async def test_a_scope_that_is_not_granted_is_a_sentence(tmp_path: Path) -> None:
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        asking(tmp_path, running, oauth(running, scope="everything")) as pi,
    ):
        with pytest.raises(PINotLetIn, match="invalid_scope"):
            await pi.read_clock()


async def test_a_token_endpoint_that_is_away_is_tried_later_and_the_token_used_meanwhile(tmp_path: Path) -> None:
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET, token_seconds=30.0) as running,
        asking(tmp_path, running, oauth(running)) as pi,
    ):
        await pi.read_clock()
        tokens: Any = pi.credentials._tokens  # type: ignore[attr-defined]
        tokens._renew_at = 0.0
        await begin_fault(running, fault="refuse", status=503, path="connect/token", **{"for": 60})
        running.tick()
        await pi.read_clock()
        await pi.read_clock()
        assert answers(pi) == 3


async def test_without_a_token_an_endpoint_that_is_away_makes_pi_unavailable(tmp_path: Path) -> None:
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        asking(tmp_path, running, oauth(running, token_url="http://127.0.0.1:1/token")) as pi,
    ):
        with pytest.raises(PIUnavailable, match="does not answer"):
            await pi.read_clock()
