"""What a listener of a stream is told: the words of stream updates (pi-web-api.md 3.7). Channels do not print them."""

from enum import StrEnum
from typing import NamedTuple

from simulator.events import Event


class Action(StrEnum):
    ADD = "Add"
    INSERT = "Insert"
    UPDATE = "Update"
    DELETE = "Delete"


class Previous(StrEnum):
    """What became of the snapshot that a new one took the place of."""

    NONE = "None"
    ARCHIVED = "PreviousEventArchived"
    DISCARDED = "PreviousEventDiscarded"


class Change(NamedTuple):
    """`event` is the new one, or the one that is no more."""

    action: Action
    event: Event
    previous: Previous
