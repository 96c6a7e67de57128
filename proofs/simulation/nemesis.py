"""What goes wrong in a run, when, and for how long: drawn from the seed."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from proofs.simulation.broker import OUTCOMES
from proofs.simulation.channels import Connection
from proofs.simulation.plant import LATE_SECONDS, PointModel
from proofs.simulation.web_api import SPOILING, WHOLE, nobody
from schemas.times import TICKS_PER_SECOND

if TYPE_CHECKING:
    from proofs.simulation.run import Run

LEAST_FAULTS = 5
STORM_SECONDS = 1800.0
"""So long values flow and faults occur."""
Fault = Callable[["Nemesis", float], None]


class Nemesis:
    """Starts faults; each ends by itself. Several may be on at once."""

    def __init__(self, run: "Run") -> None:
        self._run, self._clockwork = run, run.clockwork
        self._chance = run.clockwork.chance

    def plan(self, begin: float, end: float) -> None:
        """Draws the faults of a run; some values come late before anybody listens."""
        if self._chance.random() < 0.2:
            self._clockwork.tell("fault: archive off-line", "from the beginning")
            self.take_archive_away(60.0)
        for _ in range(12):
            self._clockwork.later(self._chance.random() * 12, self._late)
        # A third of the runs is calm: each hand-over has hours read again, which hides what was missed before.
        for _ in range(LEAST_FAULTS + self._chance.randrange(5) + self._chance.choice((0, 7, 14))):
            name, at = self._chance.choice(list(FAULTS)), begin + self._chance.random() * (end - begin)
            self._clockwork.later(at - self._clockwork.now, partial(self._start, name))
        quiet_end = self._chance.random() < 0.5
        if quiet_end:  # nothing hides what is missed now: no late value of the same hour, and mostly no hand-over
            end -= 240.0
            self._clockwork.later(end + 10.0 - self._clockwork.now, partial(self._start, "late under slow reads"))
        for _ in range(20 + self._chance.randrange(40)):
            at = begin + self._chance.random() * (end - begin) - self._clockwork.now
            self._clockwork.later(at, self._late if self._chance.random() < 0.5 else self._correct)
        if self._run.ageing:
            for _ in range(20):
                self._clockwork.later(begin + self._chance.random() * (end - begin) - self._clockwork.now, self._change_in_silence)

        for _ in range(self._chance.choice((0, 2, 5))):
            self._clockwork.later(begin + self._chance.random() * (end - begin) - self._clockwork.now, self._run.give_command)

    def _start(self, name: str) -> None:
        seconds = 2.0 * 30.0 ** self._chance.random()
        self._clockwork.tell(f"fault: {name}", f"{seconds:.1f} s")
        FAULTS[name](self, seconds)

    def _for(self, seconds: float, undo: Callable[[], None]) -> None:
        self._clockwork.later(seconds, undo)

    # -- PI ---------------------------------------------------------------------------------------------------------------------------

    def spoil(self, name: str, seconds: float) -> None:
        """Answers are spoilt in one way; an archive that is away is away for all. Late values have hours read again meanwhile."""
        api = self._run.web_api
        if name not in WHOLE:
            seconds = max(seconds, 45.0)
            for _ in range(6):
                self._late()
        api.faults[name] = 1.0 if name in ("empty archive", "no data") else 0.2 + 0.8 * self._chance.random()
        self._for(seconds, lambda: _forget(api.faults, name))

    def slow(self, seconds: float) -> None:
        api = self._run.web_api
        api.slow_seconds = 30.0

        def undo() -> None:
            api.slow_seconds = 0.0

        self._for(seconds, undo)

    def hold_queue(self, seconds: float) -> None:
        """The event queue holds back, but never as long as the bridge's settle."""
        plant = self._run.plant
        plant.queue_seconds = self._run.config.coverage.settle_seconds * (0.3 + 0.5 * self._chance.random())

        usual = self._run.usual_queue_seconds

        def undo() -> None:
            plant.queue_seconds = usual

        self._for(seconds, undo)

    def hold_queue_for_long(self, seconds: float) -> None:
        """The event queue is stuck: nothing enters the archive, while live values flow, until each shard has noticed, and a while longer.

        What a shard with few values does not notice in time is found by re-reads at an age, which most runs have not: there all channels
        are cut, so that all of it is read again.
        """
        last = self._run.begin + STORM_SECONDS - 60.0
        if self._clockwork.now > last - 400.0 or self._run.plant.stuck:
            return
        self._run.plant.stuck = True
        self._clockwork.tell("event queue stuck")

        def release(noticed: bool) -> None:
            self._run.plant.release()
            for connection in [] if noticed else self._of_running_owners():
                self._run.channels.drop(connection, False)

        def look() -> None:
            noticed = self._run.shards_that_see_a_stuck_queue() == self._run.config.delivery.shards
            if not noticed and self._clockwork.now < last:
                self._clockwork.later(5.0, look)
            else:
                self._for(seconds, partial(release, noticed))

        look()

    def take_archive_away(self, seconds: float) -> None:
        """The files with older data are off-line: requests that begin or end in them are answered No Data there."""
        api = self._run.web_api
        api.offline_before = self._clockwork.ticks() - int((600.0 + 3600.0 * self._chance.random()) * TICKS_PER_SECOND)

        def undo() -> None:
            api.offline_before = 0

        self._for(100.0 + 4 * seconds, undo)

    def _late(self) -> None:
        point = self._chance.choice(list(self._run.plant.points.values()))
        late = LATE_SECONDS ** self._chance.random()
        for _ in range(self._chance.choice((1, 1, 3))):
            self._clockwork.tell("late insert")
            self._run.plant.write(point, self._clockwork.ticks() - int(late * TICKS_PER_SECOND))

    def _correct(self) -> None:
        deleting = self._chance.random() < 0.5
        if self._run.plant.correct(self._chance.choice(list(self._run.plant.points.values())), deleting):
            self._clockwork.tell("deletion" if deleting else "edit")

    def _change_in_silence(self) -> None:
        plant = self._run.plant
        if plant.change_in_silence(self._chance.choice(list(plant.points.values())), self._run.oldest_age_seconds, self._run.must_rest_by):
            self._clockwork.tell("silent change")

    def _write_between(self, point: PointModel, low: int, high: int) -> None:
        self._run.plant.write(point, self._chance.randrange(low, high))

    def late_burst(self, seconds: float) -> None:
        """A buffered interface comes back."""
        for _ in range(5):
            self._clockwork.later(self._chance.random() * seconds, self._late)

    def late_under_slow_reads(self, seconds: float) -> None:
        """Late values come while answers are on the way that cannot show them."""
        seconds = max(seconds, 100.0)
        self.slow(seconds)
        done: set[int] = set()
        for _ in range(6):
            self._late()

        def answered(point: PointModel, first: int, last: int, on_its_way_seconds: float) -> None:
            low, high = max(first, self._clockwork.ticks() - int(LATE_SECONDS * TICKS_PER_SECOND)), min(last, self._clockwork.ticks())
            if on_its_way_seconds > 5.0 and last < self._clockwork.ticks() and low < high and point.number not in done:
                done.add(point.number)  # once, for another one would have the hour read once more, and hide what was missed
                self._clockwork.tell("late insert under a read")
                self._clockwork.later(0.1, partial(self._write_between, point, low, high))

        api = self._run.web_api
        api.answered = answered

        def undo() -> None:
            api.answered = nobody

        self._for(seconds, undo)

    # -- channels -----------------------------------------------------------------------------------------------------------------------

    def _of_running_owners(self) -> list[Connection]:
        """Channels of processes that can hear that they were cut: of others nobody has to say so."""
        running = {id(line) for line in self._run.lines()}
        return [c for c in self._run.channels.connections.values() if id(c.client) in running]

    def drop(self, half_open: bool) -> None:
        connections = self._of_running_owners()
        for connection in self._chance.sample(connections, self._chance.randint(1, len(connections)) if connections else 0):
            self._run.channels.drop(connection, half_open)

    def stall(self, seconds: float | None) -> None:
        for connection in self._of_running_owners()[:2]:
            self._run.channels.stall(connection, seconds)

    def stall_while_the_queue_holds_back(self, seconds: float) -> None:
        """Reads find snapshots that no channel has told of yet, while the events before them are on their way into the archive."""
        seconds = max(seconds, 240.0)
        self.hold_queue(seconds)

        def again() -> None:
            for connection in self._of_running_owners():
                self._run.channels.stall(connection, 8.0 + 8.0 * self._chance.random())

        for number in range(4):
            self._clockwork.later(20.0 * number, again)
        api, usual = self._run.web_api, self._run.web_api.answering

        def answering(point: PointModel, last: int) -> None:
            late = int((point.late_seconds + self._chance.random()) * TICKS_PER_SECOND)
            if (
                point.late_seconds > self._run.config.coverage.settle_seconds
                and last > self._clockwork.ticks()
                and self._clockwork.likely(0.3)
            ):
                self._clockwork.tell("value as a read is answered")
                self._run.plant.write(point, self._clockwork.ticks() - late)

        api.answering = answering

        def undo() -> None:
            api.answering = usual

        self._for(seconds, undo)

    def refuse_channels(self, seconds: float) -> None:
        channels = self._run.channels
        channels.refusing = self._chance.choice((503, 401))

        def undo() -> None:
            channels.refusing = None

        self._for(seconds, undo)
        self.drop(False)

    def ban(self, seconds: float) -> None:
        """PI refuses channels with one of the streams."""
        channels = self._run.channels
        channels.banned = self._chance.choice(list(self._run.plant.by_web_id))

        def undo() -> None:
            channels.banned = None

        self._for(seconds, undo)
        self.drop(False)

    def lose(self, seconds: float) -> None:
        channels = self._run.channels
        channels.losing = 0.3

        def undo() -> None:
            channels.losing = 0.0

        self._for(seconds, undo)

    def shuffle(self, seconds: float) -> None:
        channels = self._run.channels
        channels.shuffling = True

        def undo() -> None:
            channels.shuffling = False

        self._for(seconds, undo)

    def garble(self) -> None:
        for connection in self._of_running_owners()[:1]:
            self._run.channels.garble(connection)

    # -- Kafka ------------------------------------------------------------------------------------------------------------------------

    def commits(self, name: str, seconds: float) -> None:
        broker = self._run.broker
        broker.faults[name] = 0.1 + 0.5 * self._chance.random()
        self._for(seconds, lambda: _forget(broker.faults, name))

    def brokers_away(self, seconds: float) -> None:
        broker = self._run.broker
        broker.away = True

        def undo() -> None:
            broker.away = False

        self._for(seconds, undo)

    # -- processes --------------------------------------------------------------------------------------------------------------------

    def kill(self, seconds: float) -> None:
        if owner := self._run.running_owner():
            owner.kill()
            self._for(seconds, self._run.start_owner)

    def kill_deaf(self, seconds: float) -> None:
        """The process ends before it could notice that its channels are dead."""
        self.drop(True)
        self._clockwork.later(1.0 + self._chance.random() * 18, lambda: self.kill(seconds))

    def stop_in_order(self, seconds: float) -> None:
        if owner := self._run.running_owner():
            owner.stop()
            self._for(seconds, self._run.start_owner)

    def stand_still(self, seconds: float) -> None:
        if owner := self._run.running_owner():
            owner.stand_still()
            self._for(seconds, owner.go_on)

    def lose_session(self) -> None:
        """The group takes a member for gone that is alive: it commits on until it hears of it."""
        if owner := self._run.running_owner():
            self._run.group.evict(owner)

    def slow_take_over(self, seconds: float) -> None:
        """A successor reads progress for long, while the owner before commits on."""
        broker = self._run.broker
        broker.slow_reading_seconds = 8.0

        def undo() -> None:
            broker.slow_reading_seconds = 1.0

        self._for(max(seconds, 20.0), undo)
        self.lose_session()

    def jump(self) -> None:
        """Somebody sets the clocks of machines."""
        for owner in self._run.owners:
            owner.wall_offset_micros += self._chance.randint(-7200, 7200) * 1_000_000

    def kill_after_a_command(self, seconds: float) -> None:
        """A process ends just when it has taken a command."""
        self._run.give_command()
        self._clockwork.later(self._chance.random() * 4, lambda: self.kill(seconds))

    def new_point(self) -> None:
        self._run.add_point()


def _forget(faults: dict[str, float], name: str) -> None:
    faults.pop(name, None)


def _spoiling(name: str) -> Fault:
    return lambda nemesis, seconds: nemesis.spoil(name, seconds)


def _commits(name: str) -> Fault:
    return lambda nemesis, seconds: nemesis.commits(name, seconds)


FAULTS: dict[str, Fault] = {
    **{name: _spoiling(name) for name in SPOILING},
    **{name: _commits(name) for name in OUTCOMES},
    "slow answers": Nemesis.slow,
    "event queue held": Nemesis.hold_queue,
    "event queue stuck": Nemesis.hold_queue_for_long,
    "archive off-line": Nemesis.take_archive_away,
    "late burst": Nemesis.late_burst,
    "late under slow reads": Nemesis.late_under_slow_reads,
    "channels dropped": lambda n, _: n.drop(False),
    "channels half open": lambda n, _: n.drop(True),
    "channels stall": Nemesis.stall,
    "channels stall for good": lambda n, _: n.stall(None),
    "channels stall while the queue holds back": Nemesis.stall_while_the_queue_holds_back,
    "channels refused": Nemesis.refuse_channels,
    "stream refused": Nemesis.ban,
    "messages lost": Nemesis.lose,
    "messages shuffled": Nemesis.shuffle,
    "message garbled": lambda n, _: n.garble(),
    "brokers away": Nemesis.brokers_away,
    "process killed": Nemesis.kill,
    "process killed while deaf": Nemesis.kill_deaf,
    "process stopped in order": Nemesis.stop_in_order,
    "process stands still": Nemesis.stand_still,
    "session lost": lambda n, _: n.lose_session(),
    "slow take-over": Nemesis.slow_take_over,
    "wall clock jumps": lambda n, _: n.jump(),
    "process killed after a command": Nemesis.kill_after_a_command,
    "new point": lambda n, _: n.new_point(),
}
