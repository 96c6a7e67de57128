"""The figures of a running demo, read once a second from all who see something of it."""

import time
from collections.abc import Sequence

from console.plant import Plant
from console.screen import Clock, Rate, Stage, State
from console.watch import DeltaWatch, KafkaWatch


class Gauges:
    """Reads figures; rates are those since the last reading."""

    def __init__(self, plant: Plant, kafka: KafkaWatch, delta: DeltaWatch, places: Sequence[tuple[str, str]]) -> None:
        self._plant, self._kafka, self._delta, self._places = plant, kafka, delta, tuple(places)
        self._points = len(plant.points())
        self._before: dict[str, int] = {}
        self._read_at = time.monotonic()

    def read(self, phase: str, share: float | None) -> State:
        """How it stands. Raises httpx2.HTTPError if the plant does not answer."""
        kafka, delta = self._kafka, self._delta
        found, now = kafka.findings(), time.monotonic()
        seconds, self._read_at = max(now - self._read_at, 1e-3), now
        incidents, late, judged = kafka.incidents(), found.late_found(), kafka.judged_seconds_ago()
        sent = self._rate("sent", int(self._plant.status()["events_written"]), seconds)
        stated = self._rate("stated", kafka.stated, seconds)
        stages = (
            Stage("PI, simulated", (sent,)),
            Stage("bridge → Kafka", (self._rate("previews", kafka.previews, seconds), stated)),
            Stage("processors", (self._rate("late", sum(late.values()), seconds),), _ago(judged)),
            Stage("Spark → Delta", (self._rate("bronze", delta.rows, seconds),)),
        )
        return State(
            phase=phase,
            share=share,
            stages=stages,
            to_kafka_seconds=kafka.latency_seconds,
            to_delta_seconds=delta.latency_seconds,
            points=self._points,
            points_covered=kafka.points_covered(),
            oldest_lag_seconds=kafka.oldest_lag_seconds(),
            incidents=len(incidents),
            incidents_open=sum(incident["state"] != "CLOSED" for incident in incidents),
            late=late,
            clocks=tuple(Clock(group, one["state"], one["offset_ours_seconds"]) for group, one in sorted(found.clocks.items())),
            failing=len(found.failing),
            places=self._places,
        )

    def _rate(self, what: str, total: int, seconds: float) -> Rate:
        before = self._before.get(what, total)
        self._before[what] = total
        return Rate(what, (total - before) / seconds, total)


def _ago(judged: float | None) -> str:
    return "nothing judged yet" if judged is None else f"values judged up to {judged:.0f} s ago"
