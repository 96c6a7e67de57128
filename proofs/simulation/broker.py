"""A model of Kafka: partitions, transactions with their coordinator, fencing by epoch, outcomes that nobody is told (KIP-98, KIP-360)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from bridge.frame import plain
from bridge.incarnation import Record
from proofs.simulation.clockwork import Clockwork
from schemas.shards import shard_of
from schemas.topics import PROGRESS

OUTCOMES = ("slow commit", "retriable failure", "commit without answer", "end of transaction lost", "delayed commit", "transaction aborted")
"""What may happen to a commit beside success."""


class Result(Enum):
    """What a producer is told."""

    DONE = auto()
    FENCED = auto()
    RETRIABLE = auto()
    FAILED = auto()


class State(Enum):
    OPEN = auto()
    COMMITTED = auto()
    ABORTED = auto()


@dataclass
class Transaction:
    """A transaction and what became of it."""

    producer: "Producer"
    state: State = State.OPEN


@dataclass
class Coordinator:
    """What the brokers know of a transactional id."""

    epoch: int = -1
    open: Transaction | None = None


@dataclass(frozen=True)
class Producer:
    """A producer that has been initialised."""

    transactional_id: str
    epoch: int


@dataclass
class Entry:
    """A record in a partition."""

    key: str | None
    value: Any
    transaction: Transaction
    at: float
    """When it was produced."""


@dataclass
class Broker:
    """All partitions. `faults`: share of commits that meet with each of OUTCOMES; `away`: nothing is answered."""

    clockwork: Clockwork
    shards: int
    transaction_timeout_seconds: float
    patience_seconds: float
    faults: dict[str, float] = field(default_factory=dict)
    away: bool = False
    slow_reading_seconds: float = 1.0
    """To read `progress` takes up to so long; what is committed meanwhile is not in the answer."""
    logs: dict[tuple[str, int], list[Entry]] = field(default_factory=dict)
    _coordinators: dict[str, Coordinator] = field(default_factory=dict)

    # -- producers ------------------------------------------------------------------------------------------------------------------

    def initialise(self, transactional_id: str, told: Callable[[Producer | None], None]) -> None:
        """Fences every earlier producer of this id and aborts what it left open; None if the brokers are away for too long."""

        def act() -> None:
            if self.away:
                self._reply(lambda: told(None), 5.0)
                return
            coordinator = self._coordinators.setdefault(transactional_id, Coordinator())
            if coordinator.open is not None:
                self.clockwork.tell("open transaction aborted by a take-over")
                self._end(coordinator, State.ABORTED)
            coordinator.epoch += 1
            producer = Producer(transactional_id, coordinator.epoch)
            self._reply(lambda: told(producer))

        self._reply(act)

    def commit(self, producer: Producer, records: Sequence[Record], told: Callable[[Result], None]) -> None:
        """Produces the records and ends the transaction; what is told may be less than what happened."""
        fate = next((name for name, share in self.faults.items() if self.clockwork.likely(share)), "")
        if fate:
            self.clockwork.tell(f"commit: {fate}", producer.transactional_id)

        def produce() -> None:
            if self.away:
                self._reply(lambda: told(Result.FAILED), self.patience_seconds)
            elif not self._valid(producer):
                self._fenced(told)
            else:
                transaction = self._append(producer, records)
                self._finish(transaction, fate, told)

        self._reply(produce)

    def again(self, producer: Producer, told: Callable[[Result], None]) -> None:
        """The end of a transaction is asked for once more: it may have been reached already."""

        def act() -> None:
            if not self._valid(producer):
                self._fenced(told)
                return
            coordinator = self._coordinators[producer.transactional_id]
            if coordinator.open is not None:
                self._end(coordinator, State.COMMITTED)
            self._reply(lambda: told(Result.DONE))

        self._reply(act)

    def _finish(self, transaction: Transaction, fate: str, told: Callable[[Result], None]) -> None:
        chance, patience = self.clockwork.chance, self.patience_seconds
        match fate:
            case "end of transaction lost":
                self._reply(lambda: told(Result.FAILED), patience)
            case "delayed commit":
                self._reply(lambda: self._close(transaction, State.COMMITTED), patience + chance.random() * 4 - 2)
                self._reply(lambda: told(Result.FAILED), patience)
            case "commit without answer":
                self._reply(lambda: self._close(transaction, State.COMMITTED))
                self._reply(lambda: told(Result.FAILED), patience)
            case "transaction aborted":
                self._reply(lambda: self._close(transaction, State.ABORTED))
                self._reply(lambda: told(Result.FAILED), 1.0)
            case "retriable failure":
                if chance.random() < 0.5:
                    self._reply(lambda: self._close(transaction, State.COMMITTED))
                self._reply(lambda: told(Result.RETRIABLE), 2.0)
            case _:
                slow = chance.random() * 20 if fate == "slow commit" else 0.0
                self._reply(lambda: told(Result.DONE if self._close(transaction, State.COMMITTED) else Result.FENCED), slow)

    def _append(self, producer: Producer, records: Sequence[Record]) -> Transaction:
        coordinator = self._coordinators[producer.transactional_id]
        if coordinator.open is None:
            coordinator.open = Transaction(producer)
            self._time_out(coordinator.open)
        for record in records:
            partitions = record.topic.partition_count(self.shards)
            partition = record.partition if record.partition is not None else shard_of(record.key or "", partitions)
            self.logs.setdefault((record.topic.dataset, partition), []).append(
                Entry(record.key, _encoded(record), coordinator.open, self.clockwork.now)
            )
        return coordinator.open

    def _time_out(self, transaction: Transaction) -> None:
        """A transaction that stays open is aborted, and its producer fenced."""

        def act() -> None:
            if transaction.state is State.OPEN:
                self.clockwork.tell("transaction timed out")
                self._close(transaction, State.ABORTED)
                self._coordinators[transaction.producer.transactional_id].epoch += 1

        self.clockwork.later(self.transaction_timeout_seconds, act)

    def _close(self, transaction: Transaction, state: State) -> bool:
        """Ends a transaction, unless its producer was fenced meanwhile."""
        coordinator = self._coordinators[transaction.producer.transactional_id]
        if coordinator.open is not transaction or not self._valid(transaction.producer):
            return False
        self._end(coordinator, state)
        return True

    @staticmethod
    def _end(coordinator: Coordinator, state: State) -> None:
        assert coordinator.open is not None
        coordinator.open.state = state
        coordinator.open = None

    def _valid(self, producer: Producer) -> bool:
        return self._coordinators[producer.transactional_id].epoch == producer.epoch

    def _fenced(self, told: Callable[[Result], None]) -> None:
        self.clockwork.tell("producer fenced")
        self._reply(lambda: told(Result.FENCED))

    def _reply(self, deed: Callable[[], Any], more_seconds: float = 0.0) -> None:
        self.clockwork.later(0.002 + self.clockwork.chance.random() * 0.03 + more_seconds, deed)

    # -- readers --------------------------------------------------------------------------------------------------------------------

    def progress(self, shard: int, told: Callable[[list[tuple[str, Any]] | None], None]) -> None:
        """What a reader of committed records finds in a partition of `progress`, up to the first open transaction; None if none answers."""

        def act() -> None:
            if self.away:
                self._reply(lambda: told(None), 15.0)
                return
            found: list[tuple[str, Any]] = []
            for entry in self.logs.get((PROGRESS.dataset, shard), []):
                if entry.transaction.state is State.OPEN:
                    break
                if entry.transaction.state is State.COMMITTED:
                    found.append((entry.key or "", _copied(entry.value)))
            self._reply(lambda: told(found), self.clockwork.chance.random() * self.slow_reading_seconds)

        self._reply(act)


def _encoded(record: Record) -> Any:
    """A producer encodes records: what is written is the contract's."""
    return plain(record.value) if record.topic.record == "value_frame" else record.value


def _copied(value: Any) -> Any:
    """A reader decodes bytes: nothing that it changes changes the log."""
    if value["shard"] is None:
        return value
    return {"point": None, "shard": value["shard"] | {"incidents": [incident.copy() for incident in value["shard"]["incidents"]]}}
