"""One run from one seed: a plant, a Kafka, processes; half an hour of faults; then the plant stands still, and the verifier judges."""

import time
from dataclasses import dataclass, field
from typing import Any

from bridge.tenure import Tenure
from proofs.simulation.broker import Broker, State
from proofs.simulation.channels import Channels
from proofs.simulation.clockwork import EPOCH, Clockwork
from proofs.simulation.group import Group
from proofs.simulation.jobs import drawn, untrue
from proofs.simulation.nemesis import STORM_SECONDS, Nemesis
from proofs.simulation.owned import Owned, Surroundings
from proofs.simulation.owner import Owner
from proofs.simulation.plant import SERVER_ID, Plant, PointModel
from proofs.simulation.web_api import WebApi
from schemas.config import Config
from schemas.records import Point
from schemas.shards import shard_of
from schemas.times import TICKS_PER_SECOND, datetime_of
from schemas.topics import INCIDENTS, PROGRESS, TOPICS
from verifier import journal
from verifier.checks import Evidence, verify
from verifier.frames import VALUE_DATASETS, Records, frame_of, incident_of, take_progress

REST_SECONDS = 2400.0
"""After the last value the bridge must be at rest within this."""
AGES_SECONDS = (60.0, 240.0, 600.0)
"""When data is read once more, in the runs that do so."""
_START_SECONDS = 5400.0
"""Back-fill reaches so far back."""
_POINT_TYPES = ("Float64", "Float64", "Int32", "Digital", "String")


@dataclass
class Verdict:
    """What a run came to."""

    seed: int
    failures: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    happened: dict[str, int] = field(default_factory=dict)
    examined: dict[str, int] = field(default_factory=dict)
    simulated_seconds: float = 0.0
    cpu_seconds: float = 0.0
    trace: list[str] = field(default_factory=list)


class Run:
    """All that takes part in a run."""

    def __init__(self, seed: int, telling: bool = False) -> None:
        begin = 25.0 if seed % 4 == 0 else 60.0 * (seed * 7 % 60)  # a quarter begins when an hour has just become full
        # In another quarter data is read again at ages, which mends what was missed before: the others have to do without.
        self.ageing = seed % 4 == 1
        if self.ageing:
            begin = 1800.0 + 60.0 * (seed * 7 % 20)  # so that an hour becomes full while values flow
        self.seed, self.begin = seed, begin
        self.clockwork = Clockwork(seed, begin, telling)
        self._chance = self.clockwork.chance
        self.config = _config(self.clockwork, EPOCH + int((begin - _START_SECONDS) * TICKS_PER_SECOND), self.ageing)
        delivery = self.config.delivery
        self.plant = Plant(self.clockwork)
        self.channels = Channels(self.clockwork, self.plant)
        self.web_api = WebApi(self.clockwork, self.plant)
        self.broker = Broker(self.clockwork, delivery.shards, 60.0, delivery.transaction_timeout_seconds)
        self.group = Group(self.clockwork, delivery.shards, delivery.session_timeout_seconds)
        topics = {topic.dataset: (f"id-{topic.dataset}", topic.partition_count(delivery.shards)) for topic in TOPICS}
        inventory: dict[int, dict[str, Point]] = {shard: {} for shard in range(delivery.shards)}
        self.around = Surroundings(self.clockwork, self.config, self.broker, self.channels, self.web_api, self.group, inventory, topics)
        self.owners: list[Owner] = []
        self._flowing = True
        self.usual_queue_seconds = self.plant.queue_seconds = self._chance.choice((0.0, 3.0, 8.0))
        for _ in range(20 + self._chance.randrange(6)):
            self.add_point(history=self._chance.random() < 0.8)
        for _ in range(1 + self._chance.randrange(3)):
            self.clockwork.later(self._chance.random() * 5, self.start_owner)

    @property
    def oldest_age_seconds(self) -> float:
        """All data is read again until it is so old."""
        return max(self.config.coverage.reread_ages_seconds)

    @property
    def must_rest_by(self) -> float:
        """When the bridge must be at rest, with a while to spare."""
        return self.begin + STORM_SECONDS + REST_SECONDS - 600.0

    # -- taking part --------------------------------------------------------------------------------------------------------------------

    def add_point(self, history: bool = False) -> None:
        """A point comes to be, and into the inventory."""
        number = len(self.plant.points) + 1
        mean = self._chance.choice((4.0, 20.0, 20.0, 60.0, 200.0))
        point = PointModel(number, self._chance.choice(_POINT_TYPES), mean, self._chance.choice((0.0, 0.3, 0.7)))
        point.late_seconds = self._chance.choice((0.0, 0.0, 0.0, 10.0, 45.0, 45.0))
        self.plant.add(point)
        if history:
            self.plant.remember(point, self.clockwork.ticks() - int(7000 * TICKS_PER_SECOND), self.clockwork.ticks() - TICKS_PER_SECOND)
        record = _record(point, self.config)
        shard = shard_of(point.key, self.config.delivery.shards)
        self.around.inventory[shard][point.key] = record
        for owner in self.owners:
            if shard in owner.shards:
                owner.shards[shard].tenure.point(point.key, record)
        self.clockwork.later(self._chance.random() * mean, lambda: self._flow(point))

    def _flow(self, point: PointModel) -> None:
        """The next value of a point; at times several at one instant, a little late, or ahead of time."""
        if not self._flowing:
            return
        chance = self._chance.random()
        ahead = 30.0 * self._chance.random() if chance < 0.01 else -point.late_seconds - 2.0 * self._chance.random()
        ticks = self.clockwork.ticks() + int(ahead * TICKS_PER_SECOND)
        if ahead > 0:
            self.clockwork.tell("value from the future")
        run = self._chance.choice((2, 3, 9, 25)) if chance > 0.96 else 1
        if run > 1:
            self.clockwork.tell("run at one instant")
        for _ in range(run):
            self.plant.write(point, ticks)
        self.clockwork.later(self._chance.expovariate(1 / point.mean_seconds), lambda: self._flow(point))

    def give_command(self) -> None:
        """A person wants something read."""
        commands = self.around.commands
        commands.append(drawn(self.clockwork, len(commands), list(self.plant.points.values())))
        self.clockwork.tell(f"command: {commands[-1]['kind'].lower()}", commands[-1]["job_id"])

    def start_owner(self) -> None:
        """A process starts."""
        self.owners.append(Owner(f"bridge-{len(self.owners) + 1}", self.around))

    def running_owner(self) -> Owner | None:
        """One of the processes that run, by chance."""
        running = [owner for owner in self.owners if owner.beats()]
        return self._chance.choice(running) if running else None

    def lines(self) -> list[Any]:
        """The sockets of processes that run."""
        return [line for owner in self.owners if owner.beats() for owned in owner.shards.values() for line in owned.lines]

    def shards_that_see_a_stuck_queue(self) -> int:
        """How many shards take no archive for complete now, and have written that down: else their next owners do not know it."""
        seen = 0
        for (dataset, _), log in self.broker.logs.items():
            if dataset == PROGRESS.dataset:
                written = (entry.value["shard"] for entry in reversed(log) if entry.transaction.state is State.COMMITTED)
                newest = next((shard for shard in written if shard is not None), None)
                seen += newest is not None and bool(newest["stuck_queues"])
        return seen

    # -- the run ------------------------------------------------------------------------------------------------------------------------

    def play(self) -> Verdict:
        """The whole run, and its verdict."""
        began = time.process_time()
        Nemesis(self).plan(self.begin + 20.0, self.begin + STORM_SECONDS - 120.0)
        self.clockwork.run(self.begin + STORM_SECONDS)
        self._flowing = False
        unrest = self._wait_for_rest()
        verdict = self.judge(unrest)
        verdict.cpu_seconds = time.process_time() - began
        return verdict

    def _wait_for_rest(self) -> str | None:
        """Why the bridge did not come to rest in time; None if it did."""
        unrest: str | None = "nothing was looked at"
        until = self.clockwork.now + REST_SECONDS
        while unrest is not None and self.clockwork.now < until:
            self.clockwork.run(self.clockwork.now + 10.0)
            unrest = self._unrest()
        return unrest

    def _unrest(self) -> str | None:
        if self.clockwork.now < self.plant.found_at:
            return "what people changed in silence has not reached its last age"
        for shard in range(self.config.delivery.shards):
            owning = [owned for owner in self.owners if owner.alive and (owned := owner.shards.get(shard))]
            if len(owning) != 1:
                return f"shard {shard} has {len(owning)} owners"
            if (reason := _unrest_of(owning[0], self)) is not None:
                return f"shard {shard}: {reason}"
        return None

    def judge(self, unrest: str | None) -> Verdict:
        """What the verifier says about the journal and the topics."""
        truth = journal.parse(iter(self.plant.lines))
        self._count_what_was_published()
        findings = verify(Evidence(truth, self.records(), aliases={"main": SERVER_ID}), settled=True)
        verdict = Verdict(self.seed, {check: count for check, count in findings.counts.items() if count})
        verdict.examples = {check: findings.example(check) or "" for check in verdict.failures}
        jobs = list(untrue(self.broker, self.around.commands))
        for name, texts in (("rest", [unrest] if unrest else []), ("conduct", self.around.failures), ("jobs", jobs)):
            if texts:
                verdict.failures[name], verdict.examples[name] = len(texts), texts[0]
        verdict.happened, verdict.examined = dict(self.clockwork.happened), dict(findings.examined)
        verdict.simulated_seconds, verdict.trace = self.clockwork.now - self.begin, self.clockwork.trace
        return verdict

    def _count_what_was_published(self) -> None:
        happened, records = self.clockwork.happened, self.records()
        for frame in records.frames:
            for series in frame.series:
                happened["ranges confirmed"] += series.statement is not None and series.statement.kind == "CONFIRMED"
        for incident in records.incidents:
            happened[f"incident {incident.kind} {incident.state}"] += 1

    def records(self) -> Records:
        """What a reader of committed records finds in Kafka."""
        records = Records(partitions=self.config.delivery.shards)
        for (dataset, partition), log in self.broker.logs.items():
            for offset, entry in enumerate(log):
                if entry.transaction.state is not State.COMMITTED:
                    continue
                if dataset in VALUE_DATASETS:
                    records.frames.append(frame_of(entry.value, dataset, partition, offset))
                elif dataset == PROGRESS.dataset:
                    take_progress(records, entry.key or "", entry.value)
                elif dataset == INCIDENTS.dataset:
                    records.incidents.append(incident_of(entry.value))
        return records


def _unrest_of(owned: Owned, run: Run) -> str | None:
    """Why a shard is not at rest."""
    tenure: Tenure = owned.tenure
    incarnation = tenure.incarnation
    if incarnation is None or not owned.at_work(incarnation):
        return "not taken over"
    if not incarnation.frames.empty or incarnation.incidents.records:
        return f"{len(incarnation.incidents.records)} incidents open, frames empty: {incarnation.frames.empty}"
    if incarnation.commands.open or incarnation.commands.reports or incarnation.state.commands_offset < len(run.around.commands):
        return "a job is not done"
    for key in incarnation.points:
        coverage, model = incarnation.coverage.get(key), run.plant.points[int(key.partition(":")[2])]
        if coverage is None or coverage.low is None or coverage.high is None:
            return f"{key} was never read"
        settled = EPOCH + int(model.changed * TICKS_PER_SECOND) + incarnation.rules.settle
        snapshot = model.snapshot.ticks if model.snapshot else coverage.high
        for wrong, why in (
            (coverage.dirty, "hours are dirty"),
            (coverage.blind is not None, "a forward read is owed"),
            (coverage.in_flight is not None, "a read is on its way"),
            (coverage.low > coverage.start, "not filled back"),
            (coverage.high < snapshot, "not read up to its newest value"),
            (bool(coverage.aways.ranges), "its archive was away"),
            (coverage.archived_until is not None, "its event queue is stuck"),
            (coverage.reread_overdue(EPOCH + int(run.clockwork.now * TICKS_PER_SECOND), incarnation.rules) > 0, "not read at its age"),
            (coverage.as_of <= settled, "not read since its last change"),
        ):
            if wrong:
                return f"{key}: {why}"
    return None


def _record(point: PointModel, config: Config) -> Point:
    start = config.coverage.start
    assert not hasattr(start, "days")
    return {
        "source": config.source, "point_key": point.key, "server": "main", "server_id": SERVER_ID, "point_id": point.number,
        "web_id": point.web_id, "tag": f"T{point.number}", "path": "", "descriptor": None, "point_class": None,
        "point_type": point.point_type, "digital_set": None, "engineering_units": "", "zero": None, "span": None, "step": False,
        "future": False, "display_digits": None, "in_scope": True, "start_time": int(start.timestamp()) * 1_000_000, "received_time": 0,
        "point_source": None,
    }  # fmt: skip


def _config(clockwork: Clockwork, start: int, ageing: bool) -> Config:
    """A configuration whose times are short, so that much happens in half an hour; sizes are drawn."""
    chance = clockwork.chance
    return Config.model_validate(
        {
            "source": "sim",
            "pi": {
                "url": "https://pi.example/piwebapi",
                "auth": {"kind": "anonymous"},
                "servers": {"main": SERVER_ID},
                "points": [{"server": "main"}],
                "load": {"page_values": chance.choice((3, 7, 40, 1000)), "batch_points": chance.choice((3, 10, 100)),
                         "request_timeout_seconds": 20.0, "requests_per_second": 20.0},
                "channels": {"silence_seconds": 20.0, "url_bytes": chance.choice((512, 4096)), "reconnect_max_seconds": 20.0,
                             "rejoin_seconds": 60.0},
            },
            "kafka": {"bootstrap_servers": "kafka:9092"},
            "registry": {"url": "https://registry.example"},
            "coverage": {"start": datetime_of(start // 10).replace(microsecond=0), "settle_seconds": 20.0, "seal_previews": 10,
                         "seal_min_seconds": 30.0, "seal_max_seconds": 120.0, "quiet_seconds": 300.0,
                         "blind_margin_seconds": 1800.0, "slice_seconds": 1800.0,
                         "reread_ages_seconds": AGES_SECONDS if ageing else (7200.0, 86_400.0), "reread_share": 0.5,
                         "away_retry_seconds": 240.0, "stuck_previews": 8},
            "delivery": {"shards": 3, "frame_seconds": 1.0, "commit_seconds": 1.0, "frame_samples": chance.choice((5, 1000)),
                         "frame_bytes": chance.choice((1024, 256_000)), "commit_bytes": chance.choice((5_000, 1_000_000)),
                         "waiting_bytes": chance.choice((20_000, 1_000_000)), "transaction_timeout_seconds": 15.0,
                         "session_timeout_seconds": 10.0, "drain_seconds": 10.0},
        }
    )  # fmt: skip


def play(seed: int, telling: bool = False) -> Verdict:
    """The run of a seed."""
    return Run(seed, telling).play()
