"""A shard for as long as the group gives it to us, through as many incarnations as that takes: which step comes next (design 3.6). Pure.

The driver asks `next`, does what it says, and tells what came of it. Fence, read progress, commit the next epoch, then work: KIP-618's
order. Any doubt about a step ends the incarnation; the next one begins with what Kafka has.
"""

from collections import deque
from enum import Enum, auto
from typing import NamedTuple

from bridge.errors import NotReady
from bridge.incarnation import Incarnation, Record, Setting
from bridge.pitime import Moment
from bridge.points import Point
from bridge.progress import Left
from schemas import records

LOOK_SECONDS = 0.2
"""However long frames gather, what is due and whether to stop is looked at this often."""
_RETRY_SECONDS = 2.0
_FENCINGS, _FENCING_SECONDS = 3, 600.0
"""So many fencings of one shard in so long, while the group gave it to us, mean that two deployments fight over one source."""


class Act(Enum):
    """What the driver does next."""

    WAIT = auto()
    """Nothing, for so many seconds at most."""
    OPEN = auto()
    """Make a producer and fence the one before it; then tell `opened` or `failed`."""
    READ = auto()
    """Read the shard's partition of `progress`; then tell `progress_read` or `failed`."""
    COMMIT = auto()
    """Commit the records in one transaction; then tell `committed` or `failed`."""
    WORK = auto()
    """Let channels and reads begin."""
    REST = auto()
    """End them."""
    CLOSE = auto()
    """Forget the producer."""
    END = auto()
    """It is over."""


class Step(NamedTuple):
    """An act with what it needs."""

    act: Act
    seconds: float = 0.0
    records: tuple[Record, ...] = ()


class _Phase(Enum):
    WAITING = auto()
    """For the points, or for a pause to end."""
    FENCING = auto()
    READING = auto()
    ANNOUNCING = auto()
    OWNING = auto()
    DRAINING = auto()
    LEAVING = auto()
    ENDED = auto()


class Fencings:
    """How often shards of this process were fenced by somebody whom the group knows nothing of."""

    def __init__(self) -> None:
        self._times: dict[int, deque[float]] = {}

    def add(self, shard: int, now_seconds: float) -> None:
        """Counts one; raises NotReady if there were too many: another deployment uses our transactional ids.

        By shard: a process that lost its session while it stood still is fenced once for each of its shards.
        """
        times = self._times.setdefault(shard, deque(maxlen=_FENCINGS))
        times.append(now_seconds)
        if len(times) == _FENCINGS and times[-1] - times[0] <= _FENCING_SECONDS:
            raise NotReady(
                f"shard {shard} was fenced {len(times)} times within ten minutes: another deployment uses kafka.transactional_prefix and "
                "this source; stop one of them, or give it another prefix and group"
            )


class Patience:
    """Whether a call that failed is repeated: as long as Kafka calls the failure retriable (the outcome is then still to be had)."""

    def __init__(self, seconds: float, now_seconds: float) -> None:
        self._until = now_seconds + seconds

    def again(self, retriable: bool, now_seconds: float) -> bool:
        """False: the outcome is open, and stays so."""
        return retriable and now_seconds <= self._until


class Tenure:
    """From the assignment of a shard to its hand-over."""

    def __init__(self, setting: Setting, fencings: Fencings) -> None:
        config = setting.config
        self.number = setting.number
        self.points: dict[str, Point] = {}
        """Points in scope by key."""
        self.incarnation: Incarnation | None = None
        """The one that has taken over, while it lasts."""
        self._setting, self._fencings = setting, fencings
        self._look_seconds = min(config.delivery.frame_seconds, config.delivery.commit_seconds, LOOK_SECONDS) / 2
        self._phase = _Phase.WAITING
        self._points_known = self._revoked = self._working = self._open = self._fenced = False
        self._not_before = 0.0

    @property
    def transactional_id(self) -> str:
        """The same for every owner of the shard: that is what fences the one before."""
        config = self._setting.config
        return f"{config.kafka.transactional_prefix}.{config.source}.{self.number}"

    # -- what happens -------------------------------------------------------------------------------------------------------------

    def point(self, key: str, record: records.Point | None) -> None:
        """A record of the inventory; None, or out of scope: the point is gone."""
        if record is not None and record["in_scope"]:
            self.points[key] = Point.of(record)
        elif self.points.pop(key, None) is None:
            return
        if self.incarnation is not None:
            self.incarnation.scope_changed(key)

    def points_known(self) -> None:
        """All points that were there have been told."""
        self._points_known = True

    def opened(self) -> None:
        """The producer is open, every earlier one fenced."""
        self._go(_Phase.READING)

    def progress_read(self, left: Left, now: Moment) -> None:
        """Progress as it was left. Raises NotReady if it does not fit to the topics."""
        self.incarnation = Incarnation(self._setting, self.points, left, now)
        self._go(_Phase.ANNOUNCING)

    def committed(self, now: Moment) -> None:
        """The transaction is in Kafka."""
        assert self.incarnation is not None
        self.incarnation.committed(now)
        self._go({_Phase.ANNOUNCING: _Phase.OWNING, _Phase.DRAINING: _Phase.LEAVING}.get(self._phase, self._phase))

    def failed(self, fenced: bool, now: Moment) -> None:
        """A step failed, or its outcome is unknown: the incarnation ends.

        One that was fenced leaves the shard alone until the group would have told it that it has lost it: it does not fight.
        """
        self._go(_Phase.LEAVING)
        pause_seconds = _RETRY_SECONDS * self._setting.chance.random()
        self._fenced = fenced
        if fenced:
            pause_seconds += self._setting.config.delivery.session_timeout_seconds
        self._not_before = now.seconds + pause_seconds

    def revoked(self) -> None:
        """The shard goes to another member once we have ended: what is gathered is committed."""
        self._revoked = True

    def lost(self) -> None:
        """The shard has another owner already: nothing is committed any more."""
        self._revoked = True
        self._go(_Phase.LEAVING)

    def _go(self, phase: _Phase) -> None:
        if self._phase is not _Phase.ENDED:
            self._phase = phase

    # -- what to do ---------------------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """True once nothing is left to be done."""
        return self._phase is _Phase.ENDED

    def next(self, now: Moment) -> Step:
        """The next step, to be done before this is asked again. Raises NotReady after too many fencings."""
        if self._revoked and self._phase in (_Phase.FENCING, _Phase.READING, _Phase.ANNOUNCING):
            self._phase = _Phase.LEAVING
        match self._phase:
            case _Phase.WAITING:
                return self._begin(now)
            case _Phase.FENCING:
                self._open = True
                return Step(Act.OPEN)
            case _Phase.READING:
                return Step(Act.READ)
            case _Phase.ANNOUNCING:
                assert self.incarnation is not None
                return self._commit(self.incarnation.announcement(now))
            case _Phase.OWNING:
                return self._own(now)
            case _Phase.DRAINING:
                return self._drain(now)
            case _Phase.LEAVING:
                return self._leave()
            case _Phase.ENDED:
                return Step(Act.END)

    def _begin(self, now: Moment) -> Step:
        if self._revoked:
            self._phase = _Phase.LEAVING
        elif self._points_known and now.seconds >= self._not_before:
            if self._fenced:  # and the group still gives it to us
                self._fenced = False
                self._fencings.add(self.number, now.seconds)
            self._phase = _Phase.FENCING
        else:
            return Step(Act.WAIT, max(self._not_before - now.seconds, LOOK_SECONDS))
        return self.next(now)

    def _own(self, now: Moment) -> Step:
        assert self.incarnation is not None
        if self._revoked:
            self._phase = _Phase.DRAINING
            return self.next(now)
        if not self._working:
            self._working = True
            return Step(Act.WORK)
        if self.incarnation.due(now, self._look_seconds):
            return self._commit(self.incarnation.transaction(now))
        return Step(Act.WAIT, self._look_seconds)

    def _drain(self, now: Moment) -> Step:
        """Channels and reads end before the last commit, so that it holds all that was gathered."""
        assert self.incarnation is not None
        if self._working:
            self._working = False
            return Step(Act.REST)
        return self._commit(self.incarnation.transaction(now))

    def _commit(self, records: list[Record]) -> Step:
        return Step(Act.COMMIT, records=tuple(records))

    def _leave(self) -> Step:
        if self._working:
            self._working = False
            return Step(Act.REST)
        if self._open:
            self._open = False
            self.incarnation = None
            return Step(Act.CLOSE)
        self.incarnation = None
        self._phase = _Phase.ENDED if self._revoked else _Phase.WAITING
        return Step(Act.END) if self._revoked else Step(Act.WAIT)
