"""Points inside the transactions of the bridge: its producer, which tells where in a transaction it is. For proofs only."""

import threading
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any

from confluent_kafka import Producer

from bridge import publish, run
from bridge.publish import Message, Publisher
from proofs.processes.accident import Accident
from proofs.seeded_defects.patches import _set as replace

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


def at(moment: Moment, kind: Kind) -> Callable[[Accident], None]:
    """Arms a moment in the transactions of a kind."""

    def arm(accident: Accident) -> None:
        class Telling(_TellingProducer):
            tells, of = moment, kind

        Telling.accident = accident

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
    accident: Accident

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
        if (self.tells, self.of) == (Moment.COMMITTING, _now.kind) and type(self).accident.due():
            self._commit_and_be_hit(*given)
        else:
            super().commit_transaction(*given)
            self._tell(Moment.COMMITTED)

    def _commit_and_be_hit(self, *given: Any) -> None:
        """The thread that strikes gets to run when the commit lets go of the interpreter, which is when it waits for the broker."""
        inside = threading.Event()

        def strike() -> None:
            inside.wait()
            type(self).accident.strike()

        threading.Thread(target=strike, name="strikes", daemon=True).start()
        inside.set()
        super().commit_transaction(*given)

    def _acknowledged(self, moment: Moment) -> None:
        if (self.tells, self.of) == (moment, _now.kind):
            super().flush(_FLUSH_SECONDS)
        self._tell(moment)

    def _tell(self, moment: Moment) -> None:
        if self.tells is moment and self.of is _now.kind:
            type(self).accident()
