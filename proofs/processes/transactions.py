"""Points inside the transactions of the bridge: its producer, which tells where in a transaction it is. For proofs only."""

import threading
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any

from confluent_kafka import Producer

from bridge import publish, run
from bridge.publish import Message, Publisher
from proofs.seeded_defects.patches import _set as replace

_INSIDE_SECONDS = 0.001
"""So long after the call a process dies inside a commit."""
_FLUSH_SECONDS = 10.0


class Moment(Enum):
    """Where in a transaction."""

    FENCED = auto()
    BEGUN = auto()
    FIRST = auto()
    """The first record has been acknowledged."""
    FRAMES = auto()
    """The frames have been acknowledged, progress comes next."""
    PRODUCED = auto()
    """All have been acknowledged."""
    COMMITTING = auto()
    """The call is under way."""
    COMMITTED = auto()
    """The call has returned."""


class Kind(Enum):
    """Which transactions."""

    ANY = auto()
    EPOCH = auto()
    """The first after a take-over."""
    STATEMENTS = auto()
    PREVIEWS = auto()
    """With live values and without statements."""
    LAST = auto()
    """The one of a shard that was revoked."""
    INVENTORY = auto()
    SIGN_OF_LIFE = auto()


_now = threading.local()
"""Kind of the transaction of this thread: each publisher has a thread of its own."""
_revoked: set[int] = set()


def at(moment: Moment, kind: Kind) -> Callable[[Callable[[], None]], None]:
    """Arms a moment in the transactions of a kind."""

    def arm(here: Callable[[], None]) -> None:
        class Telling(_TellingProducer):
            tells, of, told = moment, kind, staticmethod(here)

        replace(publish, "Producer", Telling)
        replace(Publisher, "_commit", _naming(Publisher._commit))
        replace(run.Bridge, "revoked", _noting(run.Bridge.revoked))

    return arm


def _naming(usual: Callable[..., None]) -> Callable[..., None]:
    def commit(self: Publisher, messages: Sequence[Message]) -> None:
        first = "_began" not in self.__dict__
        self.__dict__["_began"] = True
        _now.kind = _kind_of(self._id, messages, first)
        usual(self, messages)

    return commit


def _noting(usual: Callable[..., Any]) -> Callable[..., Any]:
    async def revoked(self: run.Bridge, shard: int) -> None:
        _revoked.add(shard)
        await usual(self, shard)

    return revoked


def _kind_of(transactional_id: str, messages: Sequence[Message], first: bool) -> Kind:
    datasets = {message.topic.rsplit(".", 1)[1] for message in messages}
    shard = transactional_id.rsplit(".", 1)[1]
    if shard == "inventory":
        return Kind.INVENTORY
    if first:
        return Kind.EPOCH
    if int(shard) in _revoked:
        return Kind.LAST
    return Kind.STATEMENTS if "recorded" in datasets else Kind.PREVIEWS if "live" in datasets else Kind.SIGN_OF_LIFE


class _TellingProducer(Producer):
    tells: Moment
    of: Kind
    told: Callable[[], None]

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._of_shard = not settings["transactional.id"].endswith(".inventory")
        self._produced = 0
        self._progress = False

    def init_transactions(self, *given: Any) -> None:
        super().init_transactions(*given)
        _now.kind = Kind.ANY
        if self._of_shard:
            self._tell(Moment.FENCED)

    def begin_transaction(self, *given: Any) -> None:
        super().begin_transaction(*given)
        self._produced, self._progress = 0, False
        self._tell(Moment.BEGUN)

    def produce(self, topic: str, *given: Any, **named: Any) -> None:
        if topic.endswith(".progress") and self._produced and not self._progress:
            self._progress = True
            self._acknowledged(Moment.FRAMES)
        super().produce(topic, *given, **named)
        self._produced += 1
        if self._produced == 1:
            self._acknowledged(Moment.FIRST)

    def commit_transaction(self, *given: Any) -> None:
        self._acknowledged(Moment.PRODUCED)
        if (self.tells, self.of) == (Moment.COMMITTING, _now.kind):
            self._commit_and_die_meanwhile(*given)
        else:
            super().commit_transaction(*given)
            self._tell(Moment.COMMITTED)

    def _commit_and_die_meanwhile(self, *given: Any) -> None:
        """The calling thread never comes back from a commit at whose passing the process dies, so it cannot die behind it."""
        super().flush(_FLUSH_SECONDS)
        inside = threading.Event()
        inside.set()

        def die() -> None:
            time.sleep(_INSIDE_SECONDS)
            if inside.is_set():
                type(self).told()

        dying = threading.Thread(target=die, name="dies")
        dying.start()
        super().commit_transaction(*given)
        inside.clear()
        dying.join()

    def _acknowledged(self, moment: Moment) -> None:
        if (self.tells, self.of) == (moment, _now.kind):
            super().flush(_FLUSH_SECONDS)
        self._tell(moment)

    def _tell(self, moment: Moment) -> None:
        if self.tells is moment and self.of is _now.kind:
            type(self).told()
