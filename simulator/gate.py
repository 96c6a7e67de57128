"""Who may ask, and how often: Basic, Bearer with its token endpoint, the Negotiate challenge, the rate limit (pi-web-api.md 7.1, 7.5)."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable
from urllib.parse import unquote_plus

import msgspec
from aiohttp import web

from simulator.api import Answer, Query, Refusal
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Clock
from simulator.settings import Settings

DISCOVERY = ("piwebapi", ".well-known", "openid-configuration")
TOKENS = ("identitymanager", "connect", "token")
SCOPE = "system"
_encode = msgspec.json.encode


class Gate:
    """`true` is the machine's clock: tokens expire by it, whatever PI's clock says."""

    def __init__(self, settings: Settings, true: Clock, seconds: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = true
        self._seconds = seconds
        secret = f"{settings.user}:{settings.password}".encode()
        self._basic = None if settings.user is None else b"basic " + base64.b64encode(secret)
        self._tokens: dict[str, int] = {}
        self._asked: dict[str, tuple[float, int]] = {}

    @property
    def open(self) -> bool:
        """Whether anybody may ask anonymously."""
        return self._basic is None and self._settings.client_id is None and not self._settings.negotiate

    # How often

    def check_rate(self, address: str) -> None:
        """So many requests per second and address; all clients behind one address share it. Refuses with 429."""
        most, now = self._settings.rate_limit, self._seconds()
        if not most:
            return
        began, count = self._asked.get(address, (now, 0))
        if now - began >= 1.0:
            began, count = now, 0
        self._asked[address] = (began, count + 1)
        if count >= most:
            raise Refusal(429, "Rate limit was reached")

    # Who

    def admit(self, header: str) -> str | None:
        """The name of the user behind an Authorization header, None if anybody may ask. Refuses with 401 and all challenges there are."""
        if self.open:
            return None
        scheme, _, credentials = header.partition(" ")
        scheme, credentials = scheme.lower(), credentials.strip()
        if self._basic is not None and hmac.compare_digest(f"{scheme} {credentials}".encode(), self._basic):
            return self._settings.user
        if scheme == "bearer" and self._tokens.get(credentials, 0) > self._clock():
            return self._settings.client_id
        # A Negotiate token is never good enough: there is no domain here. Its challenge is what clients meet first.
        challenges = ["Negotiate"] if self._settings.negotiate else []
        challenges += ["Bearer"] if self._settings.client_id is not None else []
        challenges += ['Basic realm="piwebapi"'] if self._basic is not None else []
        text = "Authorization has been denied for this request."
        raise Refusal(401, text, key="Message", headers={"WWW-Authenticate": ", ".join(challenges)})

    # Tokens

    async def answer(self, raw: web.Request, path: tuple[str, ...]) -> Answer | None:
        """The answer to discovery and to the token endpoint, which need no authorization; None if the path is neither's."""
        if self._settings.client_id is None:
            return None
        if path == DISCOVERY and raw.method == "GET":
            origin = f"{raw.scheme}://{raw.host}/"
            document = {
                "issuer": origin + TOKENS[0],
                "token_endpoint": origin + "/".join(TOKENS),
                "grant_types_supported": ["client_credentials"],
                "scopes_supported": [SCOPE],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            }
            return Answer(200, _encode(document))
        if path == TOKENS and raw.method == "POST":
            return self._grant(raw.headers.get("Authorization", ""), await raw.text())
        return None

    def _grant(self, header: str, body: str) -> Answer:
        try:
            form = Query(body)
            name, secret = form.one("client_id") or "", form.one("client_secret") or ""
            grant, scope = form.one("grant_type"), form.one("scope")
        except Refusal:
            return _no(400, "invalid_request")
        if header.lower().startswith("basic "):
            try:
                pair = base64.b64decode(header[6:].strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return _no(401, "invalid_client")
            name, _, secret = (unquote_plus(part) for part in pair.partition(":"))
        given, right = f"{name}\n{secret}", f"{self._settings.client_id}\n{self._settings.client_secret}"
        if not hmac.compare_digest(given.encode(), right.encode()):
            return _no(401, "invalid_client")
        if grant != "client_credentials":
            return _no(400, "unsupported_grant_type")
        if scope != SCOPE:
            return _no(400, "invalid_scope")
        lasts, now = self._settings.token_seconds, self._clock()
        self._tokens = {token: end for token, end in self._tokens.items() if end > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = now + round(lasts * TICKS_PER_SECOND)
        granted = {"access_token": token, "expires_in": int(lasts), "token_type": "Bearer", "scope": SCOPE}
        return Answer(200, _encode(granted), {"Cache-Control": "no-store"})

    def revoke_all(self) -> int:
        """Makes every token worthless at once. How many."""
        count, self._tokens = len(self._tokens), {}
        return count


def _no(status: int, error: str) -> Answer:
    return Answer(status, _encode({"error": error}))
