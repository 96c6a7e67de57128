import base64
from typing import Any

import aiohttp
import pytest

from simulator.api import Refusal
from simulator.cli import main
from simulator.gate import Gate
from simulator.settings import BadSettings, Settings
from tests.simulator.world import Hand, Sim, StartSimulator

CLIENT = {"client_id": "bridge", "client_secret": "s3cret"}


async def grant(sim: Sim, form: dict[str, str], **headers: str) -> tuple[int, Any]:
    async with sim.session.get(sim.url + "/.well-known/openid-configuration") as answer:
        assert answer.status == 200
        endpoint = (await answer.json())["token_endpoint"]
    async with sim.session.post(endpoint, data=form, headers=headers) as answer:
        return answer.status, await answer.json()


async def token(sim: Sim) -> str:
    status, body = await grant(sim, {"grant_type": "client_credentials", "scope": "system", **CLIENT})
    assert (status, body["token_type"], body["scope"]) == (200, "Bearer", "system")
    return str(body["access_token"])


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def test_section_7_1_a_token_is_granted_to_client_credentials_and_opens_the_api(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(**CLIENT)
    async with sim.session.get(sim.url + "/") as answer:
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    given = await token(sim)
    assert (await sim.get("/system/userinfo", headers=bearer(given)))["Name"] == "bridge"
    assert (await sim.ask("/", headers=bearer(given + "x")))[0] == 401
    assert (await sim.ask("/", headers={"Authorization": f"Basic {given}"}))[0] == 401
    path = f"{sim.url}/streams/{sim.web_id(sim.stream('Float32'))}/channel"
    channel = await sim.session.ws_connect(path, headers=bearer(given))
    await channel.close()


async def test_section_7_1_the_token_endpoint_refuses_what_is_wrong(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(**CLIENT)
    right = {"grant_type": "client_credentials", "scope": "system"}
    basic = base64.b64encode(b"bridge:s3cret").decode()
    assert (await grant(sim, right, Authorization=f"Basic {basic}"))[0] == 200
    for form, header, status, error in (
        (right, "", 401, "invalid_client"),
        (right | CLIENT | {"client_secret": "x"}, "", 401, "invalid_client"),
        (right, "Basic ?", 401, "invalid_client"),
        (right | CLIENT | {"grant_type": "password"}, "", 400, "unsupported_grant_type"),
        (right | CLIENT | {"scope": "openid"}, "", 400, "invalid_scope"),
    ):
        headers = {"Authorization": header} if header else {}
        assert await grant(sim, form, **headers) == (status, {"error": error})


async def test_trap_47_a_token_expires_and_an_open_channel_outlives_it(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(token_seconds=60, **CLIENT)
    sim.running.load.stop()
    given, stream = await token(sim), sim.stream("Float32")
    channel = await sim.session.ws_connect(f"{sim.url}/streams/{sim.web_id(stream)}/channel", headers=bearer(given))
    sim.advance(59)
    assert (await sim.ask("/", headers=bearer(given)))[0] == 200
    sim.advance(1)
    assert (await sim.ask("/", headers=bearer(given)))[0] == 401
    await sim.write(stream, "*", 1)
    sim.running.tick()
    assert (await channel.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT
    fresh = await token(sim)
    assert await sim.control("/tokens/revoke", {}) == {"revoked": 1}
    assert (await sim.ask("/", headers=bearer(fresh)))[0] == 401


async def test_section_7_1_negotiate_is_challenged_beside_basic_and_never_succeeds(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(negotiate=True, user="me", password="pw")
    for headers in ({}, {"Authorization": "Negotiate YII="}):
        async with sim.session.get(sim.url + "/", headers=headers) as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Negotiate, Basic realm="piwebapi"')
    basic = base64.b64encode(b"me:pw").decode()
    assert (await sim.ask("/", headers={"Authorization": f"Basic {basic}"}))[0] == 200
    assert (await sim.ask("/.well-known/openid-configuration", headers={"Authorization": f"Basic {basic}"}))[0] == 404


async def test_trap_8_more_than_so_many_requests_in_a_second_are_429(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(rate_limit=20)
    found = [(await sim.ask("/system/status"))[0] for _ in range(50)]
    assert found[:20] == [200] * 20
    assert 429 in found
    assert await sim.refused("/", 429) == "Rate limit was reached"


def test_the_window_of_the_rate_limit_is_one_second_and_one_address() -> None:
    now = 0.0
    gate = Gate(Settings(rate_limit=3), Hand(), lambda: now)
    for _ in range(3):
        gate.check_rate("a")
    with pytest.raises(Refusal):
        gate.check_rate("a")
    gate.check_rate("b")
    now = 0.99
    with pytest.raises(Refusal):
        gate.check_rate("a")
    now = 1.0
    gate.check_rate("a")
    free = Gate(Settings(rate_limit=0), Hand(), lambda: now)
    for _ in range(5000):
        free.check_rate("a")


def test_settings_that_exclude_each_other_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadSettings, match="exclude each other"):
        Settings(negotiate=True, **CLIENT).check()  # type: ignore[arg-type]
    assert main(["--points", "1", "--client-id", "x"]) == 2
    assert main(["--points", "1", "--client-secret-env", "X"]) == 2
    assert capsys.readouterr().err.count("\n") == 2
