"""The other member of a PI collective. Each member is fed by itself, so no two hold the same (reliability.md 1, F20)."""

import random
from typing import TYPE_CHECKING

from simulator.events import Event
from simulator.faults import CollectiveSwitch
from simulator.pitime import TICKS_PER_SECOND
from simulator.store import Stream

if TYPE_CHECKING:
    from simulator.server import Running


class OtherMember:
    """Answers from the switch on. What its archive lacks is told to the journal as deleted, and as written when it comes."""

    def __init__(self) -> None:
        self._lacking: list[tuple[Stream, Event]] = []

    def take_over(self, fault: CollectiveSwitch, running: "Running", dice: random.Random) -> None:
        """Whoever was subscribed was so at the first member."""
        running.channels.abort(len(running.channels), fault.close_frame, fault.word)
        running.updates.forget_all(fault.word)
        running.store.queue.held = True
        since = running.clock() - round(fault.lag * TICKS_PER_SECOND)
        ordinary = [stream for stream in running.store.streams if not stream.point.future]
        lacking = [(stream, event) for stream in ordinary for event in _forget(stream, since, fault.missing, dice)]
        if running.journal is not None:
            for stream, event in lacking:
                running.journal.deleted(stream.point.point_id, event)
        self._lacking += lacking

    def catch_up(self, running: "Running") -> None:
        """What waited is archived; what was lacking comes behind newer values, so that it is late."""
        running.store.queue.let_go()
        lacking, self._lacking = self._lacking, []
        for stream, event in lacking:
            flags = {"questionable": event.questionable, "substituted": event.substituted, "annotated": event.annotated}
            stream.write(Event(event.ticks, event.value, **flags))  # a new object: the journal gives it another id


def _forget(stream: Stream, since: int, share: float, dice: random.Random) -> list[Event]:
    """Takes that share of the events from `since` on out of the archive, without a word to anybody who listens."""
    gone: list[Event] = []
    instant, index = None, 0
    # An event at the snapshot's instant stays: coming again it would not be late.
    last = None if stream.snapshot is None else stream.snapshot.ticks - 1
    for event in [] if last is None else stream.archive.read(since, last):
        if event.ticks != instant:
            instant, index = event.ticks, 0
        if dice.random() < share:
            stream.archive.remove(event.ticks, index)
            gone.append(event)
        else:
            index += 1
    return gone
