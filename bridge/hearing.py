"""A shard's channels: which points share one, when each is opened again, what messages become, what a lost one means (design 3.2, 4). Pure.

The driver owns the sockets: it opens an ear's address when the ear says so, and tells it what it hears.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from bridge.budget import DENIED_PAUSE_SECONDS, Chance
from bridge.errors import PIUnreadable
from bridge.frame import Heard
from bridge.pitime import Moment
from bridge.points import Point
from bridge.regular import Values, heard, plain, samples_of
from bridge.wording import written

if TYPE_CHECKING:
    from bridge.incarnation import Incarnation

_SPLIT = frozenset({400, 404, 409, 414})
"""What a handshake answers when it is about the streams asked for."""
_DENIED = frozenset({401, 403})
_REFUSED_SECONDS = 300.0
"""A single point whose channel PI refuses is tried again after so long."""
_REJOIN_MAX_SECONDS = 86_400.0
"""Where channels that share one are refused, that is tried again after twice the time, up to this."""
_OVERLOADED_SECONDS = 0.2
"""How soon to look again whether Kafka takes frames again."""
_NO_SOCKET = "they are read from the archive only; raise pi.channels.sockets or pi.channels.url_bytes, or choose fewer points"
_FUTILE, _FUTILE_ALONE = 3, 8
"""A channel that PI opened and ended so often, without a word, is taken for refused: some streams are only found bad after the handshake
(pi-web-api.md 3.5), and a message may be too large each time. Where no other channel speaks it may be PI that is sick: more patience then.
"""


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
        turn: Callable[[float, float], float],
        given_up: bool = False,
    ) -> None:
        """`blind`: since when nobody listens to these points, and the incident about that.

        `turn` gives the moment when it may be opened, for the moment when it wants to be, and now; `given_up`: nothing waits for these
        points to be heard.
        """
        self.address, self.number = address, number
        self.not_before = 0.0
        """When it may be opened (again), by the monotonic clock."""
        self.retired = False
        """Its points share another channel from now on: it ends, and that is no loss."""
        self._incarnation, self._reconnect, self._turn, self._given_up = incarnation, reconnect, turn, given_up
        self._points = {point.web_id: point for point in points}
        self._blind, self._incident = blind
        self._listening = False
        self._heard = self._blind
        self._heard_seconds = self._opened_seconds = 0.0
        self._losses = 0
        self.reason = ""
        """Why it was lost, or not opened, last."""
        self._spoke = self._held_back = False
        self._futile = 0

    # -- when ---------------------------------------------------------------------------------------------------------------------

    def pause_seconds(self, now: Moment) -> float:
        """How long to wait before it may be opened; 0: it may be opened now."""
        if self._incarnation.overloaded():
            self._held_back = True
            return _OVERLOADED_SECONDS
        if self._held_back:  # and so was every other channel: each gets a turn of its own
            self._held_back, self.not_before = False, self._turn(max(now.seconds, self.not_before), now.seconds)
        return max(0.0, self.not_before - now.seconds)

    def patience_seconds(self, now: Moment) -> float:
        """How long the next message may still take."""
        return self._incarnation.config.pi.channels.silence_seconds - (now.seconds - self._heard_seconds)

    def why_close(self, now: Moment) -> str | None:
        """Why the channel should be closed now; None while all is well."""
        if self.retired:
            return "its points share another channel"
        if self._incarnation.overloaded():
            return "Kafka does not take frames fast enough, so the channel was closed"
        if self.patience_seconds(now) <= 0:
            return f"no message and no heartbeat for {self._incarnation.config.pi.channels.silence_seconds:g} s"
        return None

    # -- what happens -------------------------------------------------------------------------------------------------------------

    def opened(self, now: Moment) -> None:
        """It hears from now on."""
        self._opened_seconds = now.seconds
        self._listening, self._spoke, self._given_up = True, False, False
        self._heard, self._heard_seconds = now.ticks, now.seconds
        self._incarnation.heard_again(self.points, self._blind, self._incident, now)

    def message(self, body: str | bytes, now: Moment) -> None:
        """Publishes what a message says; one without values is a heartbeat. What cannot be understood was not heard: it is read again."""
        before, self._heard, self._heard_seconds = self._heard, now.ticks, now.seconds
        if not self._spoke:
            self._spoke, self._futile = True, 0
            self._reconnect.succeeded()
        understood: list[Heard] = []
        try:
            for web_id, items in heard(body):
                self._values(web_id, items, before, now, understood)
        except PIUnreadable as error:
            content = body if isinstance(body, bytes) else body.encode(errors="surrogatepass")
            self._incarnation.dead_letters.add("CHANNEL", str(error), content, now.micros)
            self._incarnation.heard_again(self.points, before, None, now)
        if understood:
            self._incarnation.previews(understood, "CHANNEL", now)

    def lost(self, reason: str, now: Moment, status: int | None = None, wish_seconds: float | None = None) -> bool:
        """The channel ended, or could not be opened; `status`, `wish_seconds`: the handshake's answer, and its Retry-After.

        True if it is over: its streams must be split (trap 35), or it is retired. The blind interval begins with the last message, not when
        the loss was noticed.
        """
        if self.retired:
            return True
        if self._listening:
            self._futile += not self._spoke and self.why_close(now) is None
            self._open_incident(reason, now)
        elif reason != self.reason:  # else it fails as it did before, once a minute perhaps
            self._incarnation.note("channel not opened", channel=self.number, points=len(self._points), reason=reason)
        self.reason = reason
        pause_seconds = self._reconnect.pause_seconds() + (wish_seconds or 0.0)
        pause_seconds = max(pause_seconds, DENIED_PAUSE_SECONDS) if status in _DENIED else pause_seconds
        self.not_before = self._turn(now.seconds + pause_seconds, now.seconds)
        others_speak = any(ear.speaks for ear in self._incarnation.hearing.ears if ear is not self)
        return status in _SPLIT or self._futile >= (_FUTILE if others_speak else _FUTILE_ALONE)

    def _open_incident(self, reason: str, now: Moment) -> None:
        self._listening = False
        self._blind, self._losses = self._heard, self._losses + 1
        owner = self._incarnation
        self._incident = f"{owner.config.source}-{owner.number}-{owner.state.epoch}-channel-{self.number}-{self._losses}"
        keys = [point.point_key for point in self.points]
        detail = f"channel of {len(keys)} points: {reason}"
        owner.incidents.open("CHANNEL_LOST", self._incident, keys, self._blind // 10, now.micros, detail)
        owner.note("channel lost", channel=self.number, points=len(keys), reason=reason)

    def _values(self, web_id: str, items: Values | list[object], before: int, now: Moment, understood: list[Heard]) -> None:
        owner, point = self._incarnation, self._points.get(web_id)
        if point is None:
            content = written({"WebId": web_id, "Items": plain(items)})
            owner.dead_letters.add("CHANNEL", f'stream "{web_id:.100}" is none that this channel was opened for', content, now.micros)
            return
        if point.point_key not in owner.points:
            return
        samples, unreadable = samples_of(items, point.point_type)
        for item in unreadable:
            owner.dead_letters.add("CHANNEL", item.reason, item.content, now.micros, point.point_key, item.ticks)
            if item.ticks is None:
                owner.heard_again([point], before, None, now)
            else:
                owner.happened(point, item.ticks, now)
        if samples:
            understood.append((point, samples))

    # -- what it knows ------------------------------------------------------------------------------------------------------------

    @property
    def points(self) -> list[Point]:
        """Those of its points that are in scope."""
        return [point for point in self._points.values() if point.point_key in self._incarnation.points]

    @property
    def point_keys(self) -> set[str]:
        """Keys of all its points, in scope or not."""
        return {point.point_key for point in self._points.values()}

    @property
    def blind(self) -> tuple[int, str | None]:
        """Since when this channel hears nothing, and the incident about that."""
        return self._blind, self._incident

    @property
    def listening(self) -> bool:
        """True while it is open, as far as is known."""
        return self._listening

    @property
    def speaks(self) -> bool:
        """True if it brought a message since it was opened last."""
        return self._listening and self._spoke

    def calm(self, now: Moment, seconds: float) -> bool:
        """True if it has spoken, and not been lost, for so long."""
        return self.speaks and now.seconds - self._opened_seconds >= seconds

    @property
    def heard_until(self) -> int | None:
        """Up to when (PI's ticks) it is known to have heard; None while an incident says so, or nobody waits for it."""
        if self._listening:
            return self._heard
        return self._blind if self._incident is None and not self._given_up else None


class Unheard(NamedTuple):
    """Points that wait for a channel."""

    points: list[Point]
    blind: tuple[int, str | None]
    """Since when they are not heard, and the incident about that."""
    not_before: float
    """When to try them, by the monotonic clock."""
    given_up: bool = False
    """Nothing waits for them to be heard: PI refuses them, or there are more points than channels."""


class Hearing:
    """All channels of a shard: for all points, for new ones as they appear; splits those that PI refuses."""

    def __init__(self, incarnation: "Incarnation", chance: Chance, blind: tuple[int, str | None]) -> None:
        """`blind`: since when nobody listens to a point that has no channel yet, and the incident about that."""
        self._incarnation, self._chance, self._blind = incarnation, chance, blind
        self._on_channel: set[str] = set()
        self._new = dict.fromkeys(incarnation.points)
        """Points in scope that have no channel yet and do not wait for one, in order."""
        self._waiting: list[Unheard] = []
        self._openings: list[float] = []
        """Moments at which channels are opened."""
        self._opened = 0
        # At most so many sockets a source (design 4): each shard has its part of them, whoever owns the others.
        sockets, shards = incarnation.config.pi.channels.sockets, incarnation.config.delivery.shards
        self._sockets = sockets // shards + (incarnation.number < sockets % shards)
        self._rejoin_seconds, self._rejoin_at = incarnation.config.pi.channels.rejoin_seconds, 0.0
        self._rejoined: set[str] = set()
        """Points of the channel that was joined last."""
        self._joins = 0
        self.ears: list[Ear] = []

    def scope_changed(self, point_key: str) -> None:
        """A point came into scope, or went out of it."""
        if point_key not in self._incarnation.points:
            self._new.pop(point_key, None)
        elif point_key not in self._on_channel:
            self._new[point_key] = None

    def new_ears(self, now: Moment) -> list[Ear]:
        """The channels to be kept from now on, beside those answered before."""
        if now.seconds >= self._rejoin_at:
            self._rejoin(now)
        new = [self._incarnation.points[key] for key in self._new]
        self._on_channel.update(self._new)
        self._new = {}
        due, later, room = list[Unheard](), list[Unheard](), len(self.ears) < self._sockets
        for entry in self._waiting:
            (due if entry.not_before <= now.seconds and (room or not entry.given_up) else later).append(entry)
        self._waiting = later
        return [ear for entry in (*due, Unheard(new, self._blind, now.seconds)) for ear in self._ears_of(entry, now)]

    def refused(self, ear: Ear, now: Moment) -> None:
        """One bad stream refuses the whole channel (trap 35): halves are tried, until it stands alone. One that is retired just ends."""
        if ear.retired:
            return
        if ear.point_keys == self._rejoined:
            self._rejoin_seconds = min(2 * self._rejoin_seconds, _REJOIN_MAX_SECONDS)
        self.ears.remove(ear)
        points = ear.points
        middle = len(points) // 2
        self._on_channel -= ear.point_keys - self._incarnation.points.keys()
        self._incarnation.note("channel refused", channel=ear.number, points=len(points), reason=ear.reason)
        if middle:
            self._waiting += [Unheard(half, ear.blind, now.seconds) for half in (points[:middle], points[middle:])]
        else:
            self._give_up(points, now)
            self._waiting.append(Unheard(points, ear.blind, now.seconds + _REFUSED_SECONDS, given_up=True))

    def _rejoin(self, now: Moment) -> None:
        """Lets the smallest of the channels that are calm share one, as many as fit: they were split, or their points came one by one.

        For the moment between the two their points are blind, which an incident tells, and are read again.
        """
        owner, channels = self._incarnation, self._incarnation.config.pi.channels
        self._rejoin_at = now.seconds + self._rejoin_seconds / 10
        joined, points = list[Ear](), list[Point]()
        for ear in sorted((ear for ear in self.ears if ear.calm(now, self._rejoin_seconds)), key=lambda ear: len(ear.address)):
            web_ids = [point.web_id for point in (*points, *ear.points)]
            if len(addresses(owner.config.pi.url, web_ids, channels.heartbeat_polls, channels.url_bytes)) > 1:
                break
            joined.append(ear)
            points += ear.points
        if len(joined) < 2 or not points:
            return
        since = min(ear.heard_until or now.ticks for ear in joined)
        for ear in joined:
            ear.retired = True
            self.ears.remove(ear)
        self._rejoined, self._joins = {point.point_key for point in points}, self._joins + 1
        incident_id = f"{owner.config.source}-{owner.number}-{owner.state.epoch}-joined-{self._joins}"
        detail = f"{len(joined)} channels end, for their {len(points)} points share one from now on"
        owner.incidents.open("CHANNELS_JOINED", incident_id, self._rejoined, since // 10, now.micros, detail)
        self._waiting.append(Unheard(points, (since, incident_id), now.seconds))
        owner.note("channels joined", channels=len(joined), points=len(points))

    def turn(self, wanted_seconds: float, now_seconds: float) -> float:
        """The first moment from the one wanted on at which no other channel is opened: a PI that restarted is not stormed (trap 37)."""
        gap = self._incarnation.config.pi.channels.open_interval_seconds
        self._openings = sorted(at for at in self._openings if at > now_seconds - gap)
        turn = wanted_seconds
        for taken in self._openings:
            if taken - gap < turn < taken + gap:
                turn = taken + gap
        self._openings.append(turn)
        return turn

    def heard_until(self, now: Moment) -> int:
        """Up to when (PI's ticks) every point is known to have been heard, as far as no open incident says otherwise."""
        known = [heard for ear in self.ears if (heard := ear.heard_until) is not None]
        if self._blind[1] is None:
            known += [entry.blind[0] for entry in self._waiting if entry.blind[1] is None and not entry.given_up]
            if self._new:
                known.append(self._blind[0])
        return min([now.ticks, *known])

    def _ears_of(self, entry: Unheard, now: Moment) -> list[Ear]:
        """Channels for these points, as far as there are sockets; who has none is told of, and waits for one."""
        owner, channels = self._incarnation, self._incarnation.config.pi.channels
        by_web_id = {p.web_id: p for point in entry.points if (p := owner.points.get(point.point_key)) is not None}
        self._on_channel.difference_update(p.point_key for p in entry.points if p.point_key not in owner.points)
        made, over = [], list[Point]()
        for address, web_ids in addresses(owner.config.pi.url, list(by_web_id), channels.heartbeat_polls, channels.url_bytes):
            points = [by_web_id[web_id] for web_id in web_ids]
            if len(self.ears) >= self._sockets:
                over += points
                continue
            self._opened += 1
            reconnect = Reconnect(channels.reconnect_seconds, channels.reconnect_max_seconds, self._chance)
            ear = Ear(owner, address, points, self._opened, entry.blind, reconnect, self.turn, entry.given_up)
            ear.not_before = self.turn(now.seconds, now.seconds)
            self.ears.append(ear)
            made.append(ear)
        if over:
            self._waiting.append(entry._replace(points=over, given_up=True))
        if over and not entry.given_up:
            self._give_up(over, now)
            owner.error("points without a channel", points=len(over), first=over[0].point_key, sockets=self._sockets, hint=_NO_SOCKET)
        return made

    def _give_up(self, points: Iterable[Point], now: Moment) -> None:
        """Nobody will hear these points for now: they are read more often, and no incident of the others waits for them."""
        keys = [point.point_key for point in points]
        for key in keys:
            self._incarnation.covering(self._incarnation.points[key]).unheard = True
            self._incarnation.agenda.changed(key)
        for incident_id in self._incarnation.incidents.records:
            self._incarnation.incidents.heard(incident_id, keys, now.ticks // 10)
