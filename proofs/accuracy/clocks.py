"""Clocks that are wrong by a known amount, under ways that are quick, slow, jittery and kept back; and a day in which none is wrong."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from proofs.accuracy.plant import BEGIN, Interface, Plant, Wave, from_then, slow_way, still
from schemas.processors import Processors
from schemas.records import ClockSkew, Point
from stream_processors.assess import Overview, Shard

HOURS = 4.0
FAULT = BEGIN + 3600
"""When a clock goes wrong."""
PEERS = 7
SKEWS: dict[str, Wave] = {f"{seconds:+g} s": from_then(FAULT, seconds) for seconds in (-300.0, -90.0, -2.0, 2.0, 90.0, 3600.0)}
SKEWS["0 s"] = still(0.0)
SKEWS["+200 ppm"] = lambda now: max(now - FAULT, 0.0) * 200e-6
SKEWS["-200 ppm"] = lambda now: -max(now - FAULT, 0.0) * 200e-6
JITTER = 0.1
"""Mean of the exponential part of delays, seconds; p95 - p5 of it is 0.29 s."""
P95_P5 = 2.944


def _kept(begin: float, end: float) -> Callable[[float], float | None]:
    """All that is scanned from `begin` to `end` is sent after it, in order, within half a minute."""
    return lambda now: end + 30 * (now - begin) / (end - begin) if begin <= now < end else None


WAYS = ("quick", "slow pipeline", "slow interface", "jitter", "buffered")
ODD_WAYS = ("jitter by point", "stray point", "long way", "averages", "hourly", "sparse", "our clock", "PI's clock", "PI's clock behind")
"""In which every interface's clock is right, and a rule that is a little wrong would say otherwise."""
UNKNOWABLE = ("long way", "averages")
"""Where only a proof must not be claimed: what a way always takes cannot be told from a clock that is behind."""
RIGHTLY_ACCUSED = {"our clock": {"main", "pi"}, "PI's clock": {"pi"}, "PI's clock behind": {"pi"}}
"""Who has to be called SKEWED beside the first interface."""


def plant_of(skew: Wave, way: str, seed: int) -> Plant:
    """Eight interfaces, the first of which has the clock `skew` and, where the way is its own, that way."""
    first = Interface("I0", behind=skew)
    others = [Interface(f"I{number}", way_seconds=0.02 + 0.02 * number) for number in range(1, PEERS + 1)]
    plant = Plant([first, *others], seed)
    match way:
        case "slow pipeline":  # through the fault, and again later
            first_time, again = slow_way(seed, FAULT - 600, FAULT + 1200), slow_way(seed + 1, FAULT + 5400, FAULT + 7200)
            plant.common = lambda now: first_time(now) + again(now)
        case "slow interface":
            first.slow = slow_way(seed, FAULT + 3600, FAULT + 5400)
        case "jitter":
            first.jitter_seconds = 3.4
        case "buffered":
            first.kept = _kept(FAULT + 1800, FAULT + 3600)
        case "jitter by point":
            first.jitter_by_point_seconds = 10.0
        case "stray point":  # its values are stamped by hand, half a minute ahead
            first.points, first.stray_seconds = 6, 30.0
        case "long way":
            first.way_seconds, first.jitter_seconds = 20.0, 2.0
        case "averages":
            first.scan_seconds = first.stamp_seconds = 20.0
        case "hourly":  # a value an hour, as a report writes it
            first.scan_seconds, first.way_seconds = 3600.0, 400.0
        case "sparse":  # five minutes' values at once
            first.scan_seconds, first.way_seconds = 300.0, 400.0
        case "our clock":
            plant.ours_ahead = from_then(FAULT, -90.0)
        case "PI's clock":
            plant.pi_ahead = from_then(FAULT, 3600.0)
        case "PI's clock behind":  # from the start
            plant.pi_ahead = still(-90.0)
    return plant


@dataclass
class Heard:
    """What the rules said of a plant."""

    skews: list[ClockSkew] = field(default_factory=list)

    def of(self, group: str) -> list[ClockSkew]:
        return [found for found in self.skews if found["clock_group"] == group]


def listen(plant: Plant, hours: float, settings: Processors | None = None) -> tuple[Heard, Overview]:
    """Plays a plant to the two stages."""
    settings = settings or Processors()
    shard, overview, heard = Shard("plant", 0, settings), Overview("plant", settings), Heard()
    for interface in plant.interfaces:
        for number in range(interface.points):
            shard.point(point(f"main:{interface.name}-{number}", interface.name))
    for frame in plant.frames(hours):
        for assessment in shard.frame("live", frame, frame["received_time"]).assessments:
            skews, _ = overview.take(assessment)
            heard.skews += skews
            for found in skews:
                shard.skew(found)
    return heard, overview


def point(key: str, source: str) -> Point:
    return {
        "source": "plant", "point_key": key, "server": "main", "server_id": "", "point_id": 1, "web_id": "", "tag": key[5:], "path": "",
        "descriptor": None, "point_class": None, "point_type": "Float64", "digital_set": None, "engineering_units": None, "zero": None,
        "span": None, "step": False, "future": False, "display_digits": None, "in_scope": True, "start_time": 0, "received_time": 0,
        "point_source": source,
    }  # fmt: skip


@dataclass
class Estimate:
    """How a clock was judged."""

    skew: str
    way: str
    jitter_seconds: float
    """p95 - p5 of all its delays, in whatever trouble."""
    truth_seconds: float
    estimate_seconds: float | None
    """None if it was never judged."""
    error_seconds: float
    allowed_seconds: float
    seconds_to_detect: float | None
    state: str
    kind: str
    evidence: str
    drift_ppm: float | None
    false_alarms: int
    good: bool


def estimate(name: str, way: str, hours: float = HOURS, seed: int = 1) -> Estimate:
    """One clock that goes wrong after an hour, among seven that are right."""
    skew, hours = SKEWS[name], 10.0 if way == "hourly" else hours
    plant = plant_of(skew, way, seed)
    heard, overview = listen(plant, hours)
    clock, truth = overview.clocks.groups["main/I0"], skew(BEGIN + hours * 3600)
    found = clock.offset
    error = 0.0 if found is None else found - truth
    allowed = max(0.2, 0.02 * plant.interfaces[0].jitter_seconds * P95_P5)
    alarms = [told["assessed_time"] / 1e6 - FAULT for told in heard.of("main/I0") if told["state"] == "SKEWED"]
    late = 1.0 / 200e-6 if "ppm" in name else 0.0  # a drift is a fault from when it is off by the limit
    wrong = abs(truth) > Processors().skew.limit_seconds
    accused = {told["clock_group"] for told in heard.skews if told["state"] == "SKEWED"} - ({"main/I0"} if wrong else set())
    accused ^= RIGHTLY_ACCUSED.get(way, set())
    judged = clock.state == "SKEWED" if wrong else clock.state != "SKEWED"
    judged = judged and (way not in ("hourly", "sparse") or clock.state == "UNKNOWN")
    drift = clock.track.drift()
    return Estimate(
        name, way, plant.jitter("I0"), truth, found, error, allowed, alarms[0] - late if alarms else None, clock.state, clock.kind,
        clock.evidence, None if drift is None else drift[0], len(accused),
        judged and not accused and (abs(error) <= allowed or way in UNKNOWABLE),
    )  # fmt: skip


def day(groups: int = 200, hours: float = 24.0, seed: int = 5) -> dict[str, Any]:
    """A day in which every clock is right, and ways are as bad as they get; who was called SKEWED, and who SUSPECT."""
    plant = Plant([_right(number, seed) for number in range(groups)], seed)
    morning, night = slow_way(seed, BEGIN + 4 * 3600, BEGIN + 6 * 3600), slow_way(seed + 1, BEGIN + 18 * 3600, BEGIN + 18.5 * 3600, 60, 300)
    plant.common = lambda now: morning(now) + night(now)
    heard, overview = listen(plant, hours)
    kinds = {f"main/{interface.name}": interface.name.rstrip("0123456789") for interface in plant.interfaces}
    alarms = {found["clock_group"] for found in heard.skews if found["state"] == "SKEWED"}
    suspects = [kinds.get(group, group) for group in {found["clock_group"] for found in heard.skews if found["state"] == "SUSPECT"}]
    judged = sum(clock.state != "UNKNOWN" for clock in overview.clocks.groups.values())
    return {
        "groups": groups, "hours": hours, "judged": judged, "false_alarms": sorted(alarms),
        "suspects": {kind: suspects.count(kind) for kind in sorted(set(suspects))}, "records": len(heard.skews),
    }  # fmt: skip


_BAD_WAYS = ("hourly", "flushing", "queueing", "lagging", "jittery", "averaging", "buffering", "resting")


def _right(number: int, seed: int) -> Interface:
    """An interface whose clock is right; one in four has a way that known tools take for a wrong clock."""
    name = dict(enumerate(_BAD_WAYS)).get(number % 35, "plain")
    interface = Interface(f"{name}{number}", points=3, scan_seconds=30.0, way_seconds=0.02 + 0.01 * (number % 17))
    begin = BEGIN + 3600 * (2 + number % 19)
    match name:
        case "hourly":
            interface.kept = lambda now: (now // 3600 + 1) * 3600 + 240
        case "flushing":
            interface.kept = lambda now: (now // 45 + 1) * 45
        case "queueing":
            interface.slow = slow_way(seed + number, begin, begin + 5400)
        case "lagging":
            interface.way_seconds, interface.jitter_seconds = 20.0, 2.0
        case "jittery":
            interface.jitter_seconds = 5.0
        case "resting":  # overnight; what an interface says before and after lies on a line only if it is drawn on through the night
            interface.way_seconds, interface.jitter_seconds = 20.0, 2.0
            interface.kept = lambda now: BEGIN + 1e9 if BEGIN + 4 * 3600 <= now < BEGIN + 16 * 3600 else None
        case "averaging":
            interface.stamp_seconds = interface.scan_seconds
        case "buffering":
            interface.kept = _kept(begin, begin + 4000)
    return interface


def table(rows: Iterable[Estimate]) -> str:
    """For people."""
    lines = [
        "| skew | way | p95 - p5 | truth | estimate | error | allowed | detected after | state, kind, by | drift | |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        estimated = "-" if row.estimate_seconds is None else f"{row.estimate_seconds:+.3f}"
        after = "-" if row.seconds_to_detect is None else f"{row.seconds_to_detect:.0f} s"
        drift = "-" if row.drift_ppm is None else f"{row.drift_ppm:+.1f} ppm"
        lines.append(
            f"| {row.skew} | {row.way} | {row.jitter_seconds:.2f} | {row.truth_seconds:+.3f} | {estimated} "
            f"| {row.error_seconds:+.3f} | {row.allowed_seconds:.2f} | {after} | {row.state}, {row.kind}, {row.evidence} | {drift} "
            f"| {'' if row.good else 'NOT AS EXPECTED'} |"
        )
    return "\n".join(lines)
