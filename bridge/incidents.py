"""Incidents of a shard: opened when something was lost, repaired when values flow again, closed when what it hid was read."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

from schemas.records import Incident, IncidentKind, IncidentState, OpenIncident

MAX_KEYS = 100
"""So many point keys are named in an incident; its `points` counts all."""


@dataclass
class _Open:
    record: OpenIncident
    unheard: set[str] = field(default_factory=set)
    """Points that were not heard of again."""
    owed: set[str] = field(default_factory=set)
    """Points whose archive of the period has yet to be stated."""
    behind: set[str] = field(default_factory=set)
    """Later incidents that took over debts of this one: it closes after them."""
    examined: bool = False
    """All debts were looked at: from then on only those of points that change."""


class Incidents:
    """The incidents of one shard that are not closed. `changed` collects the records to be published, in order."""

    def __init__(self, source: str, shard: int, inherited: dict[str, OpenIncident]) -> None:
        self._source, self._shard = source, shard
        self._open = {incident_id: _Open(record) for incident_id, record in inherited.items()}
        self.changed: list[Incident] = []

    def open(self, kind: IncidentKind, incident_id: str, points: Iterable[str], from_micros: int, now_micros: int, detail: str) -> None:
        """Opens an incident about points that are not heard of since `from_micros`."""
        keys = sorted(points)
        record: OpenIncident = {
            "incident_id": incident_id,
            "kind": kind,
            "opened_time": now_micros,
            "from_time": from_micros,
            "to_time": None,
            "points": len(keys),
            "point_keys": keys[:MAX_KEYS],
            "detail": detail,
        }
        self._open[incident_id] = _Open(record, set(keys), set(keys))
        self._publish(record, "OPENED", None)

    def event(self, kind: IncidentKind, incident_id: str, point: str, at_micros: int, now_micros: int, detail: str) -> None:
        """Records something that nothing can mend: opened and closed at once."""
        self.open(kind, incident_id, [point], at_micros, now_micros, detail)
        opened = self._open.pop(incident_id)
        opened.record["to_time"] = at_micros
        self._publish(opened.record, "CLOSED", now_micros)

    def heard(self, incident_id: str, points: Iterable[str], to_micros: int) -> None:
        """Values of these points flow again."""
        incident = self._open.get(incident_id)
        if incident is None or not incident.unheard:
            return
        incident.unheard.difference_update(points)
        if not incident.unheard:
            incident.record["to_time"] = to_micros
            self._publish(incident.record, "REPAIRED", None)

    def forget(self, point: str) -> None:
        """The point is out of scope: no incident waits for it."""
        for incident in self._open.values():
            incident.unheard.discard(point)
            incident.owed.discard(point)

    def inherit(self, incident_id: str, points: Iterable[str], takeover: str) -> None:
        """Lets an incident of the previous owner wait for the same points as the hand-over does: what that makes good mends it too."""
        incident = self._open[incident_id]
        incident.owed = set(points)
        incident.behind.add(takeover)

    def follow(self, superseded: Iterable[str], incident_id: str) -> None:
        """Lets incidents wait for a later one that took over what they were owed."""
        for earlier in superseded:
            if earlier in self._open and earlier != incident_id:
                self._open[earlier].behind.add(incident_id)

    def settle(self, changed: Set[str], owes: Callable[[str, str], bool], now_micros: int) -> None:
        """Closes the incidents that no point owes anything to any more; `owes(point, incident)` asks.

        `changed`: the points whose debts may have changed since the last call; others are not asked about again.
        """
        for incident_id, incident in list(self._open.items()):
            if incident.unheard or incident.behind & self._open.keys():
                incident.examined = False
                continue
            examined = incident.owed & changed if incident.examined else incident.owed
            incident.owed -= {point for point in examined if not owes(point, incident_id)}
            incident.examined = True
            if not incident.owed:
                incident.record["to_time"] = incident.record["to_time"] or now_micros
                self._publish(incident.record, "CLOSED", now_micros)
                del self._open[incident_id]

    @property
    def records(self) -> dict[str, OpenIncident]:
        """What the next owner has to know."""
        return {incident_id: incident.record for incident_id, incident in self._open.items()}

    def take_changed(self) -> list[Incident]:
        """The versions to publish since the last call."""
        changed, self.changed = self.changed, []
        return changed

    def _publish(self, record: OpenIncident, state: IncidentState, closed_micros: int | None) -> None:
        self.changed.append(
            {
                "source": self._source,
                "incident_id": record["incident_id"],
                "kind": record["kind"],
                "state": state,
                "shard": self._shard,
                "opened_time": record["opened_time"],
                "from_time": record["from_time"],
                "to_time": record["to_time"],
                "closed_time": closed_micros,
                "points": record["points"],
                "point_keys": record["point_keys"],
                "detail": record["detail"],
                # About Kafka's records, which the landing alone knows of.
                "topic": None,
                "partition": None,
                "from_offset": None,
                "to_offset": None,
                "from_sequence": None,
                "to_sequence": None,
                "job_id": None,
                "accepted_time": None,
                "accepted_reason": None,
            }
        )
