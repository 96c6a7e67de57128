"""What happens in each run: the same with a defect as without, so that the difference in the verdict is the defect's."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from os import kill
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bridge.kafka import read_partition
from console.stack.child import Child
from proofs.deployment import PATIENCE_SECONDS, SETTLE_SECONDS, SHARDS, Conditions, Deployment, ProofFailed
from schemas.times import TICKS_PER_HOUR
from schemas.topics import COMMANDS, RECORDED

_FLOW_SECONDS, _SLOW_SECONDS = 12.0, 1.5
_REFUSED = 1


@dataclass(frozen=True)
class Scene:
    """A course of events; `usual` is the patch of the run without a defect, if its accident needs one."""

    name: str
    conditions: Conditions
    play: Callable[[Deployment, str], bool]
    """Plays it with a patch; False if the bridge did not come to rest."""
    usual: str = ""
    told: bool = False
    """Without the defect the job tells of what is lost and has it read again, which nobody does in this scene: no green verdict."""


class Defect(NamedTuple):
    """A patch, the scene in which it does harm, and the checks of which one at least must notice it."""

    patch: str
    scene: Scene
    checks: frozenset[str]


def _land(deployment: Deployment, patch: str = "") -> None:
    code = deployment.land(patch)
    if code == _REFUSED:  # sequences are not as they must be; the incident stays open, and the verifier judges what is in the tables
        code = deployment.land("the job follows no sequences", "spark-again")
    if code != 0:
        raise ProofFailed(f"{deployment.source}: the bronze job ended with exit code {code}; its log is in {deployment.directory}")


def _flow(deployment: Deployment, patch: str) -> bool:
    """Values flow, some come late, two of one instant among them; the newest of an hour that is covered is deleted."""
    bridge = deployment.bridge(patch)
    time.sleep(_FLOW_SECONDS / 2)
    points = deployment.floats()[:4]
    for point in points:
        deployment.plant.insert(point.point_id, "*-45m", 1.25)
    time.sleep(_FLOW_SECONDS / 4)
    assert points[0].newest_archived is not None
    hour_end = points[0].newest_archived // TICKS_PER_HOUR * TICKS_PER_HOUR
    for point in points:
        ticks = deployment.plant.archive(point, hour_end - TICKS_PER_HOUR, hour_end)[-1][0]
        deployment.control("/delete", {"point_id": point.point_id, "time": text_of(ticks), "index": 0})
    time.sleep(_FLOW_SECONDS / 4)
    still = deployment.stand_still()
    bridge.stop()
    _land(deployment)
    return still


def text_of(ticks: int) -> str:
    seconds, rest = divmod(ticks, 10_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:07d}Z"


def _slow_answers(deployment: Deployment, patch: str) -> bool:
    """Late values come while answers are on the way: a first one has its hour read settle later, the next comes meanwhile."""
    bridge = deployment.bridge(patch)
    time.sleep(_FLOW_SECONDS / 2)
    deployment.control("/faults", {"fault": "slow", "seconds": _SLOW_SECONDS, "path": "batch"})
    for _ in range(4):
        for pause_seconds in (SETTLE_SECONDS + _SLOW_SECONDS / 2, SETTLE_SECONDS + 2 * _SLOW_SECONDS):
            for point in deployment.floats()[:6]:
                deployment.plant.insert(point.point_id, "*-60s", 2.5)  # well below the covered end
            time.sleep(pause_seconds)
    deployment.control("/faults", {"end": "all"})
    still = deployment.stand_still()
    bridge.stop()
    _land(deployment)
    return still


def _crash(deployment: Deployment, patch: str) -> bool:
    """The bridge dies between Kafka's acknowledgements, and starts again."""
    dying = deployment.bridge(patch, "bridge-that-dies")
    deployment.ended(dying)
    bridge = deployment.bridge()
    time.sleep(_FLOW_SECONDS / 2)
    still = deployment.stand_still()
    bridge.stop()
    _land(deployment)
    return still


def _stopped_owner(deployment: Deployment, patch: str) -> bool:
    """An owner stands still in a transaction until another has taken over, and then goes on as if nothing had been."""
    first = deployment.bridge("stops in a transaction", "bridge-stopped")
    deployment.wait_until(lambda: _told(first, '"stands still"') == 1, "the transaction", PATIENCE_SECONDS)
    second = deployment.bridge(patch)
    deployment.wait_until(lambda: _told(second, '"progress read"') >= SHARDS, "a take-over of every shard", PATIENCE_SECONDS)
    kill(first.pid, signal.SIGCONT)
    time.sleep(_FLOW_SECONDS)
    first.stop()
    still = deployment.stand_still()
    second.stop()
    _land(deployment)
    return still


def _told(child: Child, text: str) -> int:
    child.check()
    return child.log().count(text)


def _aborted(deployment: Deployment, patch: str) -> bool:
    """A transaction of the bridge's own frames is aborted beside the others; then the job lands."""
    bridge = deployment.bridge()
    time.sleep(_FLOW_SECONDS)
    still = deployment.stand_still()
    bridge.stop()
    topic = RECORDED.name(deployment.source)
    frames = [value for _, value in read_partition(deployment.config, topic, 0) if value is not None][:5]
    producer = Producer({"bootstrap.servers": deployment.stack.bootstrap_servers, "transactional.id": f"aborts-{deployment.source}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for frame in frames:
        producer.produce(topic, value=frame, partition=0)
    producer.flush(20)
    producer.abort_transaction(20)
    _land(deployment, patch)
    return still


def _retention(deployment: Deployment, patch: str) -> bool:
    """Kafka deletes what the job has not landed, while it stands still between two runs."""
    bridge = deployment.bridge()
    time.sleep(_FLOW_SECONDS / 2)
    if deployment.land(name="spark-before") != 0:
        raise ProofFailed(f"{deployment.source}: the first landing failed; its log is in {deployment.directory}")
    time.sleep(_FLOW_SECONDS / 2)
    still = deployment.stand_still()
    bridge.stop()
    admin = AdminClient({"bootstrap.servers": deployment.stack.bootstrap_servers})
    whole = [TopicPartition(RECORDED.name(deployment.source), number, -1) for number in range(SHARDS)]
    for future in admin.delete_records([TopicPartition(p.topic, p.partition, _middle(deployment, p)) for p in whole]).values():
        future.result()
    code = deployment.land(patch)
    commands = len(list(read_partition(deployment.config, COMMANDS.name(deployment.source), 0)))
    if code != 0 or bool(commands) is bool(patch):
        problem = f"the bronze job ended with exit code {code} and gave {commands} commands"
        raise ProofFailed(f"{deployment.source}: {problem}; its log is in {deployment.directory}")
    return still


def _middle(deployment: Deployment, partition: TopicPartition) -> int:
    """The offset of the last statement but one: the second landing finds the end of the topic only."""
    consumer = Consumer({"bootstrap.servers": deployment.stack.bootstrap_servers, "group.id": "looks"})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(partition.topic, partition.partition), timeout=20)[1]) - 3
    finally:
        consumer.close()


_VERIFY = Conditions()
_FLOW = Scene("flow", _VERIFY, _flow)
_SLOW = Scene("slow answers", Conditions(plant=("--points", "30", "--rate", "30", "--history", "7200")), _slow_answers)
_EXCEPTIONS = Scene(
    "exceptions", Conditions(faults=({"at": 0, "for": 20, "fault": "web_exception", "path": "recorded", "share": 0.3},)), _flow
)
_ERRORS = Scene("item errors", Conditions(faults=({"at": 0, "for": 20, "fault": "item_errors", "path": "recorded", "share": 0.3},)), _flow)
_CRASH = Scene("crash", _VERIFY, _crash, usual="dies in a transaction")
_OWNERS = Scene("stopped owner", _VERIFY, _stopped_owner, usual="a slow take over")
_ABORTED = Scene("aborted transaction", _VERIFY, _aborted)
_RETENTION = Scene("retention", _VERIFY, _retention, told=True)
_SUMMER = Scene(
    "summer time",
    Conditions(
        plant=("--points", "3", "--rate", "3", "--replay-csv", "machine=history/machine_temperature_system_failure.csv"),
        points=({"server": "main", "name_filter": "machine", "start": "2013-12-02T21:15:00Z"}, {"server": "main"}),
        all_read=False,
        zone="<-03>3<-02>,M10.3.0/0,M2.3.0/0",
    ),
    _flow,
)

DEFECTS = [
    Defect("next page at plus one tick", _FLOW, frozenset({"V1"})),
    Defect("to is now", _FLOW, frozenset({"V1", "V2"})),
    Defect("a reread ends at its newest item", _FLOW, frozenset({"V2"})),
    Defect("a clock used twice", _FLOW, frozenset({"V5"})),
    Defect("microsecond truncation", _FLOW, frozenset({"V3"})),
    Defect("identity without ordinal", _FLOW, frozenset({"V1"})),
    Defect("statement cut inside an instant", _FLOW, frozenset({"V1"})),
    Defect("as of clock at the answer", _SLOW, frozenset({"V10"})),
    Defect("web exception ignored", _EXCEPTIONS, frozenset({"V1", "V4"})),
    Defect("item errors ignored", _ERRORS, frozenset({"V1", "V4"})),
    Defect("local time over the end of summer time", _SUMMER, frozenset({"V1", "V3"})),
    Defect("progress committed before data", _CRASH, frozenset({"V4", "V5"})),
    Defect("data and progress in two transactions", _CRASH, frozenset({"V5"})),
    Defect("progress read before fencing", _OWNERS, frozenset({"V5"})),
    Defect("spark reads uncommitted", _ABORTED, frozenset({"V6"})),
    Defect("spark does not fail on data loss", _RETENTION, frozenset({"V1", "V5"})),
]
