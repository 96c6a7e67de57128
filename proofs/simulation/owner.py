"""A bridge process in the simulation: its clocks, its membership of the group, and what may be done to it."""

from collections.abc import Callable

from bridge.budget import Budget, part_of
from bridge.pitime import Moment, PIClock
from bridge.tenure import Fencings
from proofs.simulation.owned import Owned, Surroundings

_CLOCK_SECONDS = 30.0


class Owner:
    """A process: until it is killed it has a name, clocks of its own, and tenures of shards."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name, self.around = name, around
        self.shards: dict[int, Owned] = {}
        self.alive, self.standing_still = True, False
        self.wall_offset_micros = 0
        self.fencings = Fencings()
        self.budget = Budget(around.config.pi.load.requests_per_second, around.clockwork.chance)
        self.under_way = 0
        """Requests that have no answer yet."""
        self._clock = PIClock()
        self._mono_offset = around.clockwork.chance.random() * 1e5
        self._missed: list[Callable[[], None]] = []
        self.share()
        self._read_clock()

    # -- time -------------------------------------------------------------------------------------------------------------------------

    def now(self) -> Moment:
        """The present on this process's clocks."""
        clockwork = self.around.clockwork
        return self._clock.moment(clockwork.now + self._mono_offset, clockwork.ticks() // 10 + self.wall_offset_micros)

    def later(self, seconds: float, deed: Callable[[], None]) -> None:
        """Does something in this process after so long: when it stands still, as soon as it goes on; never when it is dead."""
        self.around.clockwork.later(seconds, self.bound(deed))

    def bound(self, deed: Callable[[], None]) -> Callable[[], None]:
        """The deed as one of this process."""

        def act() -> None:
            if self.standing_still:
                self._missed.append(act)
            elif self.alive:
                deed()

        return act

    def _read_clock(self) -> None:
        def told(ticks: int | None) -> None:
            self.bound(lambda: self._clock_told(ticks))()

        self.around.web_api.clock(told)

    def _clock_told(self, ticks: int | None) -> None:
        first = not self._clock.known
        if ticks is not None:
            self._clock.observe(ticks, self.now_seconds())
        if first and self._clock.known:
            self.around.group.join(self)
        self.later(_CLOCK_SECONDS if self._clock.known else 2.0, self._read_clock)

    def now_seconds(self) -> float:
        """The monotonic clock."""
        return self.around.clockwork.now + self._mono_offset

    # -- what it may ask of PI --------------------------------------------------------------------------------------------------------

    def share(self) -> None:
        """Takes its shards' part of what all processes may ask."""
        self._part = part_of(self.around.config.pi.load, len(self.shards), self.around.config.delivery.shards)
        self.budget.share(self._part.requests_per_second, self.now_seconds())

    def pause_seconds(self) -> float:
        """How long the next request has to wait."""
        busy = 0.1 if self.under_way >= self._part.concurrency else 0.0
        return max(busy, self.budget.pause_seconds(self.now_seconds()))

    def sent(self) -> None:
        """A request is on its way."""
        self.under_way += 1
        self.budget.sent(self.now_seconds())

    # -- what is done to it -----------------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """It is gone at once."""
        self.alive, self.standing_still = False, False
        for owned in self.shards.values():
            owned.hang_up()
        self.shards = {}

    def stand_still(self) -> None:
        """It is stopped, as by SIGSTOP."""
        self.standing_still = True

    def go_on(self) -> None:
        """It wakes and does what it missed."""
        self.standing_still = False
        missed, self._missed = self._missed, []
        for deed in missed:
            self.around.clockwork.later(self.around.clockwork.chance.random() * 0.2, deed)

    def stop(self) -> None:
        """It ends in order: gives up its shards, then leaves."""

        def gone() -> None:
            if not self.shards and self.alive:
                if self.around.group.knows(self):
                    self.around.group.leave(self)
                self.alive = False

        for shard in list(self.shards):
            self.revoked(shard, gone)
        self.later(0.1, gone)

    # -- as a member of the group -----------------------------------------------------------------------------------------------------

    def beats(self) -> bool:
        return self.alive and not self.standing_still

    def assigned(self, shard: int) -> None:
        self.later(0.05, lambda: self._assigned(shard))

    def _assigned(self, shard: int) -> None:
        if self.around.group.owners[shard] is self:
            owned = self.shards[shard] = Owned(self, shard)
            self.share()
            self.later(self.around.clockwork.chance.random(), owned.tell_points)
            owned.step()

    def revoked(self, shard: int, given_up: Callable[[], None]) -> None:
        def act() -> None:
            owned = self.shards.get(shard)
            if owned is None:
                given_up()
                return
            before = owned.given_up  # a process that ends in order waits too

            def both() -> None:
                before()
                given_up()

            owned.given_up = both
            owned.tenure.revoked()
            owned.stir()
            self.later(self.around.config.delivery.drain_seconds, owned.give_up)

        self.later(0.05, act)

    def lost(self) -> None:
        """The session is over; told with the answer to a heartbeat, at the latest when the client's own time-out is over too."""
        chance, session_seconds = self.around.clockwork.chance, self.around.config.delivery.session_timeout_seconds
        self.later(0.2, lambda: self.later(chance.random() * (session_seconds - 1.0), self._lost))

    def _lost(self) -> None:
        for owned in list(self.shards.values()):
            self.around.clockwork.tell("shard lost", f"{owned.tenure.number} of {self.name}")
            owned.lost()
        if not self.around.group.knows(self):
            self.later(0.5, lambda: self.around.group.join(self))

    def gave_up(self, error: Exception) -> None:
        """The process ended itself, which no fault of a run calls for."""
        self.around.failures.append(f"{self.name} ended itself: {error}")
        self.kill()
