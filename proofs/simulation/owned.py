"""A shard of a simulated process: the real core, driven by virtual timers in place of tasks, threads and sockets."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge import batch, progress
from bridge.errors import NotReady
from bridge.hearing import Ear
from bridge.incarnation import Incarnation, Setting
from bridge.reads import Batch
from bridge.tenure import Act, Patience, Step, Tenure
from bridge.watermarks import ages_of
from proofs.simulation.broker import Broker, Producer, Result
from proofs.simulation.channels import Channels, Connection
from proofs.simulation.clockwork import Clockwork
from proofs.simulation.group import Group
from proofs.simulation.web_api import Answer, WebApi
from schemas.config import Config
from schemas.records import Command, Point

if TYPE_CHECKING:
    from proofs.simulation.owner import Owner

_LOOK_SECONDS = 1.0
"""Looks come less often than in the real drivers: they decide nothing, so the outcome is the same and a run is faster."""


@dataclass
class Surroundings:
    """What all processes share."""

    clockwork: Clockwork
    config: Config
    broker: Broker
    channels: Channels
    web_api: WebApi
    group: Group
    inventory: dict[int, dict[str, Point]]
    """Points by shard and key."""
    topics: dict[str, tuple[str, int]]
    commands: list[Command] = field(default_factory=list)
    """The topic `commands`."""
    failures: list[str] = field(default_factory=list)
    """What went wrong beside what the verifier sees."""


class Owned:
    """A shard of a process: does what its tenure asks for."""

    def __init__(self, owner: "Owner", number: int) -> None:
        around = owner.around
        self.owner, self.around = owner, around
        self.tenure = Tenure(Setting(number, around.config, around.topics, around.clockwork.chance), owner.fencings)
        self.given_up: Callable[[], None] = lambda: None
        self.fenced_since_assigned = False
        self.told_lost = False
        self._producer: Producer | None = None
        self._turn = 0
        """Deeds of an earlier turn do not count any more."""
        self._waiting = False
        """Whether this turn only waits, and may be cut short."""
        self.lines: list[Line] = []
        self._working: Incarnation | None = None

    def tell_points(self) -> None:
        """The inventory, as the consumer reads it."""
        for key, point in self.around.inventory[self.tenure.number].items():
            self.tenure.point(key, point)
        self.tenure.points_known()

    def stir(self) -> None:
        """Lets it look at once."""
        if self._waiting:
            self._in_turn(0.0, self.step)

    def _in_turn(self, seconds: float, deed: Callable[[], None]) -> None:
        self._turn += 1
        self.owner.later(seconds, self._only(deed))

    def _only(self, deed: Callable[[], None]) -> Callable[[], None]:
        turn = self._turn

        def act() -> None:
            if turn == self._turn:
                deed()

        return act

    def _answer(self, deed: Callable[..., None]) -> Callable[..., None]:
        """A deed that waits for an answer to this turn."""
        self._turn += 1
        turn = self._turn

        def told(*what: Any) -> None:
            def act() -> None:
                if turn == self._turn:
                    deed(*what)

            self.owner.bound(act)()

        return told

    def give_up(self) -> None:
        """The time for the last commit is over."""
        if not self.tenure.ended:
            self.tenure.lost()
            self._in_turn(0.0, self.step)

    def lost(self) -> None:
        """Another member has it."""
        self.told_lost = True
        self.tenure.lost()
        self._in_turn(0.0, self.step)

    def hang_up(self) -> None:
        """All channels end."""
        for line in self.lines:
            line.hang_up()
        self.lines = []

    # -- steps ------------------------------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Does steps until one of them takes time."""
        self._waiting = False
        try:
            while self._do(self.tenure.next(self.owner.now())):
                pass
        except NotReady as error:
            self.owner.gave_up(error)

    def _do(self, step: Step) -> bool:
        match step.act:
            case Act.WAIT:
                self._waiting = True
                busy = self.tenure.incarnation is None
                self._in_turn(max(step.seconds, 0.2 if busy else 0.5), self.step)
                return False
            case Act.OPEN:
                if self.fenced_since_assigned and self.around.group.owners[self.tenure.number] is not self.owner:
                    self.around.failures.append(f"{self.owner.name} fights for shard {self.tenure.number}: it was fenced, and fences again")
                self.around.broker.initialise(self.tenure.transactional_id, self._answer(self._opened))
                return False
            case Act.READ:
                self.around.broker.progress(self.tenure.number, self._answer(self._progress_read))
                return False
            case Act.COMMIT:
                self._commit(step)
                return False
            case Act.WORK:
                self._work()
            case Act.REST:
                self._working = None
                self.hang_up()
            case Act.CLOSE:
                self._producer = None
            case Act.END:
                self._end()
                return False
        return True

    def _end(self) -> None:
        if self.owner.shards.get(self.tenure.number) is self:
            del self.owner.shards[self.tenure.number]
            self.owner.share()
        self.given_up()

    def _opened(self, producer: Producer | None) -> None:
        if producer is None:
            self._failed(False)
            return
        self.around.clockwork.tell("fenced and taken over", f"{self.tenure.number} by {self.owner.name}")
        self._producer = producer
        self.tenure.opened()
        self.step()

    def _progress_read(self, found: list[tuple[str, Any]] | None) -> None:
        if found is None:
            self._failed(False)
            return
        try:
            self.tenure.progress_read(progress.left(found, ages_of(self.around.config.coverage.reread_ages_seconds)), self.owner.now())
        except NotReady as error:
            self.owner.gave_up(error)
            return
        self.step()

    def _commit(self, step: Step) -> None:
        if self.told_lost:
            self.around.failures.append(f"{self.owner.name} commits to shard {self.tenure.number} after it was told that it lost it")
        producer, broker = self._producer, self.around.broker
        assert producer is not None
        patience = Patience(self.around.config.delivery.transaction_timeout_seconds, self.owner.now_seconds())

        def told(result: Result) -> None:
            if result is Result.DONE:
                self.around.clockwork.happened["transactions committed"] += 1
                self.tenure.committed(self.owner.now())
                self.step()
            elif result is Result.RETRIABLE and patience.again(True, self.owner.now_seconds()):
                broker.again(producer, self._answer(told))
            else:
                self._failed(result is Result.FENCED)

        broker.commit(producer, step.records, self._answer(told))

    def _failed(self, fenced: bool) -> None:
        self.fenced_since_assigned |= fenced
        self.tenure.failed(fenced, self.owner.now())
        self.step()

    # -- channels and reads -----------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        incarnation = self._working = self.tenure.incarnation
        assert incarnation is not None
        self._listen(incarnation)
        self._read(incarnation)
        self._command(incarnation)

    def _command(self, incarnation: Incarnation) -> None:
        if self._working is not incarnation:
            return
        for offset in range(incarnation.state.commands_offset, len(self.around.commands)):
            incarnation.commands.take(offset, self.around.commands[offset], self.owner.now())
        self.owner.later(_LOOK_SECONDS, lambda: self._command(incarnation))

    def _listen(self, incarnation: Incarnation) -> None:
        if self._working is not incarnation:
            return
        for ear in incarnation.hearing.new_ears(self.owner.now()):
            line = Line(self, incarnation, ear)
            self.lines.append(line)
            line.keep()
        self.owner.later(_LOOK_SECONDS, lambda: self._listen(incarnation))

    def split(self, line: "Line", incarnation: Incarnation) -> None:
        """The channel's streams are to be tried in other ways, or are heard on another already."""
        if line.ear.retired:
            self.around.clockwork.tell("channel joined with others")
        self.lines.remove(line)
        incarnation.hearing.refused(line.ear, self.owner.now())

    def at_work(self, incarnation: Incarnation) -> bool:
        """True until the incarnation rests."""
        return self._working is incarnation

    def _read(self, incarnation: Incarnation) -> None:
        if self._working is not incarnation:
            return
        asked = incarnation.reads.next(self.owner.now())
        if asked is None:
            self.owner.later(_LOOK_SECONDS, lambda: self._read(incarnation))
        else:
            self._send(incarnation, asked)

    def _send(self, incarnation: Incarnation, asked: Batch) -> None:
        pause_seconds = self.owner.pause_seconds()
        if pause_seconds > 0:
            self.owner.later(pause_seconds, lambda: self._send(incarnation, asked))
            return
        self.owner.sent()
        began = self.owner.now_seconds()
        for task in asked.tasks:
            self.around.clockwork.happened[f"read asked for: {task.read.purpose.name}"] += 1
        done: list[bool] = []

        def told(answer: Answer | None) -> None:
            if done:
                return
            done.append(True)
            self.owner.under_way -= 1
            if self._working is incarnation:
                self._answered(incarnation, asked, answer, self.owner.now_seconds() - began)
                self._read(incarnation)

        self.around.web_api.batch(asked.addresses, lambda answer: self.owner.bound(lambda: told(answer))())
        self.owner.later(self.around.config.pi.load.request_timeout_seconds, lambda: told(None))

    def _answered(self, incarnation: Incarnation, asked: Batch, answer: Answer | None, seconds: float) -> None:
        now = self.owner.now()
        if answer is None:
            self.around.clockwork.tell("request timed out")
            incarnation.reads.failed(asked, "timed out", now)
            return
        self.owner.budget.answered(answer.status, answer.retry_after_seconds, now.seconds)
        failure = batch.failure_of(answer.status, answer.document, "batch", answer.retry_after_seconds)
        if failure is not None:
            incarnation.reads.failed(asked, str(failure), now)
        else:
            incarnation.reads.answered(asked, batch.contents(answer.document, asked.addresses), now, seconds)


class Line:
    """The socket of one ear."""

    def __init__(self, owned: Owned, incarnation: Incarnation, ear: Ear) -> None:
        self.ear = ear
        self._owned, self._incarnation = owned, incarnation
        self._connection: Connection | None = None
        self._attempt = 0

    def keep(self) -> None:
        """Opens it as soon as the ear wants that."""
        owner = self._owned.owner
        if not self._owned.at_work(self._incarnation) or self not in self._owned.lines:
            return
        pause_seconds = self.ear.pause_seconds(owner.now())
        if pause_seconds > 0:
            owner.later(max(pause_seconds, 0.05), self.keep)
            return
        opened = self._owned.around.channels.open(self.ear.address, self)
        if isinstance(opened, int):
            self._over(f"status {opened}", opened)
            return
        self._connection = opened
        self.ear.opened(owner.now())
        self._watch(opened)

    def received(self, connection: Connection, body: bytes) -> None:
        self._owned.owner.bound(lambda: self._received(connection, body))()

    def _received(self, connection: Connection, body: bytes) -> None:
        if connection is self._connection:
            self._owned.around.clockwork.happened["messages heard"] += 1
            self.ear.message(body, self._owned.owner.now())
            self._close_if_wanted()

    def broken(self, connection: Connection, reason: str) -> None:
        self._owned.owner.bound(lambda: self._over(reason, None) if connection is self._connection else None)()

    def hang_up(self) -> None:
        """The process, or its shard, does not listen any more."""
        if self._connection is not None:
            self._owned.around.channels.closed_by_client(self._connection)
            self._connection = None

    def _watch(self, connection: Connection) -> None:
        """Looks again when the ear's patience would be over."""
        if connection is not self._connection:
            return
        self._close_if_wanted()
        if connection is self._connection:
            patience_seconds = self.ear.patience_seconds(self._owned.owner.now())
            self._owned.owner.later(min(max(patience_seconds, 0.05), 5.0), lambda: self._watch(connection))

    def _close_if_wanted(self) -> None:
        if (reason := self.ear.why_close(self._owned.owner.now())) is not None:
            if "Kafka" in reason:
                self._owned.around.clockwork.tell("channel closed for overload")
            self._over(reason, None)

    def _over(self, reason: str, status: int | None) -> None:
        self.hang_up()
        if self.ear.lost(reason, self._owned.owner.now(), status):
            self._owned.split(self, self._incarnation)
        else:
            self.keep()
