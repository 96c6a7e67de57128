"""A plant whose clocks and ways are scripted: what the bridge would have heard of it, as frames, and the truth beside it.

An interface scans its points together. A scan's values are stamped by the interface's clock, take the way to PI and to us, and arrive at
once; frames hold what arrives within a tick. Nothing here is shared with the rules that are judged.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from schemas.records import Sample, Series, ValueFrame

BEGIN = 1_767_225_600.0
"""2026-01-01T00:00:00Z, in seconds since 1970; all times here are seconds, true time."""

Wave = Callable[[float], float]
"""A value that depends on the time."""


def still(value: float) -> Wave:
    return lambda _: value


_NOTHING = still(0.0)


def from_then(begin: float, value: float) -> Wave:
    """`value` from `begin` on, 0 before."""
    return lambda now: value if now >= begin else 0.0


@dataclass
class Interface:
    """Points that share a clock and a way."""

    name: str
    points: int = 4
    scan_seconds: float = 10.0
    behind: Wave = _NOTHING
    """By how much its clock is behind, seconds: what the estimate should say."""
    way_seconds: float = 0.05
    jitter_seconds: float = 0.1
    """Mean of the exponential part of a scan's delay; p95 - p5 is 2.94 times that."""
    slow: Wave = _NOTHING
    """What its own way takes more."""
    kept: Callable[[float], float | None] = lambda _: None
    """Until when what is scanned now is kept back, or None: a buffering interface, or one that sends a batch an hour."""
    jitter_by_point_seconds: float = 0.0
    """The same for each value by itself: such a scan arrives value by value."""
    stray_seconds: float = 0.0
    """The first point's stamps are so far ahead."""
    stamp_seconds: float = 0.0
    """Stamps lie so far back by design, such as averages stamped with their beginning."""


@dataclass(order=True)
class Arrival:
    """A scan that has arrived."""

    at: float
    scanned: float
    interface: Interface = field(compare=False)
    points: range = field(compare=False)


@dataclass
class Plant:
    interfaces: list[Interface]
    seed: int
    common: Wave = _NOTHING
    """What the way from PI to us takes more, for all."""
    pi_ahead: Wave = _NOTHING
    ours_ahead: Wave = _NOTHING
    tick_seconds: float = 0.1
    """Frames hold what arrives within so long."""
    delays: dict[str, list[float]] = field(default_factory=dict)
    """By interface, how long each scan took to us, once `frames` has been asked for them."""

    def jitter(self, interface: str) -> float:
        """p95 - p5 of an interface's delays, seconds, whatever they consist of."""
        low, high = np.quantile(self.delays[interface], [0.05, 0.95])
        return float(high - low)

    def frames(self, hours: float) -> Iterator[ValueFrame]:
        """What the bridge publishes on `live` in that time, in order of arrival."""
        chance, sequence = np.random.default_rng(self.seed), 0
        arrivals = self._arrivals(hours * 3600, chance)
        begin = 0
        while begin < len(arrivals):
            end, until = begin, arrivals[begin].at + self.tick_seconds
            while end < len(arrivals) and arrivals[end].at < until:
                end += 1
            yield self._frame(arrivals[begin:end], sequence, chance)
            begin, sequence = end, sequence + 1

    def _arrivals(self, seconds: float, chance: np.random.Generator) -> list[Arrival]:
        arrivals = list[Arrival]()
        for interface in self.interfaces:
            phase = float(chance.uniform(0, interface.scan_seconds))
            times = np.arange(BEGIN + phase, BEGIN + seconds, interface.scan_seconds)
            jitter = chance.exponential(interface.jitter_seconds, len(times)) if interface.jitter_seconds else np.zeros(len(times))
            for scanned, by in zip(times.tolist(), jitter.tolist(), strict=True):
                sent = interface.kept(scanned)
                left = scanned if sent is None else sent
                at = left + interface.way_seconds + by + interface.slow(left) + self.common(left)
                if interface.jitter_by_point_seconds:
                    for number, own in enumerate(chance.exponential(interface.jitter_by_point_seconds, interface.points).tolist()):
                        arrivals.append(Arrival(at + own, scanned, interface, range(number, number + 1)))
                else:
                    arrivals.append(Arrival(at, scanned, interface, range(interface.points)))
            self.delays[interface.name] = [arrival.at - arrival.scanned for arrival in arrivals if arrival.interface is interface]
        return sorted(arrival for arrival in arrivals if arrival.at < BEGIN + seconds)

    def _frame(self, arrivals: list[Arrival], sequence: int, chance: np.random.Generator) -> ValueFrame:
        at = arrivals[-1].at
        received = micros(at + self.ours_ahead(at))
        by_point: dict[str, Series] = {}
        for arrival in arrivals:
            interface, scanned = arrival.interface, arrival.scanned
            stamp = micros(scanned - interface.behind(scanned) - interface.stamp_seconds)
            for number in arrival.points:
                key = f"main:{interface.name}-{number}"
                series = by_point.setdefault(key, {"point_key": key, "tag": key[5:], "uom": None, "statement": None, "samples": []})
                series["samples"].append(
                    sample(stamp + micros(interface.stray_seconds if number == 0 else 0), float(scanned % 97.3 + number))
                )
        read = float(chance.uniform(0, 0.05))
        return frame(sequence, received, micros(at + self.pi_ahead(at) - read), list(by_point.values()))


def micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


def sample(event_time: int, value: float, **fields: Any) -> Sample:
    plain: dict[str, Any] = {
        "event_time": event_time, "ticks": 0, "ordinal": 0, "value_type": "DOUBLE", "value_double": value, "value_long": None,
        "value_string": None, "value_bytes": None, "digital_code": None, "system_state": None, "system_state_name": None, "good": True,
        "questionable": False, "substituted": False, "annotated": False,
    }  # fmt: skip
    return cast(Sample, plain | fields)


def frame(sequence: int, received: int, server: int | None, series: list[Series]) -> ValueFrame:
    return {
        "source": "plant", "shard": 0, "epoch": 1, "sequence": sequence, "clock": sequence, "origin": "LIVE", "via": "CHANNEL",
        "received_time": received, "server_time": server, "cause": None, "series": series,
    }  # fmt: skip


def slow_way(seed: int, begin: float, end: float, least: float = 5.0, most: float = 40.0) -> Wave:
    """A queue on a way, as it does from `begin` to `end`: seconds it takes more, wandering from minute to minute."""
    chance = np.random.default_rng(seed)
    steps = np.cumsum(chance.normal(0, (most - least) / 6, int((end - begin) / 20) + 2))
    level = least + np.abs((steps - steps.min()) % (2 * (most - least)) - (most - least))
    times = begin + 20.0 * np.arange(len(level))
    return lambda now: float(np.interp(now, times, level)) if begin <= now <= end else 0.0
