"""PI Web API over HTTPS: reads only, one origin only, within a budget (design 4; pi-web-api.md 4, 7)."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import httpx2

from bridge import auth, batch, pitime
from bridge.budget import Budget, Part, wish_seconds
from bridge.errors import BridgeError, PIRefused, PITooLarge, PIUnavailable, PIUnreadable, PIUntrusted
from bridge.metrics import Metrics
from bridge.normalise import parse_json
from bridge.slots import Slots
from bridge.tls import distrust, trust
from runtime.masking import Mask
from schemas.config import PI
from schemas.times import TICKS_PER_SECOND

_CSRF = {"X-Requested-With": "pibridge"}
"""PI refuses every POST without this header, whatever its value (7.3)."""


def same_origin(base: str, address: str) -> str:
    """`address`, made absolute, if it lies below the configured base; raises PIRefused otherwise: credentials go nowhere else."""
    try:
        absolute = urljoin(base + "/", address)
        absolute.encode()
        below = _below(urlsplit(base), urlsplit(absolute))
    except ValueError:  # nothing that can be sent, or split into host and path
        below = False
    if not below:
        raise PIRefused(f"PI sent a link outside {base}: {address!r:.200}; it is not followed", 0)
    return absolute


def _below(ours: SplitResult, theirs: SplitResult) -> bool:
    if (ours.scheme, ours.netloc.lower()) != (theirs.scheme, theirs.netloc.lower()) or ".." in unquote(theirs.path).split("/"):
        return False
    return (theirs.path + "/").startswith(ours.path.rstrip("/") + "/")


class Answered(NamedTuple):
    """What came of a batch."""

    contents: dict[str, Any | BridgeError]
    seconds: float
    """From sending the request to the last byte of its answer."""


class PIWebAPI:
    """One PI Web API. Every call raises PIUnavailable, PIRefused or PIUnreadable, and nothing else on its account."""

    def __init__(self, config: PI, metrics: Metrics | None = None, mask: Mask | None = None) -> None:
        """`mask` learns of tokens that are fetched. Raises NotReady if the configured certificates cannot be read."""
        self.base = config.url
        self.clock = pitime.PIClock()
        self.metrics = metrics or Metrics()
        self.credentials = auth.credentials_of(config, self.metrics, mask or Mask())
        self.requests: Counter[str] = Counter()
        """Requests sent, by kind."""
        self._answer_bytes = config.load.answer_bytes
        self._budget = Budget(config.load.requests_per_second, random.Random())  # noqa: S311 - jitter
        self._slots = Slots(config.load.concurrency)
        self._client = httpx2.AsyncClient(
            headers={"Accept": "application/json", "User-Agent": "pibridge"},
            verify=trust(config.ca_file) if config.url.startswith("https:") else True,
            timeout=httpx2.Timeout(config.load.request_timeout_seconds, connect=10.0),
            limits=httpx2.Limits(max_connections=config.load.concurrency + 1),
            follow_redirects=False,
            trust_env=False,
        )

    def share(self, part: Part) -> None:
        """From now on this is all that may be asked; at first it is all that is configured."""
        self._budget.share(part.requests_per_second, time.monotonic())
        self._slots.resize(part.concurrency)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()
        await self.credentials.close()

    async def get(self, address: str, kind: str) -> dict[str, Any]:
        """The JSON object at an address below the base."""
        document, failure, _ = await self._send("GET", same_origin(self.base, address), kind, None)
        if failure is not None:
            raise failure
        return cast(dict[str, Any], document)

    async def batch(self, resources: Mapping[str, str]) -> Answered:
        """Content or failure of each address, all in one request."""
        for address in resources.values():
            same_origin(self.base, address)
        document, failure, seconds = await self._send("POST", self.base + "/batch", "batch", batch.body(resources))
        if failure is not None:
            raise failure
        return Answered(batch.contents(document, resources), seconds)

    async def read_clock(self) -> None:
        """Reads PI Web API's clock."""
        status = await self.get(self.base + "/system/status", "clock")
        ticks, here_seconds = pitime.parse(status.get("ServerTime")), time.time()
        self.clock.observe(ticks, time.monotonic())
        self.metrics.clock_read.set(here_seconds)
        self.metrics.clock_ahead.set(ticks / TICKS_PER_SECOND - here_seconds)

    def now(self) -> int:
        """PI's time in ticks, at least; `read_clock` must have succeeded once."""
        return self.clock.now(time.monotonic())

    async def _send(self, method: str, address: str, kind: str, content: bytes | None) -> tuple[Any, BridgeError | None, float]:
        """The only place that sends: GET, and the POST of the batch controller. A 401 is asked again once if there are new credentials."""
        assert method == "GET" or address == self.base + "/batch"
        headers = {} if method == "GET" else {**_CSRF, "Content-Type": "application/json"}
        async with self._slots:
            response, body, shown, seconds = await self._exchange(method, address, kind, content, headers)
            if response.status_code == 401 and await self.credentials.renewed(shown):
                response, body, _, seconds = await self._exchange(method, address, kind, content, headers)
        parse = parse_json if method == "GET" else batch.parse
        return *self._judge(response, body, parse, f"{method} {urlsplit(address).path}"), seconds

    async def _exchange(
        self, method: str, address: str, kind: str, content: bytes | None, headers: dict[str, str]
    ) -> tuple[httpx2.Response, bytes, dict[str, str], float]:
        """One request within the budget, its whole answer, the credentials shown, how long it took. Raises PIUnavailable, PIRefused."""
        while (pause_seconds := self._budget.pause_seconds(time.monotonic())) > 0:  # noqa: ASYNC110 - it may grow meanwhile
            await asyncio.sleep(pause_seconds)
        self._budget.sent(time.monotonic())  # before the next await: others look at the budget meanwhile
        shown = await self.credentials.headers()
        self.requests[kind] += 1
        began, status = time.monotonic(), None
        try:
            async with self._client.stream(method, address, content=content, headers=headers | shown) as response:
                body = await self._body(response)
                status = response.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if (refused := distrust(error, urlsplit(self.base).hostname or "")) is not None:
                raise PIUntrusted(refused) from error
            raise PIUnavailable(f"{method} {urlsplit(address).path}: {error or type(error).__name__}") from error
        finally:
            seconds = time.monotonic() - began
            self.metrics.answered(kind, status, seconds)
        return response, body, shown, seconds

    async def _body(self, response: httpx2.Response) -> bytes:
        parts, size = [], 0
        async for part in response.aiter_bytes():
            size += len(part)
            if size > self._answer_bytes:
                raise PITooLarge(f"an answer of more than {self._answer_bytes} bytes, decoded: ask for less, or raise pi.load.answer_bytes")
            parts.append(part)
        return b"".join(parts)

    def _judge(self, response: httpx2.Response, body: bytes, parse: Callable[[bytes], Any], what: str) -> tuple[Any, BridgeError | None]:
        retry_after_seconds = wish_seconds(response.headers.get("Retry-After"), response.headers.get("Date"))
        self._budget.answered(response.status_code, retry_after_seconds, time.monotonic())
        try:
            document = parse(body)
        except PIUnreadable as error:
            # An HTML page of a proxy, or an answer that was cut: the status tells whether asking again may help.
            if response.status_code in (200, 207):
                return None, PIUnavailable(f"{what}: {error}")
            document = {"Message": body[:200].decode(errors="replace")}
        if response.is_redirect:
            return None, PIRefused(
                f"{what}: a redirect to {response.headers.get('Location', '')!r:.200}; it is not followed", response.status_code
            )
        return document, batch.failure_of(response.status_code, document, what, retry_after_seconds)
