"""What a process does with Kafka's messages, without Kafka: findings, dead letters, incidents, checkpoints."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas import wire
from schemas.config import Config
from schemas.records import ValueFrame
from schemas.topics import ASSESSMENTS, DEAD_LETTERS, INCIDENTS, LATE, QUALITY, SKEW, Topic
from stream_processors import worker as shell
from stream_processors.codec import WRITTEN, Codec
from stream_processors.metrics import Metrics
from stream_processors.state import ShardState
from stream_processors.worker import Output, Worker
from tests.unit.schemas.frames import message
from tests.unit.stream_processors.world import HOUR, Heard, micros, point, series, value

IDS = {topic.dataset: 100 + number for number, topic in enumerate(WRITTEN)}
CONFIG = Config.model_validate(
    {
        "source": "plant1",
        "pi": {
            "url": "https://pi/piwebapi",
            "auth": {"kind": "anonymous"},
            "servers": {"main": "85bb49d6-f101-4807-baf9-57c2fbd33000"},
            "points": ({"server": "main"},),
        },
        "kafka": {"bootstrap_servers": "k:1"},
        "registry": {"url": "https://r"},
    }
)


class Registered:
    """The registry: id 7 is a frame, those above 100 are records of ours."""

    schemas = {7: wire.schema_text("value_frame"), 8: "{}"} | {IDS[topic.dataset]: wire.schema_text(topic.record) for topic in WRITTEN}

    def get_schema(self, schema_id: int) -> Any:
        if schema_id not in self.schemas:
            raise SchemaRegistryError(404, 40403, "Schema not found")
        return type("Answer", (), {"schema_str": self.schemas[schema_id]})


class Driven:
    """A worker, driven as Kafka would drive it, and everything that came of it."""

    def __init__(self, shards: tuple[int, ...] = (3,), store: dict[str, bytes] | None = None, begins: int = 0, ends: int = 10**9) -> None:
        client: Any = Registered()
        self.codec, self.metrics = Codec(IDS, client), Metrics()
        self.worker = Worker(CONFIG, self.codec, self.metrics)
        self.store = {} if store is None else store
        for shard in shards:
            self.worker.load(shard, self.store.get, {"live": begins, "recorded": begins}, {"live": ends, "recorded": ends})
            self.worker.point(shard, point(1))
            self.worker.informed(shard)
        self.worker.load_overview(self.store.get)
        self.said: list[Output] = []
        self.moment = 0.0
        self.acknowledged: list[Any] = []

    def take(self, content: bytes | ValueFrame, offset: int, shard: int = 3, dataset: Any = "live") -> None:
        sent = content if isinstance(content, bytes) else message(content)
        if (schema_id := self.codec.lacks(sent)) is not None:
            self.codec.learn(schema_id)
        self.worker.take(dataset, shard, offset, sent, (dataset, offset), self.moment)

    def work(self, now: float = HOUR, shard: int = 3) -> list[Output]:
        """Everything that waits is judged; both topics were read to their ends."""
        self.moment += 10
        for dataset in ("live", "recorded"):
            self.worker.read_to_end(shard, dataset, True, self.moment)
        self.moment += 1
        outputs = [output for outputs in self.worker.work(shard, micros(now), self.moment) for output in outputs]
        self.said += outputs
        return outputs

    def write(self, shard: int = 3) -> None:
        taken = self.worker.checkpoint(shard)
        if taken is not None:
            self.store.update(taken.written)
            self.acknowledged += taken.taken

    def of(self, topic: Topic) -> list[dict[str, Any]]:
        return [self.codec.decode(topic, output.value) for output in self.said if output.topic is topic]

    def figure(self, name: str, **labels: str) -> float:
        found = self.metrics.registry.get_sample_value(name, labels)
        assert found is not None, name
        return found


@pytest.fixture
def driven() -> Driven:
    return Driven()


def frames(count: int, first: int = 0) -> Iterator[tuple[int, ValueFrame]]:
    """Frames of a value each, two offsets apart, as transaction markers lie between; the third is five hours late."""
    heard = Heard()
    for n in range(count):
        made = heard.frame(n, series(1, value(n - (5 * HOUR if n == 2 else 0.2))))
        made["clock"] = (1 << 40) + n
        if n >= first:
            yield 2 * n, made


def test_late_values_go_to_the_partition_of_their_shard_under_the_points_key(driven: Driven) -> None:
    for offset, made in frames(4):
        driven.take(made, offset)
    (late,) = driven.work()
    assert (late.topic, late.key, late.partition) == (LATE, "main:1", 3)
    assert driven.of(LATE)[0]["category"] == "SLIGHTLY_LATE"
    assert driven.figure("pibridge_processors_frames_total", dataset="live", outcome="judged") == 4
    assert driven.figure("pibridge_processors_values_total", dataset="live") == 4
    assert driven.figure("pibridge_processors_late_samples_total", category="SLIGHTLY_LATE") == 1


def test_frames_wait_until_all_is_known_of_their_shard() -> None:
    driven = Driven(())
    driven.worker.load(3, driven.store.get, {}, {})
    for offset, made in frames(4):
        driven.take(made, offset)
    assert driven.work() == []
    driven.worker.informed(3)
    assert len(driven.work()) == 1


def test_messages_of_a_shard_that_is_not_ours_are_left_alone(driven: Driven) -> None:
    for offset, made in frames(3):
        driven.take(made, offset, shard=5)
    assert driven.work(shard=5) == []
    assert driven.worker.checkpoint(5) is None


# Bad input


@pytest.mark.parametrize(
    ("content", "reason", "kind"),
    [
        (b"garbage", "without the header", "undecodable"),
        (b"", "without the header", "undecodable"),
        (b"\x00\x00\x00\x00\x07garbage", "does not fit its schema", "undecodable"),
        (b"\x00\x00\x00\x00\x63garbage", "schema id 99 is not known to the registry", "unknown_schema"),
        (b"\x00\x00\x00\x00\x08garbage", "schema id 8 is no Avro definition", "unknown_schema"),
    ],
)
def test_bytes_that_cannot_be_read_are_a_dead_letter_with_their_place_and_the_rest_goes_on(
    driven: Driven, content: bytes, reason: str, kind: str
) -> None:
    made = list(frames(4))
    driven.take(made[0][1], 0)
    driven.take(content, 1)
    for offset, frame in made[1:]:
        driven.take(frame, offset)
    driven.work()
    (letter,) = driven.of(DEAD_LETTERS)
    assert reason in letter["reason"]
    assert (letter["stage"], letter["content"], letter["topic"], letter["partition"], letter["offset"]) == (
        "PROCESS", content, "pi.plant1.live", 3, 1,
    )  # fmt: skip
    assert len(driven.of(LATE)) == 1
    assert driven.figure("pibridge_processors_refused_total", reason=kind) == 1
    assert driven.of(INCIDENTS) == []


def test_a_frame_from_the_future_is_a_dead_letter_and_the_next_one_is_judged(driven: Driven) -> None:
    made = list(frames(4))
    made[1][1]["received_time"] = micros(2 * HOUR)
    for offset, frame in made:
        driven.take(frame, offset)
    driven.work(now=HOUR)
    (letter,) = driven.of(DEAD_LETTERS)
    assert letter["reason"] == "received_time is 3600 s ahead of this machine's clock"
    assert len(driven.of(LATE)) == 1
    assert driven.figure("pibridge_processors_frames_total", dataset="live", outcome="refused") == 1


def test_a_hole_in_the_sequence_is_an_incident_under_the_id_that_the_landing_gives_it(driven: Driven) -> None:
    for offset, made in frames(6):
        if made["sequence"] not in (2, 3):
            driven.take(made, offset)
    driven.work()
    (incident,) = driven.of(INCIDENTS)
    assert incident["incident_id"] == "hole-pi.plant1.live-3-8-2-4"
    assert (incident["kind"], incident["state"], incident["from_sequence"], incident["to_sequence"]) == ("SEQUENCE_HOLE", "OPENED", 2, 4)
    assert incident["detail"] == "pi.plant1.live partition 3 lacks sequences 2 to 3 before offset 8"
    assert driven.figure("pibridge_processors_missing_frames_total") == 2


def test_a_hole_that_somebody_told_of_before_is_not_told_again(driven: Driven) -> None:
    closed: Any = {name: None for name in (field["name"] for field in wire.raw_schema("incident")["fields"])}
    closed |= {"incident_id": "hole-pi.plant1.live-3-8-2-4", "kind": "SEQUENCE_HOLE", "state": "CLOSED", "from_time": 0, "opened_time": 0}
    driven.worker.incident(closed)
    for offset, made in frames(6):
        if made["sequence"] not in (2, 3):
            driven.take(made, offset)
    driven.work()
    assert driven.of(INCIDENTS) == []


def test_frames_that_are_dead_letters_are_no_hole(driven: Driven) -> None:
    for offset, made in frames(6):
        driven.take(b"garbage" if made["sequence"] in (3, 4) else made, offset)
    driven.work()
    assert driven.of(INCIDENTS) == []
    assert driven.figure("pibridge_processors_missing_frames_total") == 2


def test_frames_that_kafka_dropped_while_nobody_read_are_no_incident() -> None:
    first = Driven()
    for offset, made in frames(2):
        first.take(made, offset)
    first.work()
    first.write()
    later = Driven(store=first.store, begins=8)
    for offset, made in frames(6, first=4):
        later.take(made, offset)
    later.work()
    assert later.of(INCIDENTS) == []
    assert later.figure("pibridge_processors_missing_frames_total") == 2


def test_a_flood_of_garbage_is_counted_and_not_copied(driven: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "LETTERS_A_MINUTE", 5)
    for number in range(20):
        driven.take(b"garbage %d" % number, number)
        driven.take(b"the same", 100 + number)
    driven.work(now=0)
    assert len(driven.of(DEAD_LETTERS)) == 5
    assert driven.figure("pibridge_processors_refused_total", reason="undecodable") == 40
    driven.take(b"another minute", 200)
    driven.work(now=60)
    assert len(driven.of(DEAD_LETTERS)) == 6


def test_a_point_that_changes_its_type_is_a_change_and_no_crash(driven: Driven) -> None:
    made = list(frames(70))
    for _, frame in made[30:]:
        for sample in frame["series"][0]["samples"]:
            sample |= {"value_type": "STRING", "value_double": None, "value_string": "open"}
    for offset, frame in made:
        driven.take(frame, offset)
    driven.work()
    (said,) = driven.of(ASSESSMENTS)
    assert [(change["quality_check"], change["failed"]) for change in said["changes"]] == [("SCHEMA_DRIFT", True)]


# Checkpoints


def test_messages_are_acknowledged_with_the_state_that_has_them_and_garbage_is_too(driven: Driven) -> None:
    for offset, made in frames(3):
        driven.take(made, offset)
    driven.take(b"garbage", 5)
    driven.work()
    driven.take(next(frames(4, first=3))[1], 6)
    driven.write()
    assert driven.acknowledged == [("live", 0), ("live", 2), ("live", 4), ("live", 5)]
    assert driven.worker.checkpoint(3) is None
    driven.work()
    driven.write()
    assert driven.acknowledged[4:] == [("live", 6)]


@pytest.mark.parametrize("written", range(0, 9, 2))
def test_a_worker_that_is_killed_anywhere_says_in_the_end_what_an_undisturbed_one_says(written: int) -> None:
    made = list(frames(8))
    steady = Driven()
    for offset, frame in made:
        steady.take(frame, offset)
    steady.work()
    killed = Driven()
    for offset, frame in made[:written]:
        killed.take(frame, offset)
    killed.work()
    killed.write()
    for offset, frame in made[written : written + 2]:
        killed.take(frame, offset)
    killed.work()  # and dies
    other = Driven(store=killed.store)
    for offset, frame in made[max(0, written - 2) :]:  # what was not acknowledged, and some more
        other.take(frame, offset)
    other.work()
    before = {json.dumps(record, default=str) for record in killed.of(LATE)}
    after = {json.dumps(record, default=str) for record in other.of(LATE)}
    assert before | after == {json.dumps(record, default=str) for record in steady.of(LATE)}
    one, another = (driven.worker._owned[3].shard.state for driven in (steady, other))
    assert one.sequences == another.sequences == {"live": 7}
    assert one.point["count"][0] == another.point["count"][0] == 8, "each value was counted once"


def test_a_state_without_sequences_counts_twice_and_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    load = ShardState.load

    def forgetful(self: ShardState, read: Any) -> bool:
        found = load(self, read)
        self.sequences = {}
        return found

    monkeypatch.setattr(ShardState, "load", forgetful)
    with pytest.raises(AssertionError, match="counted once"):
        test_a_worker_that_is_killed_anywhere_says_in_the_end_what_an_undisturbed_one_says(4)


def test_a_state_that_somebody_else_wrote_into_is_learnt_anew(driven: Driven) -> None:
    for offset, made in frames(3):
        driven.take(made, offset)
    driven.work()
    driven.write()
    (block,) = (name for name in driven.store if "/" in name)
    driven.store[block] = driven.store[block] + b"another's"
    other = Driven(store=driven.store)
    assert other.figure("pibridge_processors_states_lost_total") == 1
    assert other.worker.shards == {3}


def test_periods_are_closed_by_the_wall_clock_once_everything_was_read(driven: Driven) -> None:
    for offset, made in frames(3):
        driven.take(made, offset)
    assert driven.worker.close_periods(micros(71), driven.moment) == [], "frames wait"
    driven.work()
    assert driven.worker.close_periods(micros(65), driven.moment) == [], "frames may be on their way"
    (said,) = driven.worker.close_periods(micros(71), driven.moment)
    assert (said.topic, said.key, said.partition) == (ASSESSMENTS, "3", 0)
    assert driven.worker.checkpoint(3) is not None


def test_a_wall_clock_that_is_ahead_closes_no_periods_whose_frames_may_still_come(driven: Driven) -> None:
    made = list(frames(200))
    for offset, frame in made[:3]:
        driven.take(frame, offset)
    driven.work()
    driven.moment += 1
    assert len(driven.worker.close_periods(micros(10 * HOUR), driven.moment)) == 1
    assert driven.worker.close_periods(micros(10 * HOUR), driven.moment) == []
    for offset, frame in made[3:]:
        driven.take(frame, offset)
    driven.work()
    assert len(driven.of(ASSESSMENTS)) == 2, "of the minutes that ended after the one that was closed"


# All shards together


def assessments(count: int) -> list[bytes]:
    """What two shards say of some periods in which a clock is 90 s ahead and a point has no good value."""
    driven = Driven((0, 1))
    for shard in (0, 1):
        heard = Heard()
        for key in range(3):
            driven.worker.point(shard, point(f"{shard}-{key}", point_source=f"OPC{key}"))
        for n in range(count * 6 + 1):
            parts = [series(f"{shard}-{key}", value(n * 10 + (90 if key == 0 else 0) - 0.2, float(n), good=key != 1)) for key in range(3)]
            made = heard.frame(n * 10, *parts)
            made["clock"] = n
            driven.take(made, n, shard)
        driven.work(now=100 * HOUR, shard=shard)
    by_period = sorted((driven.codec.decode(ASSESSMENTS, output.value)["period"], output.value) for output in driven.said)
    return [content for _, content in by_period]


def overseen(driven: Driven, contents: list[bytes], first: int = 0) -> list[Output]:
    return [output for n, content in enumerate(contents, first) for output in driven.worker.oversee(n, content, n, micros(0))]


def test_what_shards_say_becomes_findings_about_clocks_and_points() -> None:
    driven = Driven()
    driven.said = overseen(driven, assessments(130))
    skewed = {found["clock_group"]: found["offset_ours_seconds"] for found in driven.of(SKEW) if found["state"] == "SKEWED"}
    assert skewed.keys() == {"main/OPC0"}
    assert abs(skewed["main/OPC0"] + 90) < 0.3
    assert {(found["quality_check"], found["state"]) for found in driven.of(QUALITY)} >= {("GOOD_RATE", "FAILED")}
    assert {output.key for output in driven.said if output.topic is SKEW} >= {"main/OPC0"}
    assert {output.partition for output in driven.said if output.topic is SKEW} == {0}


@pytest.mark.parametrize("died", [3, 100, 259])
def test_an_overview_that_is_killed_goes_on_where_it_was(died: int) -> None:
    contents = assessments(130)
    steady = overseen(Driven(), contents)
    killed = Driven()
    before = overseen(killed, contents[:died])
    taken = killed.worker.checkpoint_overview()
    assert taken is not None
    assert taken.taken == list(range(died))
    lost = overseen(killed, contents[died : died + 20], died)
    other = Driven(store=dict(taken.written))
    after = overseen(other, contents[max(0, died - 5) :], max(0, died - 5))
    assert before + after == steady
    assert lost == after[: len(lost)]


def test_a_shard_whose_periods_come_too_late_for_its_clocks_shows(driven: Driven) -> None:
    told = [(driven.codec.decode(ASSESSMENTS, content), content) for content in assessments(12)]
    overseen(driven, [content for said, content in told if said["shard"] == 0])
    assert driven.figure("pibridge_processors_belated_assessments_total") == 0
    overseen(driven, [content for said, content in told if said["shard"] == 1])
    assert driven.figure("pibridge_processors_belated_assessments_total") == 12


def test_garbage_among_assessments_is_a_dead_letter(driven: Driven) -> None:
    driven.said = driven.worker.oversee(7, b"garbage", 7, micros(0))
    (letter,) = driven.of(DEAD_LETTERS)
    assert (letter["topic"], letter["offset"]) == ("pi.plant1.assessments", 7)
    assert driven.worker.checkpoint_overview() is not None
