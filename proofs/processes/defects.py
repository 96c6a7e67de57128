"""Defects that only harm where a process dies or stands still, with the point at which it does. They show that the proof can fail."""

import os
from collections.abc import Callable, Sequence

from bridge.publish import Message, Publisher
from bridge.tenure import Tenure
from proofs.processes.accident import Accident
from proofs.processes.points import Point
from proofs.processes.transactions import Kind, Moment, at
from proofs.seeded_defects.patches import _set as replace

_PASSING = 5


def _in_two_transactions(progress_first: bool) -> Callable[[Accident], None]:
    """Data and progress are committed apart; the point is between the two, where statements are among the data."""

    def arm(here: Accident) -> None:
        usual = Publisher._commit

        def commit(self: Publisher, messages: Sequence[Message]) -> None:
            stated = any(message.topic.endswith(".recorded") for message in messages)
            parts: list[list[Message]] = [[], []]
            for message in messages:
                parts[message.topic.endswith(".progress") is not progress_first].append(message)
            usual(self, parts[0])
            if stated:
                here()
            usual(self, parts[1])

        replace(Publisher, "_commit", commit)

    return arm


def _unfenced(here: Accident) -> None:
    """A transactional id for each process: nobody fences one that stood still between a transaction's beginning and its records."""
    usual = vars(Tenure)["transactional_id"].fget
    replace(Tenure, "transactional_id", property(lambda self: f"{usual(self).rsplit('.', 1)[0]}.{os.getpid()}.{self.number}"))
    at(Moment.BEGUN, Kind.STATEMENTS)(here)


DEFECTS: dict[str, Point] = {
    "data committed before progress": Point("defect", _in_two_transactions(progress_first=False), passing=_PASSING),
    "progress committed before data": Point("defect", _in_two_transactions(progress_first=True), passing=_PASSING),
    "an id for each process": Point("defect", _unfenced, passing=_PASSING),
}
