"""The simulator's control port: the plant behind PI, which PI Web API does not show."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2

from console.proof import Event, archived


@dataclass(frozen=True)
class PlantPoint:
    """A point as the plant knows it."""

    point_id: int
    name: str
    point_type: str
    newest_archived: int | None
    """Ticks."""
    live: bool
    source: str
    """The interface that sends it."""


class Plant:
    """Speaks to a running simulator. Raises httpx2.HTTPError if it does not answer."""

    def __init__(self, ready_line: str) -> None:
        """Takes the JSON line that the simulator printed when it was ready."""
        ready = json.loads(ready_line)
        self.url: str = ready["url"]
        self.server_id: str = ready["server_id"]
        self._client = httpx2.Client(base_url=ready["control_url"], timeout=60, trust_env=False)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def status(self) -> dict[str, Any]:
        """Counts of what was written, archived and served."""
        return dict(self._get("/status", {}))

    def points(self) -> list[PlantPoint]:
        """Every point."""
        return [
            PlantPoint(p["point_id"], p["name"], p["type"], p["newest_archived_ticks"], p["live"], p["source"])
            for p in self._get("/points", {})
        ]

    def archive(self, point: PlantPoint, begin: int, end: int) -> list[tuple[int, Event]]:
        """The archived events of a point in [begin, end), in the server's order."""
        answer = self._get("/archive", {"point_id": point.point_id, "from_ticks": begin, "to_ticks": end})
        return [(ticks, archived(point.point_type, value, (good, q, s, a))) for ticks, value, good, q, s, a in answer["events"]]

    def drop_channel(self) -> int:
        """Ends one socket without a close frame; answers how many were ended."""
        return int(self._post("/channels/drop", {"count": 1, "close_frame": False})["dropped"])

    def insert(self, point_id: int, time: str, value: float) -> int:
        """Inserts an event late; answers its instant in ticks."""
        return int(self._post("/insert", {"point_id": point_id, "events": [{"time": time, "value": value}]})["ticks"][0])

    def malform(self, point_id: int) -> None:
        """Puts one unusable value into the point's next channel message."""
        self._post("/malformed", {"point_id": point_id})

    def begin_fault(self, word: str, **detail: Any) -> None:
        """Begins one of the simulator's faults."""
        self._post("/faults", {"fault": word, **detail})

    def end_fault(self, word: str) -> None:
        """Ends all faults of that name."""
        self._post("/faults", {"end": word})

    def revoke_tokens(self) -> None:
        """Makes every Bearer token worthless."""
        self._post("/tokens/revoke", {})

    def stop_load(self) -> None:
        """No further values come."""
        self._post("/load", {"running": False})

    def _get(self, path: str, query: dict[str, Any]) -> Any:
        return self._client.get(path, params=query).raise_for_status().json()

    def _post(self, path: str, order: dict[str, Any]) -> Any:
        return self._client.post(path, json=order).raise_for_status().json()
