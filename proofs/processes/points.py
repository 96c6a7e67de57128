"""Named points in the life of a bridge, and how a started process is made to say that it is there. For proofs only."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge import run
from bridge.channel import Channel
from bridge.coverage import PointCoverage
from bridge.frame import FrameBuilder
from bridge.hearing import Ear
from bridge.incarnation import Incarnation
from bridge.incidents import Incidents
from bridge.inventory import Inventory
from bridge.piwebapi import PIWebAPI
from bridge.publish import Publisher
from bridge.reads import Reads
from bridge.rules import Purpose
from bridge.shard import OwnedShard
from proofs.processes import transactions
from proofs.processes.accident import Accident
from proofs.processes.transactions import Kind, Moment
from proofs.seeded_defects.patches import _set as replace
from runtime.dead_letters import DeadLetters

When = Callable[..., bool]


@dataclass(frozen=True)
class Point:
    """A place in the bridge's life."""

    phase: str
    arm: Callable[[Accident], None]
    """Makes a process call its argument whenever it passes."""
    open: bool = False
    """A transaction is open at the broker then, with records in it."""
    passing: int = 1
    """At which passing the process dies."""
    cause: str = ""
    """What has to happen so that it passes: an entry of `play.CAUSES`."""


POINTS: dict[str, Point] = {}


def always(*_: Any, **__: Any) -> bool:
    return True


def before(owner: Any, name: str, when: When = always) -> Callable[[Accident], None]:
    """Passed when a function is called with arguments for which `when` holds."""

    def arm(here: Accident) -> None:
        usual = inspect.getattr_static(owner, name)

        def called(self: Any, *given: Any, **named: Any) -> Any:
            if when(self, *given, **named):
                here()
            return usual(self, *given, **named)

        replace(owner, name, called)

    return arm


def after(owner: Any, name: str, when: When = always) -> Callable[[Accident], None]:
    """Passed when a function has returned; `when` gets what it returned, and its arguments."""

    def arm(here: Accident) -> None:
        usual = inspect.getattr_static(owner, name)

        def called(self: Any, *given: Any, **named: Any) -> Any:
            result = usual(self, *given, **named)
            if when(result, self, *given, **named):
                here()
            return result

        async def awaited(self: Any, *given: Any, **named: Any) -> Any:
            result = await usual(self, *given, **named)
            if when(result, self, *given, **named):
                here()
            return result

        replace(owner, name, awaited if inspect.iscoroutinefunction(usual) else called)

    return arm


def _purpose(purpose: Purpose) -> When:
    return lambda _, __, read, *more: read.purpose is purpose


def _asks_first(batch: Any, *_: Any) -> bool:
    return batch is not None and any(task.read.purpose is Purpose.FIRST for task in batch.tasks)


def _asks(batch: Any, *_: Any) -> bool:
    return batch is not None and not _asks_first(batch)


def _of_shard(publisher: Publisher, *_: Any) -> bool:
    return not publisher._id.endswith(".inventory")


def _cut(_: Reads, __: Any, page: Any, *more: Any) -> bool:
    return bool(page.cut)


_TAKING_OVER: dict[str, Point] = {
    "shard assigned": Point("take-over", after(run.Bridge, "assigned")),
    "before fencing": Point("take-over", before(Publisher, "open", _of_shard)),
    "fenced": Point("take-over", transactions.at(Moment.FENCED, Kind.ANY)),
    "progress read": Point("take-over", after(OwnedShard, "_read"), passing=2),
    "epoch produced": Point("take-over", transactions.at(Moment.PRODUCED, Kind.EPOCH), open=True),
    "inside the epoch's commit": Point("take-over", transactions.at(Moment.COMMITTING, Kind.EPOCH), passing=2),
    "epoch committed, not told": Point("take-over", transactions.at(Moment.COMMITTED, Kind.EPOCH)),
    "taken over, before work": Point("take-over", before(OwnedShard, "_begin_work"), passing=3),
    "inventory read": Point("inventory", before(Inventory, "_publish"), cause="more points"),
    "inventory produced": Point("inventory", transactions.at(Moment.PRODUCED, Kind.INVENTORY), open=True, cause="more points"),
    "inventory committed, not told": Point("inventory", transactions.at(Moment.COMMITTED, Kind.INVENTORY), cause="more points"),
}
_READING: dict[str, Point] = {
    "first reads asked": Point("reading", after(Reads, "next", _asks_first), cause="more points"),
    "first read answered": Point("reading", after(PointCoverage, "first_answered"), passing=5, cause="more points"),
    "back-fill slice answered": Point(
        "reading", after(PointCoverage, "reread_answered", _purpose(Purpose.BACKFILL)), passing=5, cause="more points"
    ),
    "batch asked": Point("reading", after(Reads, "next", _asks), passing=4),
    "batch answered": Point("reading", after(PIWebAPI, "batch"), passing=5),
    "page cut": Point("reading", before(Reads, "_reread", _cut), passing=3),
    "dirty hour answered": Point("reading", after(PointCoverage, "reread_answered", _purpose(Purpose.DIRTY)), passing=7),
    "statement in an open frame": Point("reading", after(FrameBuilder, "statement"), passing=20),
}
_LISTENING: dict[str, Point] = {
    "channel opening": Point("listening", before(Channel, "_hear"), passing=2),
    "channel opened": Point("listening", after(Ear, "opened"), passing=3),
    "message came": Point("listening", before(Ear, "message"), passing=20),
    "message taken": Point("listening", after(Ear, "message"), passing=30),
    "channel lost": Point("listening", after(Ear, "lost"), cause="lost channel"),
    "incident opened": Point(
        "listening", after(Incidents, "open", lambda _, __, kind, *more: kind == "CHANNEL_LOST"), cause="lost channel"
    ),
    "incident closed": Point("listening", after(Incidents, "_publish", lambda _, __, record, state, *more: state == "CLOSED")),
    "dead letter set aside": Point("listening", after(DeadLetters, "add"), cause="malformed value"),
}
_COMMITTING: dict[str, Point] = {
    "transaction begun": Point("transaction", transactions.at(Moment.BEGUN, Kind.STATEMENTS), passing=4),
    "first record produced": Point("transaction", transactions.at(Moment.FIRST, Kind.STATEMENTS), open=True, passing=5),
    "frames produced, progress not": Point("transaction", transactions.at(Moment.FRAMES, Kind.STATEMENTS), open=True, passing=6),
    "all produced": Point("transaction", transactions.at(Moment.PRODUCED, Kind.STATEMENTS), open=True, passing=7),
    "all previews produced": Point("transaction", transactions.at(Moment.PRODUCED, Kind.PREVIEWS), open=True, passing=8),
    "inside commit": Point("commit", transactions.at(Moment.COMMITTING, Kind.STATEMENTS), passing=9),
    "committed, not told": Point("commit", transactions.at(Moment.COMMITTED, Kind.STATEMENTS), passing=10),
    "commit told": Point("commit", after(Incarnation, "committed"), passing=15),
}
_HANDING_OVER: dict[str, Point] = {
    "shard revoked": Point("hand-over", before(run.Bridge, "revoked"), cause="SIGTERM", passing=2),
    "reads and channels ended": Point("hand-over", after(OwnedShard, "_rest"), cause="SIGTERM"),
    "last records produced": Point("hand-over", transactions.at(Moment.PRODUCED, Kind.LAST), open=True, cause="SIGTERM"),
    "last commit made, not told": Point("hand-over", transactions.at(Moment.COMMITTED, Kind.LAST), cause="SIGTERM", passing=2),
    "before closing": Point("hand-over", before(Publisher, "close", _of_shard), cause="SIGTERM"),
}
GROUPS = {
    "taking over": _TAKING_OVER,
    "reading": _READING,
    "listening": _LISTENING,
    "committing": _COMMITTING,
    "handing over": _HANDING_OVER,
}
for _group in GROUPS.values():
    POINTS |= _group
