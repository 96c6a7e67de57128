"""A model of PI Web API's channels: polls, messages, heartbeats, and the ways in which a channel fails (pi-web-api.md 3)."""

import re
from typing import Any, Protocol

import msgspec

from proofs.simulation.clockwork import Clockwork
from proofs.simulation.plant import Event, Plant, PointModel

POLL_SECONDS = 1.0
HEARTBEAT_POLLS = 5
_WEB_ID = re.compile(r"webId=(\w+)")


class Client(Protocol):
    """The bridge's end of a channel."""

    def received(self, connection: "Connection", body: bytes) -> None: ...
    def broken(self, connection: "Connection", reason: str) -> None: ...


class Connection:
    """One open channel at the server's end."""

    def __init__(self, number: int, points: list[PointModel], client: Client) -> None:
        self.number, self.client = number, client
        self.points = {point.number: point for point in points}
        self.waiting: list[tuple[PointModel, Event]] = []
        self.empty_polls = 0
        self.stalled = False
        self.open = True


class Channels:
    """All open channels; told by the plant of every event."""

    def __init__(self, clockwork: Clockwork, plant: Plant) -> None:
        self._clockwork, self._plant = clockwork, plant
        self.connections: dict[int, Connection] = {}
        self.refusing: int | None = None
        """A status that handshakes get."""
        self.banned: str | None = None
        """A stream that makes PI refuse the whole channel."""
        self.losing = 0.0
        """Share of ordinary events that never reach a channel."""
        self.shuffling = False
        """Whether events leave in another order than they came."""
        self._opened = 0
        plant.heard = self._entered

    # -- opening and closing ----------------------------------------------------------------------------------------------------------

    def open(self, address: str, client: Client) -> Connection | int:
        """A channel for the streams of an address, or the status that the handshake is refused with."""
        web_ids = _WEB_ID.findall(address)
        if self.refusing is not None:
            self._clockwork.tell("handshake refused")
            return self.refusing
        if self.banned in web_ids:
            self._clockwork.tell("streams refused")
            return 404
        self._opened += 1
        connection = Connection(self._opened, [self._plant.by_web_id[web_id] for web_id in web_ids], client)
        self.connections[connection.number] = connection
        self._plant.journal("open", c=connection.number, points=sorted(connection.points))
        self._clockwork.later(POLL_SECONDS * self._clockwork.chance.random(), lambda: self._poll(connection))
        return connection

    def closed_by_client(self, connection: Connection) -> None:
        """The client went away."""
        self._close(connection, "client")

    def drop(self, connection: Connection, half_open: bool) -> None:
        """The server's end goes away; the client learns of it soon, or only by silence."""
        if not connection.open:
            return
        self._clockwork.tell("channel half open" if half_open else "channel dropped", f"channel {connection.number}")
        self._close(connection, "half_open" if half_open else "drop_channels")
        if not half_open:
            self._clockwork.later(0.1 + self._clockwork.chance.random(), lambda: connection.client.broken(connection, "dropped"))

    def _close(self, connection: Connection, why: str) -> None:
        if connection.open:
            connection.open = False
            del self.connections[connection.number]
            self._plant.journal("close", c=connection.number, why=why)

    # -- what is sent -----------------------------------------------------------------------------------------------------------------

    def _entered(self, point: PointModel, event: Event, late: bool) -> None:
        for connection in list(self.connections.values()):
            if point.number in connection.points:
                # What comes in order and in time is found by the next forward read; what is late, if nobody tells, by a re-read at an age.
                if not late and not point.late_seconds and self.losing and self._clockwork.likely(self.losing):
                    self._clockwork.tell("message lost")
                else:
                    connection.waiting.append((point, event))

    def _poll(self, connection: Connection) -> None:
        if not connection.open:
            return
        self._clockwork.later(POLL_SECONDS, lambda: self._poll(connection))
        if connection.stalled:
            return
        if connection.waiting:
            connection.empty_polls = 0
            self._send(connection, self._taken(connection))
        elif (polls := connection.empty_polls + 1) == HEARTBEAT_POLLS:
            connection.empty_polls = 0
            self._deliver(connection, b'{"Links":{},"Items":[]}')
        else:
            connection.empty_polls = polls

    def _taken(self, connection: Connection) -> list[tuple[PointModel, Event]]:
        taken, connection.waiting = connection.waiting, []
        if self.shuffling:
            self._clockwork.chance.shuffle(taken)
            held = self._clockwork.chance.randrange(len(taken) + 1)
            taken, connection.waiting = taken[held:], taken[:held]
            if len(taken) > 1 or held:
                self._clockwork.tell("messages out of order")
        return taken

    def _send(self, connection: Connection, taken: list[tuple[PointModel, Event]]) -> None:
        by_point: dict[int, list[Event]] = {}
        for point, event in taken:
            by_point.setdefault(point.number, []).append(event)
        items: list[dict[str, Any]] = []
        for number, events in by_point.items():
            self._plant.journal("sent", c=connection.number, p=number, events=[(event.ticks, event.value, 1) for event in events])
            items.append({"WebId": self._plant.points[number].web_id, "Items": [event.item for event in events]})
        if items:
            self._deliver(connection, msgspec.json.encode({"Links": {}, "Items": items}))

    def garble(self, connection: Connection) -> None:
        """A message that nobody can understand."""
        self._clockwork.tell("message malformed")
        self._deliver(connection, b'{"Links":{},"Items":[{"WebId":"F1DP0000","Items":[{"Timestamp":"today","Value":1}')

    def _deliver(self, connection: Connection, body: bytes) -> None:
        def arrive() -> None:
            if connection.open:  # what is on its way when the channel breaks is lost
                connection.client.received(connection, body)

        self._clockwork.later(0.02 + self._clockwork.chance.random() * 0.1, arrive)

    def stall(self, connection: Connection, seconds: float | None) -> None:
        """The channel sends nothing for so long, and then all of it; None: never again."""
        self._clockwork.tell("channel stalled for good" if seconds is None else "channel stalled", f"channel {connection.number}")
        connection.stalled = True

        def resume() -> None:
            connection.stalled = False

        if seconds is not None:
            self._clockwork.later(seconds, resume)
