"""OAuth 2 client credentials: a token from an endpoint, renewed before it expires (RFC 6749, 2.3.1, 4.4, 5; pi-web-api.md 7.1)."""

import asyncio
import json
import math
import time
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx2

from bridge.errors import BridgeError, PINotLetIn, PIUnavailable, PIUntrusted
from bridge.metrics import Metrics
from bridge.tls import distrust, trust
from runtime.masking import Mask
from schemas.config import OAuth
from schemas.references import read_secret

_MARGIN_SECONDS, _MARGIN_SHARE = 60.0, 0.2
"""A token is renewed so long before it expires, or so much of its life if that is shorter."""
_AGAIN_SECONDS = 5.0
"""An endpoint that failed is left alone for so long; one that refused us for longer, because accounts lock."""
_REFUSED_SECONDS = 30.0
_ANSWER_BYTES = 1 << 20


class Tokens:
    """The current token. Many may ask for it at once; one of them fetches."""

    def __init__(self, config: OAuth, ca_file: str | None, timeout_seconds: float, metrics: Metrics, mask: Mask) -> None:
        self._config, self._metrics, self._mask = config, metrics, mask
        self._secret = config.client_secret.get_secret_value()
        self._token: str | None = None
        self._renew_at = self._expires_at = 0.0
        self._failure: BridgeError | None = None
        self._not_before = 0.0
        self._fetching = asyncio.Lock()
        self._client = httpx2.AsyncClient(
            verify=trust(ca_file) if config.token_url.startswith("https:") else True,
            timeout=httpx2.Timeout(timeout_seconds, connect=10.0),
            follow_redirects=False,
            trust_env=False,
        )

    async def current(self) -> str:
        """A token that is good for some time yet. Raises PIUnavailable if none can be had now, PIRefused if we get none."""
        async with self._fetching:
            now = time.monotonic()
            if self._token is not None and now < self._renew_at:
                return self._token
            if now >= self._not_before:
                await self._try_to_fetch()
            if self._token is not None and time.monotonic() < self._expires_at:
                return self._token
            assert self._failure is not None
            raise self._failure

    def refused(self, token: str) -> None:
        """PI did not take this token; if it is still the current one, another is fetched next."""
        if token == self._token:
            self._token = None

    async def close(self) -> None:
        """Closes the connection."""
        await self._client.aclose()

    async def _try_to_fetch(self) -> None:
        try:
            await self._fetch()
            return
        except PINotLetIn as error:
            if self._secret_changed():  # it was rotated: the new one was not refused yet
                return await self._try_to_fetch()
            self._failure, pause_seconds = error, _REFUSED_SECONDS
        except BridgeError as error:
            self._failure, pause_seconds = error, _AGAIN_SECONDS
        self._not_before = time.monotonic() + pause_seconds

    def _secret_changed(self) -> bool:
        file, before = self._config.client_secret.file, self._secret
        if file is None:
            return False
        try:
            self._secret = read_secret(file)
        except (OSError, ValueError):
            return False
        self._mask.add(self._secret)
        return self._secret != before

    async def _fetch(self) -> None:
        asked_at = time.monotonic()
        granted = await self._grant()
        token, kind = granted.get("access_token"), granted.get("token_type")
        if not isinstance(token, str) or not isinstance(kind, str) or kind.lower() != "bearer":
            raise PINotLetIn(f"the token endpoint {self._config.token_url} grants no Bearer token, but {kind!r:.50}")
        self._mask.add(token)
        lasts = granted.get("expires_in")
        lasts_seconds = float(lasts) if isinstance(lasts, int | float) and not isinstance(lasts, bool) and lasts > 0 else math.inf
        margin_seconds = min(_MARGIN_SECONDS, lasts_seconds * _MARGIN_SHARE)
        self._token, self._failure = token, None
        self._expires_at, self._renew_at = asked_at + lasts_seconds, asked_at + lasts_seconds - margin_seconds

    async def _grant(self) -> dict[str, Any]:
        """The endpoint's answer to our credentials, which go into the header as the RFC wants it (2.3.1)."""
        url, began, status = self._config.token_url, time.monotonic(), None
        try:
            async with self._client.stream(
                "POST",
                url,
                data={"grant_type": "client_credentials", "scope": self._config.scope},
                headers={"Accept": "application/json"},
                auth=httpx2.BasicAuth(quote_plus(self._config.client_id), quote_plus(self._secret)),
            ) as response:
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _ANSWER_BYTES:
                        raise PIUnavailable(f"the token endpoint {url} answers with more than {_ANSWER_BYTES} bytes")
                status = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if (refused := distrust(error, urlsplit(url).hostname or "")) is not None:
                raise PIUntrusted(refused) from error
            raise PIUnavailable(f"the token endpoint {url} does not answer: {error or type(error).__name__}") from error
        finally:
            self._metrics.answered("token", status, time.monotonic() - began)
        return _judged(url, response.status_code, response.headers.get("Location", ""), bytes(body))


def _judged(url: str, status: int, location: str, body: bytes) -> dict[str, Any]:
    if 300 <= status < 400:
        raise PINotLetIn(f"the token endpoint {url} redirects to {location!r:.200}; credentials do not follow: correct pi.auth.token_url")
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if status == 429 or status >= 500:
        raise PIUnavailable(f"the token endpoint {url} answers with status {status}")
    if status != 200 or not isinstance(document, dict):
        error = document.get("error") if isinstance(document, dict) else None
        raise PINotLetIn(f"the token endpoint {url} grants no token: status {status}, error {error!r:.100}; see pi.auth")
    return document
