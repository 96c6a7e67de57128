"""`check` of PI: what the bridge needs of PI Web API, asked one by one with requests that only read (design 4; pi-web-api.md 1, 4, 7)."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from bridge import pitime
from bridge.errors import BridgeError, PINotLetIn, PIRefused, PIUnavailable, PIUnreadable, PIUntrusted
from bridge.findings import Finding, Status
from bridge.inventory import excluded, query
from bridge.piwebapi import PIWebAPI
from schemas.config import PI, PointSelection
from schemas.times import TICKS_PER_SECOND

_CLOCK_HINT_SECONDS, _CLOCK_PROBLEM_SECONDS = 2.0, 60.0
_OLDEST = (1, 10)
"""2017 R2, the first release with WebID 2.0 (pi-web-api.md 1.4)."""
_RATE_LIMIT = 1000
"""Requests per second and client address that PI Web API takes unless told otherwise (7.5)."""
_AFTER_ANSWER = ("pi.version", "pi.authorization", "pi.clock", "pi.csrf", "pi.servers", "pi.points", "pi.limits")
_ROLE = "give the account read access in PI: PI Web API maps it to a PI identity (PI System Management Tools, Mappings & Trusts)"


async def check_pi(config: PI, pi: PIWebAPI) -> list[Finding]:
    """Every finding about PI; what cannot be looked at is said too."""
    asked_at = time.time()
    try:
        status = await pi.get(pi.base + "/system/status", "check")
    except BridgeError as error:
        said = _no_answer(pi, error)
        rest = [name for name in _AFTER_ANSWER if name not in {finding.check for finding in said}]
        return [*said, *(Finding(name, "not_checked", "PI gave no answer to ask further") for name in rest)]
    answered_at = time.time()
    host = urlsplit(pi.base).netloc
    found = [Finding("pi.reachable", "ok", f"{pi.base} answers in {answered_at - asked_at:.2f} s"), _tls(config, host)]
    found += await _each("pi.version", lambda: _version(pi))
    found += await _each("pi.authorization", lambda: _who(pi))
    found.append(_clock(status.get("ServerTime"), asked_at, answered_at))
    found += await _each("pi.csrf", lambda: _batch(pi))
    servers: dict[UUID, dict[str, Any]] = {}
    found += await _each("pi.servers", lambda: _servers(config, pi, servers))
    web_ids: list[str] = []
    for at, selection in enumerate(config.points):
        found += await _each(f"pi.points.{at}", lambda s=selection, n=f"pi.points.{at}": _points(config, pi, servers, s, n, web_ids))  # type: ignore[misc]
    found += await _each("pi.limits.url", lambda: _url(config, pi))
    found += await _each("pi.limits.values", lambda: _values(config, pi, web_ids))
    found.append(_rate(config))
    return found


async def _each(name: str, look: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    """What `look` finds; a failure is a finding too, and ends nothing else."""
    try:
        return await look()
    except PIUnavailable as error:
        return [Finding(name, "unreachable", str(error), "PI answers, but not to this; try again, then look into its log")]
    except PIRefused as error:
        return [Finding(name, "problem", str(error), _ROLE if error.status in (401, 403) else "")]
    except PIUnreadable as error:
        return [Finding(name, "problem", str(error), "is pi.url a PI Web API?")]


def _no_answer(pi: PIWebAPI, error: BridgeError) -> list[Finding]:
    """Why the very first request failed, as far as it got."""
    reached = Finding("pi.reachable", "ok", f"{pi.base} answers")
    match error:
        case PIUntrusted():
            return [reached, Finding("pi.tls", "problem", str(error), "certificates are always verified; there is no switch")]
        case PINotLetIn():
            hint = "PI was not even asked: see pi.auth"
            return [
                Finding("pi.reachable", "not_checked", "there is no token to ask with"),
                Finding("pi.authorization", "problem", str(error), hint),
            ]
        case PIRefused(status=401):
            return [
                reached,
                Finding("pi.authorization", "problem", str(error), "pi.auth is not accepted: kind, name or secret"),
            ]
        case PIRefused(status=403):
            return [reached, Finding("pi.authorization", "problem", str(error), _ROLE)]
        case PIRefused(status=status) if 300 <= status < 400:
            return [Finding("pi.reachable", "problem", str(error), "set pi.url to where PI Web API itself answers")]
        case PIRefused():
            return [Finding("pi.reachable", "problem", str(error), "pi.url is PI Web API's base address, such as https://host/piwebapi")]
        case _:
            return [Finding("pi.reachable", "unreachable", str(error), "is the address right, the service up, the firewall open?")]


def _tls(config: PI, host: str) -> Finding:
    if config.url.startswith("http:"):
        return Finding("pi.tls", "ok", "plain http, which this configuration allows to this very machine only")
    return Finding("pi.tls", "ok", f"{host} is trusted by {config.ca_file or 'the authorities of the operating system'}")


async def _version(pi: PIWebAPI) -> list[Finding]:
    """`/system/versions` is keyed by plug-in; the oldest that we can work with is 2017 R2."""
    versions = await pi.get(pi.base + "/system/versions", "check")
    own = versions.get("PI Web API") or next(iter(versions.values()), None)
    text = own.get("FullVersion") if isinstance(own, dict) else None
    match = re.match(r"(\d+)\.(\d+)", text) if isinstance(text, str) else None
    if match is None:
        return [Finding("pi.version", "hint", f"the version is not understood: {versions!r:.200}", "2017 R2 or newer is needed")]
    if (int(match[1]), int(match[2])) < _OLDEST:
        return [Finding("pi.version", "problem", f"PI Web API {text}", "update it to 2017 R2 (1.10) or newer: older ones lack WebID 2.0")]
    return [Finding("pi.version", "ok", f"PI Web API {text}")]


async def _who(pi: PIWebAPI) -> list[Finding]:
    user = await pi.get(pi.base + "/system/userinfo", "check")
    name, known = user.get("Name"), user.get("IsAuthenticated")
    if known is False:
        hint = "anonymous access shows what PI's World identity may see; an account of its own is better"
        return [Finding("pi.authorization", "hint", f"PI takes us for {name}, not authenticated", hint)]
    return [Finding("pi.authorization", "ok", f"PI takes us for {name}")]


def _clock(told: object, asked_at: float, answered_at: float) -> Finding:
    try:
        pi_seconds = pitime.parse(told) / TICKS_PER_SECOND
    except PIUnreadable as error:
        return Finding("pi.clock", "problem", f"/system/status: {error}", "without PI's time nothing can be stated: update PI Web API")
    ahead, unsure = pi_seconds - (asked_at + answered_at) / 2, (answered_at - asked_at) / 2
    detail = f"PI's clock is {abs(ahead):.2f} s {'ahead of' if ahead >= 0 else 'behind'} ours (give or take {unsure:.2f} s)"
    if abs(ahead) - unsure <= _CLOCK_HINT_SECONDS:
        return Finding("pi.clock", "ok", detail)
    status: Status = "problem" if abs(ahead) - unsure > _CLOCK_PROBLEM_SECONDS else "hint"
    return Finding("pi.clock", status, detail, "coverage goes by PI's clock alone, but lateness compares both: synchronise them (NTP)")


async def _batch(pi: PIWebAPI) -> list[Finding]:
    """A batch of one GET: needs the right to POST, and the header that PI asks for (7.3)."""
    try:
        answer = (await pi.batch({"status": pi.base + "/system/status"})).contents["status"]
    except PIRefused as error:
        hint = "a proxy may drop the header X-Requested-With, or forbid POST: every read goes through /batch"
        return [Finding("pi.csrf", "problem", str(error), hint)]
    if isinstance(answer, BridgeError):
        raise answer
    return [Finding("pi.csrf", "ok", "a batch that only reads is accepted")]


async def _servers(config: PI, pi: PIWebAPI, servers: dict[UUID, dict[str, Any]]) -> list[Finding]:
    """Fills `servers`; a finding for each that the configuration names."""
    listed = (await pi.get(pi.base + "/dataservers", "check")).get("Items")
    if not isinstance(listed, list):
        raise PIUnreadable("the list of data servers has no `Items`")
    for item in listed:
        try:
            servers[UUID(item["Id"])] = {"name": str(item["Name"]), "web_id": str(item["WebId"]), "connected": item.get("IsConnected")}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PIUnreadable(f"a data server is not understood: {item!r:.200}") from error
    there = ", ".join(f"{server['name']} ({guid})" for guid, server in servers.items()) or "none"
    found = []
    for alias, guid in config.servers.items():
        name, server = f"pi.servers.{alias}", servers.get(guid)
        if server is None:
            found.append(Finding(name, "problem", f"no data server {guid}", f"PI Web API shows us: {there}"))
        elif server["connected"] is False:
            found.append(Finding(name, "problem", f"{server['name']} ({guid}) is not connected", "PI Web API cannot reach it: look there"))
        else:
            found.append(Finding(name, "ok", f"{server['name']} ({guid})"))
    return found


async def _points(
    config: PI, pi: PIWebAPI, servers: dict[UUID, dict[str, Any]], selection: PointSelection, name: str, web_ids: list[str]
) -> list[Finding]:
    """Walks a selection until a page has a point that is not excluded; notes the first one's WebID."""
    what = f"{selection.server}: name {selection.name_filter!r}" + (
        f", source {selection.point_source!r}" if selection.point_source else ""
    )
    server = servers.get(config.servers[selection.server])
    if server is None:
        return [Finding(name, "not_checked", f"{what}: its data server is not there")]
    address: str | None = f"{pi.base}/dataservers/{quote(server['web_id'])}/points?{query(selection)}"
    seen, left_out = set[str](), 0
    while address is not None and address not in seen:
        seen.add(address)
        page = await pi.get(address, "check")
        items = [item for item in page.get("Items") or [] if isinstance(item, dict) and isinstance(item.get("Name"), str)]
        chosen = [item for item in items if not excluded(selection, item["Name"])]
        following = (page.get("Links") or {}).get("Next") if items else None
        if chosen:
            web_ids.append(str(chosen[0].get("WebId")))
            more = " on the first page that has any; there are more pages" if following else ""
            return [Finding(name, "ok", f"{what}: {len(chosen)} points{more}")]
        left_out, address = left_out + len(items), following
    hint = "all that match are excluded" if left_out else "is the name right, and may this account read these points? Others do not show"
    return [Finding(name, "problem", f"{what}: matches no point", hint)]


async def _url(config: PI, pi: PIWebAPI) -> list[Finding]:
    """A harmless request whose address is as long as a channel's may be."""
    address = pi.base + "/system/status?selectedFields=ServerTime"
    address += ";ServerTime" * ((config.channels.url_bytes - len(address)) // len(";ServerTime"))
    try:
        await pi.get(address, "check")
    except PIRefused as error:
        detail = f"an address of {len(address)} bytes is answered with status {error.status}"
        return [Finding("pi.limits.url", "problem", detail, "lower pi.channels.url_bytes")]
    return [Finding("pi.limits.url", "ok", f"addresses of {len(address)} bytes pass")]


async def _values(config: PI, pi: PIWebAPI, web_ids: list[str]) -> list[Finding]:
    """A read of one second that may return a whole page: PI refuses by what was asked for, not by what is there (2.5)."""
    if not web_ids:
        return [Finding("pi.limits.values", "not_checked", "there is no point to read")]
    size = config.load.page_values
    address = f"{pi.base}/streams/{quote(web_ids[0])}/recorded?startTime=*-1s&endTime=*&maxCount={size}&selectedFields=Items.Timestamp"
    try:
        await pi.get(address, "check")
    except PIRefused as error:
        hint = f"lower pi.load.page_values, or raise MaxReturnedItemsPerCall in PI Web API to {size}" if error.status == 400 else _ROLE
        return [Finding("pi.limits.values", "problem", f"a read of up to {size} values of one point is refused: {error}", hint)]
    return [Finding("pi.limits.values", "ok", f"reads of {size} values are accepted")]


def _rate(config: PI) -> Finding:
    wanted = config.load.requests_per_second
    if wanted > _RATE_LIMIT:
        hint = "PI Web API answers 429 beyond 1000 unless RateLimitMaxRequests was raised: lower pi.load.requests_per_second"
        return Finding("pi.limits.rate", "hint", f"{wanted:g} requests per second", hint)
    return Finding("pi.limits.rate", "ok", f"{wanted:g} requests per second, {config.load.concurrency} at a time")
