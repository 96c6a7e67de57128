"""`pibridge incidents`: what was opened and closed, and accepting what is lost, over Kafka alone."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any, cast

from bridge import kafka
from schemas.config import Config
from schemas.records import Incident
from schemas.times import micros_of
from schemas.topics import INCIDENTS

ACCEPTABLE = ("SEQUENCE_HOLE", "SEQUENCE_REPEATED", "RECORDS_LOST")
"""Kinds that wait for a person; all others close when the archive of their period was read."""


class NotAcceptable(Exception):
    """There is no such incident, or nobody has to accept it; the message says which, and what to do."""


def newest(config: Config) -> dict[str, Incident]:
    """The newest version of each incident, in the order in which they last changed. Raises KafkaException, NotReady or Unreachable."""
    found: dict[str, Incident] = {}
    with closing(kafka.codec(config)) as codec:
        for key, value in kafka.read_partition(config, INCIDENTS.name(config.source), 0):
            found.pop(key, None)
            if value is not None:
                found[key] = cast(Incident, codec.decode(INCIDENTS, value))
    return found


def accept(config: Config, incident_id: str, reason: str | None) -> Incident:
    """Accepts what an incident says is lost: landing goes on behind it. Answers its new version.

    Raises NotAcceptable; KafkaException, NotReady or Unreachable.
    """
    incident = newest(config).get(incident_id)
    if incident is None:
        raise NotAcceptable(f"there is no incident {incident_id}; `pibridge incidents` lists them")
    if incident["kind"] not in ACCEPTABLE:
        raise NotAcceptable(f"incident {incident_id} is {incident['kind']}: it closes by itself when its period has been read again")
    if incident["accepted_time"] is not None:
        raise NotAcceptable(f"incident {incident_id} was accepted before, at {time_text(incident['accepted_time'])}")
    now = micros_of(datetime.now(UTC))
    incident["state"], incident["closed_time"], incident["accepted_time"], incident["accepted_reason"] = "CLOSED", now, now, reason
    incident["to_time"] = incident["to_time"] or now
    kafka.publish(config, INCIDENTS, incident_id, incident)
    return incident


def listed(incident: Incident) -> dict[str, Any]:
    """An incident as people see it: times as text, and what does not concern it left empty."""
    return {name: time_text(value) if name.endswith("_time") else value for name, value in incident.items() if name != "source"}


def time_text(micros: Any) -> str | None:
    """An instant in UTC, to the second."""
    return None if micros is None else datetime.fromtimestamp(micros // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
