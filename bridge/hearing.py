"""A shard's channels: which points share one, when each is opened again, what messages become, what a lost one means (design 3.2, 4). Pure.

The driver owns the sockets: it opens an ear's address when the ear says so, and tells it what it hears.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from bridge.budget import DENIED_PAUSE_SECONDS, Chance
from bridge.errors import PIUnreadable
from bridge.normalise import channel_message, parse_json, samples_of
from bridge.pitime import Moment
from schemas.records import Point

if TYPE_CHECKING:
    from bridge.incarnation import Incarnation

_SPLIT = frozenset({400, 404, 409, 414})
"""What a handshake answers when it is about the streams asked for."""
_DENIED = frozenset({401, 403})
_REFUSED_SECONDS = 300.0
"""A single point whose channel PI refuses is tried again after so long."""
_OVERLOADED_SECONDS = 0.2
"""How soon to look again whether Kafka takes frames again."""


@dataclass
class Reconnect:
    """Pauses between attempts: doubling up to a limit, with full jitter, so that not all come back at once (trap 37)."""

    first_seconds: float
    limit_seconds: float
    chance: Chance
    _attempt: int = 0

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self._attempt = 0

    def pause_seconds(self) -> float:
        """How long to wait before the next attempt."""
        ceiling = min(self.first_seconds * 2**self._attempt, self.limit_seconds)
        self._attempt = min(self._attempt + 1, 30)
        return float(ceiling * self.chance.random())


def addresses(base: str, web_ids: Sequence[str], heartbeat_polls: int, url_bytes: int) -> list[tuple[str, list[str]]]:
    """The channels that cover all streams, each with its address of at most `url_bytes` and the streams on it."""
    parts = urlsplit(base)
    prefix = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path}/streamsets/channel?webIdType=IDOnly&heartbeatRate={heartbeat_polls}"
    channels: list[tuple[str, list[str]]] = []
    for web_id in web_ids:
        part = "&webId=" + quote(web_id)
        if not channels or len(channels[-1][0]) + len(part) > url_bytes:
            channels.append((prefix, []))
        address, streams = channels[-1]
        channels[-1] = (address + part, [*streams, web_id])
    return channels


class Ear:
    """One channel through its losses: turns messages into previews, and silence into blind intervals."""

    def __init__(
        self,
        incarnation: "Incarnation",
        address: str,
        points: Sequence[Point],
        number: int,
        blind: tuple[int, str | None],
        reconnect: Reconnect,
    ) -> None:
        """`blind`: since when nobody listens to these points, and the incident about that."""
        self.address, self.number = address, number
        self.not_before = 0.0
        """When it may be opened (again), by the monotonic clock."""
        self._incarnation, self._reconnect = incarnation, reconnect
        self._points = {point["web_id"]: point for point in points}
        self._blind, self._incident = blind
        self._listening = False
        self._heard = self._blind
        self._heard_seconds = 0.0
        self._losses = 0

    # -- when ---------------------------------------------------------------------------------------------------------------------

    def pause_seconds(self, now: Moment) -> float:
        """How long to wait before it may be opened; 0: it may be opened now."""
        if self._incarnation.overloaded():
            return _OVERLOADED_SECONDS
        return max(0.0, self.not_before - now.seconds)

    def patience_seconds(self, now: Moment) -> float:
        """How long the next message may still take."""
        return self._incarnation.config.pi.channels.silence_seconds - (now.seconds - self._heard_seconds)

    def why_close(self, now: Moment) -> str | None:
        """Why the channel should be closed now; None while all is well."""
        if self._incarnation.overloaded():
            return "Kafka does not take frames fast enough, so the channel was closed"
        if self.patience_seconds(now) <= 0:
            return f"no message and no heartbeat for {self._incarnation.config.pi.channels.silence_seconds:g} s"
        return None

    # -- what happens -------------------------------------------------------------------------------------------------------------

    def opened(self, now: Moment) -> None:
        """It hears from now on."""
        self._listening = True
        self._heard, self._heard_seconds = now.ticks, now.seconds
        self._reconnect.succeeded()
        self._incarnation.heard_again(self.points, self._blind, self._incident, now)

    def message(self, body: str | bytes, now: Moment) -> None:
        """Publishes what a message says; one without values is a heartbeat."""
        self._heard, self._heard_seconds = now.ticks, now.seconds
        try:
            for web_id, items in list(channel_message(parse_json(body))):
                self._values(web_id, items, now)
        except PIUnreadable as error:
            content = body if isinstance(body, bytes) else body.encode(errors="surrogatepass")
            self._incarnation.dead_letters.add("CHANNEL", str(error), content, now.micros)

    def lost(self, reason: str, now: Moment, status: int | None = None) -> bool:
        """The channel ended, or could not be opened; `status`: the handshake's answer. True if the streams must be split (trap 35).

        The blind interval begins with the last message, not when the loss was noticed.
        """
        if self._listening:
            self._open_incident(reason, now)
        pause_seconds = self._reconnect.pause_seconds()
        self.not_before = now.seconds + (max(pause_seconds, DENIED_PAUSE_SECONDS) if status in _DENIED else pause_seconds)
        return status in _SPLIT

    def _open_incident(self, reason: str, now: Moment) -> None:
        self._listening = False
        self._blind, self._losses = self._heard, self._losses + 1
        owner = self._incarnation
        self._incident = f"{owner.config.source}-{owner.number}-{owner.state.epoch}-channel-{self.number}-{self._losses}"
        keys = [point["point_key"] for point in self.points]
        detail = f"channel of {len(keys)} points: {reason}"
        owner.incidents.open("CHANNEL_LOST", self._incident, keys, self._blind // 10, now.micros, detail)
        owner.note("channel lost", channel=self.number, points=len(keys), reason=reason)

    def _values(self, web_id: str, items: list[object], now: Moment) -> None:
        owner, point = self._incarnation, self._points.get(web_id)
        if point is None:
            content = json.dumps({"WebId": web_id, "Items": items}).encode()
            owner.dead_letters.add("CHANNEL", f'stream "{web_id}" is none that this channel was opened for', content, now.micros)
            return
        if point["point_key"] not in owner.points:
            return
        samples, unreadable = samples_of(items, point["point_type"])
        for item in unreadable:
            owner.dead_letters.add("CHANNEL", item.reason, item.content, now.micros, point["point_key"], item.ticks)
        if samples:
            owner.preview(point, samples, "CHANNEL", now)

    # -- what it knows ------------------------------------------------------------------------------------------------------------

    @property
    def points(self) -> list[Point]:
        """Those of its points that are in scope."""
        return [point for point in self._points.values() if point["point_key"] in self._incarnation.points]

    @property
    def blind(self) -> tuple[int, str | None]:
        """Since when this channel hears nothing, and the incident about that."""
        return self._blind, self._incident

    @property
    def listening(self) -> bool:
        """True while it is open, as far as is known."""
        return self._listening

    @property
    def heard_until(self) -> int | None:
        """Up to when (PI's ticks) it is known to have heard; None while an incident says so."""
        if self._listening:
            return self._heard
        return self._blind if self._incident is None else None


class Hearing:
    """All channels of a shard: for all points, for new ones as they appear; splits those that PI refuses."""

    def __init__(self, incarnation: "Incarnation", chance: Chance, blind: tuple[int, str | None]) -> None:
        """`blind`: since when nobody listens to a point that has no channel yet, and the incident about that."""
        self._incarnation, self._chance, self._blind = incarnation, chance, blind
        self._on_channel: set[str] = set()
        self._split: list[tuple[list[Point], tuple[int, str | None], float]] = []
        """Points that a refused channel left, since when they are not heard, and when to try them."""
        self._next_opening = 0.0
        self._opened = 0
        self.ears: list[Ear] = []

    def new_ears(self, now: Moment) -> list[Ear]:
        """The channels to be kept from now on, beside those answered before."""
        new = [point for key, point in self._incarnation.points.items() if key not in self._on_channel]
        self._on_channel.update(point["point_key"] for point in new)
        due = [entry for entry in self._split if entry[2] <= now.seconds]
        self._split = [entry for entry in self._split if entry[2] > now.seconds]
        made = self._ears_of(new, self._blind, now)
        for points, blind, _ in due:
            made += self._ears_of(points, blind, now)
        self.ears += made
        return made

    def refused(self, ear: Ear, now: Moment) -> None:
        """One bad stream refuses the whole channel (trap 35): halves are tried, until it stands alone."""
        self.ears.remove(ear)
        points = ear.points
        middle = len(points) // 2
        self._incarnation.note("channel refused", channel=ear.number, points=len(points))
        if middle:
            self._split += [(points[:middle], ear.blind, now.seconds), (points[middle:], ear.blind, now.seconds)]
        else:
            self._split.append((points, ear.blind, now.seconds + _REFUSED_SECONDS))

    def heard_until(self, now: Moment) -> int:
        """Up to when (PI's ticks) every point is known to have been heard, as far as no open incident says otherwise."""
        known = [heard for ear in self.ears if (heard := ear.heard_until) is not None]
        if self._blind[1] is None:
            known += [blind for _, (blind, incident), _ in self._split if incident is None]
            if not self._on_channel >= self._incarnation.points.keys():
                known.append(self._blind[0])
        return min([now.ticks, *known])

    def _ears_of(self, points: Sequence[Point], blind: tuple[int, str | None], now: Moment) -> list[Ear]:
        channels, url = self._incarnation.config.pi.channels, self._incarnation.config.pi.url
        by_web_id = {point["web_id"]: point for point in points}
        made = []
        for address, web_ids in addresses(url, list(by_web_id), channels.heartbeat_polls, channels.url_bytes):
            self._opened += 1
            reconnect = Reconnect(channels.reconnect_seconds, channels.reconnect_max_seconds, self._chance)
            ear = Ear(self._incarnation, address, [by_web_id[web_id] for web_id in web_ids], self._opened, blind, reconnect)
            # Opened one after the other, so that a restarted PI Web API is not stormed.
            ear.not_before = self._next_opening = max(now.seconds, self._next_opening)
            self._next_opening += channels.open_interval_seconds
            made.append(ear)
        return made
