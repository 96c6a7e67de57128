"""TLS with a plant's own authority, for reads, channels and the token endpoint; and what is refused, with a sentence."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bridge.channel import Channel
from bridge.errors import NotReady, PINotLetIn, PIRefused, PIUntrusted
from bridge.hearing import addresses
from bridge.piwebapi import PIWebAPI
from bridge.tls import trust
from simulator.server import Running
from tests.unit.bridge.plant import BASIC, config_of, simulated
from tests.unit.bridge.test_auth import CLIENT, CLIENT_SECRET, Attentive, answers, listening, oauth, present, until
from tests.unit.bridge.tls_front import Authority, redirecting_to, tls_in_front_of

NOBODY = "85bb49d6-f101-4807-baf9-57c2fbd33000"


def port_of(running: Running) -> int:
    return int(urlsplit(running.url).port or 0)


async def with_pi(directory: Path, running: Running, front: int, host: str, **section: Any) -> tuple[PIWebAPI, Callable[[], Any]]:
    config = config_of(directory, f"https://{host}:{front}/piwebapi", str(running.server_id), **section).pi
    pi = PIWebAPI(config)
    return pi, lambda: listening(directory, running, pi, **section)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_private_authority_is_trusted_for_reads_channels_and_tokens(tmp_path: Path, host: str) -> None:
    plant = Authority(tmp_path)
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        tls_in_front_of(port_of(running), plant.context_for(host)) as front,
    ):
        auth = oauth(running, token_url=f"https://{host}:{front}/identitymanager/connect/token")
        pi, listen = await with_pi(tmp_path, running, front, host, auth=auth, ca_file=str(plant.ca_file))
        await pi.read_clock()
        async with listen() as ear:
            await until(lambda: ear.messages > 0)
        assert answers(pi, "token") == 1
        await pi.close()


async def channel_reason(directory: Path, address: str, **section: Any) -> str:
    """Why a channel to this address does not open."""
    config = config_of(directory, address, NOBODY, **section).pi
    ((where, _),) = addresses(address, ["F1DP"], 5, 4096)
    pi, ear = PIWebAPI(config), Attentive(where)
    opening = asyncio.create_task(Channel(pi, config, ear, present).run())
    try:
        await until(lambda: bool(ear.reasons))
    finally:
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await pi.close()
    assert ear.openings == 0
    return ear.reasons[0]


async def refused(directory: Path, address: str, kind: type[PIRefused], **section: Any) -> str:
    """What a read of this address is refused with."""
    pi = PIWebAPI(config_of(directory, address, NOBODY, **section).pi)
    try:
        with pytest.raises(kind) as raised:
            await pi.read_clock()
    finally:
        await pi.close()
    return str(raised.value)


async def test_an_authority_that_is_not_ours_is_refused_with_what_to_do(tmp_path: Path) -> None:
    plant, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    async with simulated() as running, tls_in_front_of(port_of(running), plant.context_for("localhost")) as front:
        address = f"https://localhost:{front}/piwebapi"
        for section in ({"ca_file": str(stranger.ca_file)}, {}):
            for said in (await refused(tmp_path, address, PIUntrusted, **section), await channel_reason(tmp_path, address, **section)):
                assert "the certificate of localhost is not trusted" in said
                assert "pi.ca_file" in said


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    plant = Authority(tmp_path)
    async with simulated() as running, tls_in_front_of(port_of(running), plant.context_for("pi.example")) as front:
        for host in ("localhost", "127.0.0.1"):
            address, section = f"https://{host}:{front}/piwebapi", {"ca_file": str(plant.ca_file)}
            for said in (await refused(tmp_path, address, PIUntrusted, **section), await channel_reason(tmp_path, address, **section)):
                assert f"is not made out to {host}" in said


async def test_a_token_endpoint_that_is_not_trusted_gets_no_secret(tmp_path: Path) -> None:
    plant, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        tls_in_front_of(port_of(running), stranger.context_for("localhost")) as front,
    ):
        auth = oauth(running, token_url=f"https://localhost:{front}/identitymanager/connect/token")
        said = await refused(tmp_path, running.url, PIUntrusted, auth=auth, ca_file=str(plant.ca_file))
        assert "the certificate of localhost is not trusted" in said


async def test_redirects_are_refused_by_reads_and_by_channels_and_nobody_is_asked_there(tmp_path: Path) -> None:
    async with (
        redirecting_to("http://127.0.0.1:1/piwebapi") as (elsewhere, there),
        redirecting_to(f"http://localhost:{elsewhere}/x") as (port, here),
    ):
        address = f"http://127.0.0.1:{port}/piwebapi"
        for said in (await refused(tmp_path, address, PIRefused, auth=BASIC), await channel_reason(tmp_path, address, auth=BASIC)):
            assert "a redirect to" in said
            assert "not followed" in said
        assert len(here) >= 2
        assert there == []


async def test_a_token_endpoint_that_redirects_is_refused_and_no_secret_follows(tmp_path: Path) -> None:
    async with (
        simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running,
        redirecting_to(oauth(running)["token_url"]) as (port, asked),
    ):
        said = await refused(tmp_path, running.url, PINotLetIn, auth=oauth(running, token_url=f"http://127.0.0.1:{port}/token/"))
        assert "redirects" in said
        assert asked == [b"POST /token/ HTTP/1.1"]


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_file_that_holds_no_certificates_is_a_sentence(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(NotReady, match=r"pi.ca_file .*ca\.pem cannot be used"):
        PIWebAPI(config_of(tmp_path, "https://pi.example/piwebapi", NOBODY, ca_file=str(file)).pi)


def test_old_versions_of_tls_are_not_spoken() -> None:
    assert trust(None).minimum_version == ssl.TLSVersion.TLSv1_2
    assert trust(None).verify_mode == ssl.CERT_REQUIRED
    assert trust(None).check_hostname
