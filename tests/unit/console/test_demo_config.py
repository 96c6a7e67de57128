"""The demo's settings let the processors find what the demo plants, within its time."""

import random
from typing import Any

from console.demo_config import LATE_SECONDS, processors
from console.planted import Findings, Planted, Preview, complaints, kept_back
from console.story import AHEAD_SECONDS, HELD_SECONDS
from schemas.processors import Processors
from stream_processors.assess import Overview, Shard
from tests.unit.stream_processors.world import Heard, micros, point, series, value

SHARDS = 4
SOURCES = ("OPC1",) * 6 + ("OPC2",) * 5 + ("LAB",) * 2
"""Interfaces of the points of a shard, in the order of their numbers."""
HELD_FROM = 12.0


class Minute:
    """A minute of the demo, heard by the rules alone: frames each half second, a value of each point in two."""

    def __init__(self, seconds: int, bursts: float = 0.5, settings: Processors | None = None) -> None:
        self.findings, self.delayed = Findings(), list[Preview]()
        self._dice = random.Random(7)
        settings = settings or Processors(**processors("steady"))
        self._overview = Overview("plant1", settings)
        points = [[point(f"{shard}{n}", point_source=source) for n, source in enumerate(SOURCES)] for shard in range(SHARDS)]
        self.shards = [Heard(own) for own in points]
        for number, (heard, own) in enumerate(zip(self.shards, points, strict=True)):
            heard.shard = Shard("plant1", number, settings)
            for one in own:
                heard.shard.point(one)
        waiting: list[list[list[float]]] = [[[] for _ in SOURCES] for _ in range(SHARDS)]
        for half in range(2 * seconds):
            at = half / 2
            for number, heard in enumerate(self.shards):
                self._stamp(waiting[number], at)
                if at % bursts == 0:
                    self._send(heard, number, waiting[number], at)

    def _stamp(self, waiting: list[list[float]], at: float) -> None:
        for n, source in enumerate(SOURCES):
            if self._dice.random() < 0.25:
                waiting[n].append(at - self._dice.random() / 2 + (AHEAD_SECONDS if source == "LAB" else 0.0))

    def _send(self, heard: Heard, number: int, waiting: list[list[float]], at: float) -> None:
        held = HELD_FROM <= at < HELD_FROM + HELD_SECONDS
        parts = []
        for n, source in enumerate(SOURCES):
            if waiting[n] and not (held and source == "OPC2"):
                parts.append(series(f"{number}{n}", *map(value, waiting[n])))
                self.delayed += [
                    Preview(f"main:{number}{n}", micros(stamp), micros(at + 0.1)) for stamp in waiting[n] if at + 0.1 - stamp > LATE_SECONDS
                ]
                waiting[n] = []
        if not parts:
            return
        assessed = heard.hear(at + 0.1, *parts, shard=number)
        self.take(assessed)

    def take(self, assessed: Any) -> None:
        for late in assessed.late:
            self.findings.take_late(late)
        for said in assessed.assessments:
            for skew in self._overview.take(said)[0]:
                self.findings.take_clock(skew)

    def planted(self) -> list[Planted]:
        keys = {f"main:{shard}{n}" for shard in range(SHARDS) for n, source in enumerate(SOURCES) if source == "OPC2"}
        kept = kept_back(self.delayed, keys, micros(HELD_FROM), micros(HELD_FROM + HELD_SECONDS), [])
        return [Planted(one.point_key, one.event_time, "BUFFERED_INTERFACE") for one in kept]


def inserted(minute: Minute, at: float) -> list[Planted]:
    """Five values five minutes back, of points of the plain interface."""
    for n in range(5):
        minute.take(minute.shards[n % SHARDS].hear(at, series(f"{n % SHARDS}{n}", value(at - 300.0, 1000.5)), shard=n % SHARDS))
    return [Planted(f"main:{n % SHARDS}{n}", micros(at - 300.0), "BEHIND_COVERAGE") for n in range(5)]


CLOCK = {"main/LAB": -AHEAD_SECONDS}


def test_a_minute_is_enough_to_find_the_clock_and_all_late_values_by_cause() -> None:
    minute = Minute(50)
    wanted = minute.planted() + inserted(minute, 50.0)
    assert len(wanted) > 100
    assert complaints(wanted, CLOCK, minute.findings) == []
    assert minute.findings.skewed() == ["main/LAB"]
    assert minute.findings.late_found() == {"BEHIND_COVERAGE": 5, "BUFFERED_INTERFACE": len(minute.delayed)}


def test_the_clock_is_found_before_values_are_kept_back() -> None:
    minute = Minute(24)
    assert minute.findings.skewed() == ["main/LAB"]


def test_values_that_come_in_bursts_of_ten_seconds_are_not_late_by_themselves() -> None:
    minute = Minute(120, bursts=10.0, settings=Processors(**processors("bursty")))
    assert minute.findings.late_found() == {"BUFFERED_INTERFACE": len(minute.delayed)}
    assert complaints(minute.planted() + inserted(minute, 120.0), CLOCK, minute.findings) == []


def test_with_the_settings_of_a_plant_a_minute_finds_neither() -> None:
    minute = Minute(50, settings=Processors())
    assert minute.findings.late_found() == {}
    assert minute.findings.skewed() == []
