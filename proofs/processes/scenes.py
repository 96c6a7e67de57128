"""The scenes: what happens to the processes of one deployment before its values stop and the verifier judges."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from console.stack import kafka
from console.stack.artifacts import provide
from console.stack.child import Child
from console.stack.java import cache_directory
from proofs.deployment import PATIENCE_SECONDS, SHARDS, ProofFailed
from proofs.processes import deaths
from proofs.processes.deaths import KILLED, Bridges, Death, owned
from proofs.processes.defects import DEFECTS
from proofs.processes.points import GROUPS, Point

DEFECT = "defect: "
"""So the name of a scene with a defect on purpose begins."""
SEED, RANDOM_DEATHS = 20, 10
ROLLING_MINUTES = 10
_SCALE_SECONDS = 15.0
_STOPPED_BEYOND_SECONDS = 6.0

Play = Callable[[Bridges], list[Child]]
"""Plays a scene; answers the bridges that run at its end."""


@dataclass(frozen=True)
class Scene:
    """A course of events in one deployment."""

    name: str
    play: Play
    checks: frozenset[str] = frozenset()
    """With a defect on purpose: the checks of which one at least must fail. Else none may."""


def _points(group: str) -> Scene:
    return Scene(f"killed at points: {group}", lambda bridges: [deaths.at_points(bridges, GROUPS[group])])


def _random(part: int) -> Scene:
    return Scene(f"killed at random, part {part}", lambda bridges: [deaths.at_random(bridges, SEED + part, RANDOM_DEATHS)])


def _wait_for_share(bridges: Bridges, children: list[Child]) -> None:
    """Until each of the bridges owns a shard, and together they own all."""

    def shared() -> bool:
        parts = [owned(child) for child in children]
        return all(parts) and set().union(*parts) == set(range(SHARDS))

    bridges.deployment.wait_until(shared, f"a shard for each of {len(children)} replicas", PATIENCE_SECONDS)


# -- stopped processes ---------------------------------------------------------------------------------------------------------------


def stop_at(bridges: Bridges, other: Child, name: str, point: Point) -> tuple[Death, Child]:
    """A bridge stands still at a named point until another has taken over its shards, then goes on; the other lives on beside it."""
    child = bridges.armed(name, point, signal.SIGSTOP)
    bridges.deployment.wait_until(lambda: bridges.mark(child) == name, f"the point {name}", PATIENCE_SECONDS)
    return _stand_still(bridges, child, other, name), child


def _stand_still(bridges: Bridges, child: Child, other: Child, name: str) -> Death:
    """The other has taken over its shards before it goes on; then it has to notice."""
    began, shards, epochs = time.monotonic(), owned(child), bridges.epochs()
    if not shards:
        raise ProofFailed(f"{child.name} stands still and owns nothing; its log is {child.log_path}")
    first, last = bridges.recovered(epochs, began, shards)
    time.sleep(_STOPPED_BEYOND_SECONDS)
    taken = shards <= owned(other)
    os.kill(child.pid, signal.SIGCONT)
    bridges.deployment.wait_until(lambda: _gave_up(child), f"{child.name}'s giving up", PATIENCE_SECONDS)
    death = Death(f"stood still: {name}", taken, first_frame_seconds=first, all_shards_seconds=last)
    bridges.deaths.append(death)
    return death


def _gave_up(child: Child) -> bool:
    """True if the process has said that a shard of its own is another's: the group or a fencing told it."""
    return any(text in child.log() for text in ('"shard lost to another member"', '"fenced": true'))


def _stopped(bridges: Bridges) -> list[Child]:
    """At any moment, with an open transaction, and inside a commit."""
    first, second = bridges.clean(), bridges.clean()
    _wait_for_share(bridges, [first, second])
    os.kill(second.pid, signal.SIGSTOP)
    _stand_still(bridges, second, first, "at work")
    bridges.deployment.wait_until(lambda: second.alive and bool(owned(second)), "its coming back", PATIENCE_SECONDS)
    for name in ("all produced", "inside commit"):
        bridges.deployment.stop(second)
        _, second = stop_at(bridges, first, name, GROUPS["committing"][name])
        second.check()
    _wait_for_share(bridges, [first, second])
    return [first, second]


# -- replicas ------------------------------------------------------------------------------------------------------------------------


def _rolling(bridges: Bridges) -> list[Child]:
    """Three replicas, one of which is killed each minute, and started again."""
    children = [bridges.clean() for _ in range(3)]
    for minute in range(ROLLING_MINUTES):
        _wait_for_share(bridges, children)
        due = time.monotonic() + 60.0
        victim = children[minute % len(children)]
        time.sleep(5)
        shards, epochs, began = owned(victim), bridges.epochs(), time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)
        code = bridges.deployment.ended(victim)
        children[minute % len(children)] = bridges.clean()
        first, last = bridges.recovered(epochs, began, shards)
        bridges.deaths.append(
            Death(f"replica killed in minute {minute + 1}", code == KILLED, first_frame_seconds=first, all_shards_seconds=last)
        )
        time.sleep(max(due - time.monotonic(), 0.0))
    _wait_for_share(bridges, children)
    return children


def _scaled(bridges: Bridges) -> list[Child]:
    """One replica, three, two, one."""
    children = [bridges.clean()]
    _wait_for_share(bridges, children)
    time.sleep(_SCALE_SECONDS)
    children += [bridges.clean(), bridges.clean()]
    _wait_for_share(bridges, children)
    time.sleep(_SCALE_SECONDS)
    for _ in range(2):
        epochs, leaving = bridges.epochs(), children.pop(0)
        shards, began = owned(leaving), time.monotonic()
        bridges.deployment.stop(leaving)
        first, last = bridges.recovered(epochs, began, shards)
        bridges.deaths.append(Death(f"stopped as asked, {len(children)} left", True, first_frame_seconds=first, all_shards_seconds=last))
        _wait_for_share(bridges, children)
        time.sleep(_SCALE_SECONDS)
    return children


# -- the broker ----------------------------------------------------------------------------------------------------------------------


def _outage(bridges: Bridges, seconds: float) -> list[Child]:
    """The broker is killed, and started again after a while on what it had on disk; the bridge lives through it."""
    child = bridges.clean()
    bridges.recovered([0] * SHARDS, time.monotonic())
    time.sleep(10)
    stack = bridges.deployment.stack
    broker, killed = stack.server("kafka"), time.time()
    os.kill(broker.pid, signal.SIGKILL)
    bridges.deployment.wait_until(lambda: not broker.alive, "the broker's end", PATIENCE_SECONDS)
    stack.children.stop_one(broker)
    time.sleep(seconds)
    cache, port = cache_directory(), int(stack.bootstrap_servers.rsplit(":", 1)[1])
    jars = provide("kafka", children=stack.children, cache=cache)
    kafka.start(stack.directory / "kafka", jars, children=stack.children, cache=cache, log_path=broker.log_path, port=port)
    began = time.monotonic()

    def again() -> list[float | None]:
        return [bridges.watch.frames_again(shard, 0, killed) for shard in range(SHARDS)]

    bridges.deployment.wait_until(lambda: None not in again(), "a frame of every shard after the outage", 2 * PATIENCE_SECONDS)
    arrived = [at - began for at in again() if at is not None]
    bridges.deaths.append(Death(f"broker away for {seconds:g} s", child.alive, False, 0, round(min(arrived), 2), round(max(arrived), 2)))
    child.check()
    time.sleep(10)
    return [child]


# -- defects -------------------------------------------------------------------------------------------------------------------------


def _dies_with(defect: str, *checks: str) -> Scene:
    def play(bridges: Bridges) -> list[Child]:
        return [deaths.at_points(bridges, {defect: DEFECTS[defect]})]

    return Scene(f"{DEFECT}{defect}", play, frozenset(checks))


def _stands_still_with(defect: str, *checks: str) -> Scene:
    def play(bridges: Bridges) -> list[Child]:
        first = bridges.clean()
        bridges.working(first)
        _, second = stop_at(bridges, first, defect, DEFECTS[defect])
        return [first, second]

    return Scene(f"{DEFECT}{defect}", play, frozenset(checks))


WITH_DEFECTS = [
    _dies_with("data committed before progress", "V5"),
    _dies_with("progress committed before data", "V1", "V4", "V5"),
    _stands_still_with("an id for each process", "V5"),
]
SCENES = [
    *WITH_DEFECTS,
    *(_points(group) for group in GROUPS),
    _random(1),
    _random(2),
    Scene("stood still beyond the session", _stopped),
    Scene("replicas 1, 3, 2, 1", _scaled),
    Scene("broker away for 30 s", lambda bridges: _outage(bridges, 30.0)),
    Scene("broker away for 5 min", lambda bridges: _outage(bridges, 300.0)),
    Scene("3 replicas, one killed each minute", _rolling),
]
