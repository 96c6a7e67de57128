"""Credentials as request headers, for REST and for the handshake of a channel alike (pi-web-api.md 3.6, 7.1).

A 401 does not always mean that the credentials are wrong: a token may have expired, or been rotated. `renewed` answers whether there
are others to try; without others nothing is tried again, for accounts lock.
"""

import base64
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from bridge.budget import DENIED_PAUSE_SECONDS
from bridge.errors import PINotLetIn, PIUnavailable
from bridge.metrics import Metrics
from bridge.oauth import Tokens
from runtime.masking import Mask
from schemas.config import PI, Anonymous, BasicAuth, BearerAuth, OAuth
from schemas.references import ReferencedSecret, read_secret

_ALONE_SECONDS = 2.0
"""Of those who wait after a refusal one goes ahead by so much: PI has answered by then."""


class Credentials(Protocol):
    """What is shown to PI, and where more comes from."""

    async def headers(self) -> dict[str, str]:
        """The headers that carry the credentials; never print them. Raises PIUnavailable, PIRefused."""

    async def renewed(self, refused: Mapping[str, str]) -> bool:
        """PI answered 401 to these headers: True if `headers` has others now."""

    async def close(self) -> None:
        """Closes connections."""


def credentials_of(config: PI, metrics: Metrics, mask: Mask) -> Credentials:
    """The credentials that the configuration names; `mask` learns of every secret that comes later."""
    if isinstance(config.auth, OAuth):
        return Granted(Tokens(config.auth, config.ca_file, config.load.request_timeout_seconds, metrics, mask))
    return Kept(config.auth, mask, time.monotonic)


class Kept:
    """Nothing, a password, or a token: kept in the configuration, or in a file where it may change.

    What PI refused is not shown to it for a while, by reads and channels together; then one of them shows it before the others do.
    """

    def __init__(self, auth: Anonymous | BasicAuth | BearerAuth, mask: Mask, now: Callable[[], float]) -> None:
        self._auth, self._mask, self._now = auth, mask, now
        self._reference: ReferencedSecret | None = None
        if isinstance(auth, BasicAuth):
            self._reference = auth.password
        elif isinstance(auth, BearerAuth):
            self._reference = auth.token
        self._secret = "" if self._reference is None else self._reference.get_secret_value()
        self._denied, self._not_before = False, 0.0

    async def headers(self) -> dict[str, str]:
        now = self._now()
        if now < self._not_before and not self._read_again():
            raise PIUnavailable("PI refused the credentials; they are not shown again so soon, for accounts lock")
        if self._denied:
            self._denied, self._not_before = False, now + _ALONE_SECONDS
        return self._headers(self._secret)

    async def renewed(self, refused: Mapping[str, str]) -> bool:
        self._read_again()
        if self._headers(self._secret) != dict(refused):
            return True
        if self._reference is not None:
            self._denied, self._not_before = True, self._now() + DENIED_PAUSE_SECONDS
        return False

    def _read_again(self) -> bool:
        """Whether the file has another secret by now, which is taken over."""
        if self._reference is None or self._reference.file is None:
            return False
        try:
            found = read_secret(self._reference.file)
            self._mask.add(found)
            self._headers(found)
        except (OSError, ValueError, PINotLetIn):
            return False  # it is just being replaced, or gone: what we have stays
        changed = found != self._secret
        self._secret = found
        if changed:
            self._denied, self._not_before = False, 0.0
        return changed

    async def close(self) -> None:
        return

    def _headers(self, secret: str) -> dict[str, str]:
        match self._auth:
            case BasicAuth(username=username):
                pair = base64.b64encode(f"{username}:{secret}".encode()).decode("ascii")
                self._mask.add(pair)
                return {"Authorization": f"Basic {pair}"}
            case BearerAuth():
                return bearer(secret, "pi.auth.token")
        return {}


class Granted:
    """Tokens that an endpoint grants, renewed before they expire."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def headers(self) -> dict[str, str]:
        return bearer(await self._tokens.current(), "the token endpoint's access_token")

    async def renewed(self, refused: Mapping[str, str]) -> bool:
        self._tokens.refused(refused.get("Authorization", "").removeprefix("Bearer "))
        return True

    async def close(self) -> None:
        await self._tokens.close()


def bearer(token: str, what: str) -> dict[str, str]:
    """A token as a header (RFC 6750). Raises PINotLetIn for what can be no token: it must not break out of its header."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise PINotLetIn(f"{what} is no token: it is empty, or has blanks, line breaks or other characters that no token has")
    return {"Authorization": f"Bearer {token}"}
