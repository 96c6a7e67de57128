"""What `check` says of PI, against the simulator: everything at once, and what to do."""

from pathlib import Path
from typing import Any

import pytest

from bridge import findings
from bridge.check_pi import check_pi
from bridge.findings import Finding
from bridge.piwebapi import PIWebAPI
from simulator.server import Running
from tests.unit.bridge.plant import BASIC, PASSWORD, USER, begin_fault, config_of, simulated
from tests.unit.bridge.test_auth import CLIENT, CLIENT_SECRET, oauth
from tests.unit.bridge.test_tls import port_of
from tests.unit.bridge.tls_front import Authority, redirecting_to, tls_in_front_of


async def found(directory: Path, running: Running, **pi: Any) -> dict[str, Finding]:
    return await found_at(directory, running.url, str(running.server_id), **pi)


async def found_at(directory: Path, url: str, server_id: str, **pi: Any) -> dict[str, Finding]:
    config = config_of(directory, url, server_id, **pi)
    asked = PIWebAPI(config.pi)
    try:
        listed = await check_pi(config.pi, asked)
    finally:
        await asked.close()
    assert len({finding.check for finding in listed}) == len(listed)
    return {finding.check: finding for finding in listed}


def wrong(listed: dict[str, Finding]) -> dict[str, str]:
    return {name: finding.status for name, finding in listed.items() if finding.status != "ok"}


async def test_a_pi_that_is_as_it_must_be_is_all_ok(tmp_path: Path) -> None:
    async with simulated(user=USER, password=PASSWORD) as running:
        listed = await found(tmp_path, running, auth=BASIC)
    assert wrong(listed) == {}
    assert findings.exit_code(listed.values()) == 0
    assert USER in listed["pi.authorization"].detail
    assert "1.19" in listed["pi.version"].detail
    assert "20 points" in listed["pi.points.0"].detail


async def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    absent = "85bb49d6-f101-4807-baf9-57c2fbd33000"
    async with simulated() as running:
        await begin_fault(running, fault="clock", offset=3600, **{"for": 60})
        running.tick()
        listed = await found(
            tmp_path,
            running,
            servers={"main": str(running.server_id), "other": absent},
            points=[{"server": "main", "name_filter": "NOPE*"}, {"server": "main", "exclude": ["*"]}, {"server": "other"}],
            load={"requests_per_second": 2000.0},
        )
    assert wrong(listed) == {
        "pi.authorization": "hint",
        "pi.clock": "problem",
        "pi.servers.other": "problem",
        "pi.points.0": "problem",
        "pi.points.1": "problem",
        "pi.points.2": "not_checked",
        "pi.limits.values": "not_checked",
        "pi.limits.rate": "hint",
    }
    assert "3600" in listed["pi.clock"].detail
    assert str(running.server_id) in listed["pi.servers.other"].hint
    assert "excluded" in listed["pi.points.1"].hint
    assert findings.exit_code(listed.values()) == 1


async def test_wrong_credentials_are_a_problem_and_nothing_else_is_asked(tmp_path: Path) -> None:
    async with simulated(user=USER, password="another") as running:
        listed = await found(tmp_path, running, auth=BASIC)
    assert listed["pi.reachable"].status == "ok"
    assert listed["pi.authorization"].status == "problem"
    assert {finding.status for name, finding in listed.items() if name not in ("pi.reachable", "pi.authorization")} == {"not_checked"}
    assert findings.exit_code(listed.values()) == 1


@pytest.mark.parametrize(("path", "check"), [("batch", "pi.csrf"), ("versions", "pi.version"), ("points", "pi.points.0")])
@pytest.mark.parametrize(("status", "said"), [(403, "problem"), (503, "unreachable")])
async def test_one_request_that_fails_is_one_finding_and_the_others_are_still_made(
    tmp_path: Path, path: str, check: str, status: int, said: str
) -> None:
    async with simulated(user=USER, password=PASSWORD) as running:
        await begin_fault(running, fault="refuse", status=status, path=path, **{"for": 60})
        running.tick()
        listed = await found(tmp_path, running, auth=BASIC)
    depends = {"pi.limits.values": "not_checked"} if check == "pi.points.0" else {}
    assert wrong(listed) == {check: said} | depends
    assert str(status) in listed[check].detail


async def test_a_pi_that_does_not_answer_is_unreachable(tmp_path: Path) -> None:
    listed = await found_at(tmp_path, "http://127.0.0.1:1/piwebapi", "85bb49d6-f101-4807-baf9-57c2fbd33000")
    assert listed["pi.reachable"].status == "unreachable"
    assert findings.exit_code(listed.values()) == 3


async def test_an_address_that_is_not_pi_web_api_is_a_problem(tmp_path: Path) -> None:
    async with simulated() as running:
        listed = await found_at(tmp_path, running.url + "/elsewhere", str(running.server_id))
    assert listed["pi.reachable"].status == "problem"
    assert "base address" in listed["pi.reachable"].hint


async def test_a_page_that_pi_would_refuse_for_its_size_is_found_before_a_read_needs_it(tmp_path: Path) -> None:
    async with simulated() as running:
        await begin_fault(running, fault="refuse", status=400, path="recorded", **{"for": 60})
        running.tick()
        listed = await found(tmp_path, running)
    assert listed["pi.limits.values"].status == "problem"
    assert "pi.load.page_values" in listed["pi.limits.values"].hint


async def test_a_certificate_that_is_not_trusted_is_a_problem_and_not_an_absence(tmp_path: Path) -> None:
    plant, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    async with simulated() as running, tls_in_front_of(port_of(running), plant.context_for("localhost")) as front:
        url, server_id = f"https://localhost:{front}/piwebapi", str(running.server_id)
        trusted = await found_at(tmp_path, url, server_id, ca_file=str(plant.ca_file))
        listed = await found_at(tmp_path, url, server_id, ca_file=str(stranger.ca_file))
    assert wrong(trusted) == {"pi.authorization": "hint"}
    assert f"localhost:{front} is trusted by {plant.ca_file}" in trusted["pi.tls"].detail
    assert listed["pi.tls"].status == "problem"
    assert "pi.ca_file" in listed["pi.tls"].detail
    assert findings.exit_code(listed.values()) == 1


async def test_a_client_that_the_token_endpoint_refuses_is_a_problem_of_authorization(tmp_path: Path) -> None:
    async with simulated(client_id=CLIENT, client_secret="another") as running:
        listed = await found(tmp_path, running, auth=oauth(running))
    assert listed["pi.authorization"].status == "problem"
    assert "invalid_client" in listed["pi.authorization"].detail
    assert findings.exit_code(listed.values()) == 1


async def test_a_token_that_the_endpoint_grants_opens_everything(tmp_path: Path) -> None:
    async with simulated(client_id=CLIENT, client_secret=CLIENT_SECRET) as running:
        listed = await found(tmp_path, running, auth=oauth(running))
    assert wrong(listed) == {}
    assert CLIENT in listed["pi.authorization"].detail


async def test_an_address_that_redirects_is_a_problem_with_where_it_leads(tmp_path: Path) -> None:
    async with redirecting_to("https://elsewhere.example/piwebapi") as (port, _):
        listed = await found_at(tmp_path, f"http://127.0.0.1:{port}/piwebapi", "85bb49d6-f101-4807-baf9-57c2fbd33000")
    assert listed["pi.reachable"].status == "problem"
    assert "elsewhere.example" in listed["pi.reachable"].detail
