"""Late values whose cause is known, planted among ordinary ones: what is found, and by which cause."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from proofs.accuracy.clocks import point
from proofs.accuracy.plant import BEGIN, frame, micros, sample
from schemas.processors import Processors
from schemas.records import Incident, LateSamples, Series, ValueFrame
from stream_processors.assess import Overview, Shard

HOURS = 2.5
POINTS = 20
SCAN_SECONDS = dict.fromkeys(("I0", "I1", "I2", "I3", "I4", "I5", "I6"), 10.0) | {"I7": 30.0, "I8": 300.0}
"""Of each interface."""
_SCANS_BEFORE = 100
"""So many of a slow interface are heard at least before anything is late."""
SHARDS = 6
"""Over so many a group's twenty points lie by three or four."""
_LATE_SECONDS, _UNSURE_SECONDS = 60.0, 2.0
"""A quick point's least threshold; so near to it nothing is planted or counted."""
_TICK_SECONDS = 0.1


class Value(NamedTuple):
    """A value on its way."""

    at: float
    key: str
    stamp: float
    true: float
    """When it was measured; 0 if it was entered by hand, or foretold."""
    cause: str
    """Why it is late, or "" for an ordinary one."""
    fields: dict[str, Any]


class Named(NamedTuple):
    """A value in a frame."""

    sequence: int
    key: str
    event_time: int


@dataclass
class Planted:
    """All that arrives, and the truth of each value."""

    values: list[Value] = field(default_factory=list)
    truth: dict[Named, str] = field(default_factory=dict)
    unsure: set[Named] = field(default_factory=set)

    def frames(self, shards: int = 1) -> Iterator[ValueFrame]:
        """In order of arrival; the truth of a frame is known when it has been taken."""
        values, begin, sequences = sorted(self.values, key=lambda value: value.at), 0, Counter[int]()
        while begin < len(values):
            end = begin
            while end < len(values) and values[end].at < values[begin].at + _TICK_SECONDS and end - begin < 1000:
                end += 1
            by_shard = defaultdict[int, list[Value]](list)
            for value in values[begin:end]:
                by_shard[_shard_of(value.key, shards)].append(value)
            for shard in sorted(by_shard):
                yield {**self._frame(by_shard[shard], sequences[shard]), "shard": shard}
                sequences[shard] += 1
            begin = end

    def _frame(self, values: list[Value], sequence: int) -> ValueFrame:
        series: dict[str, Series] = {}
        for value in values:
            own = series.setdefault(
                value.key, {"point_key": value.key, "tag": value.key[5:], "uom": None, "statement": None, "samples": []}
            )
            own["samples"].append(sample(micros(value.stamp), float(value.stamp % 89), **value.fields))
            name, delay = Named(sequence, value.key, micros(value.stamp)), values[-1].at - value.true
            self.truth[name] = value.cause
            if value.cause and abs(delay - _LATE_SECONDS) < _UNSURE_SECONDS:
                self.unsure.add(name)
        received = micros(values[-1].at)
        return frame(sequence, received, received - 20_000, list(series.values()))


def _shard_of(key: str, shards: int) -> int:
    number = key.rpartition("-")[2]
    return int(number) % shards if number.isdigit() else 0


def plant(seed: int = 3) -> Planted:
    """Hours of nine interfaces of twenty points each, and what comes late from the second one on."""
    chance, planted = np.random.default_rng(seed), Planted()
    second = BEGIN + 3600
    for number, (name, seconds) in enumerate(SCAN_SECONDS.items()):
        begin = min(BEGIN, second - _SCANS_BEFORE * seconds) + number
        for scanned in np.arange(begin, BEGIN + HOURS * 3600, seconds).tolist():
            for at_point in range(POINTS):
                planted.values.append(_scanned(name, at_point, scanned, second, chance))
    _correct_by_hand(planted, second, chance)
    _correct_by_threes(planted, second, chance)
    planted.values += [Value(BEGIN + 3700 + n, "main:I0-forecast", BEGIN + 90_000 + 60 * n, 0.0, "", {}) for n in range(200)]
    return planted


STALL = (BEGIN + 6600, BEGIN + 6780)
"""The bridge hears nothing; PI sends what it kept afterwards."""


def _scanned(name: str, number: int, scanned: float, second: float, chance: np.random.Generator) -> Value:
    """One value of a scan: ordinary, unless its interface, its device or we are just in trouble."""
    sent, stamp, cause = scanned, scanned, ""
    if name == "I1" and second <= scanned < second + 1200:  # the interface keeps all, and sends it in order
        sent, cause = second + 1200 + (scanned - second) / 60, "BUFFERED_INTERFACE"
    elif name == "I2" and second <= scanned < second + 1000:  # the newest first
        sent, cause = second + 1000 + (second + 1000 - scanned) / 50, "BUFFERED_INTERFACE"
    elif name == "I3" and number < 5 and second + 300 <= scanned < second + 900:  # one device behind it
        sent, cause = second + 900 + (scanned - second - 300) / 30, "BUFFERED_INTERFACE"
    elif name == "I7" and number < 5 and second + 950 <= scanned < second + 1450:  # a device again, between two scans
        sent, cause = second + 1460 + (scanned - second - 950) / 50, "BUFFERED_INTERFACE"
    elif name == "I7" and second + 1500 <= scanned < second + 1800:
        sent, cause = second + 1800 + (second + 1800 - scanned) / 60, "BUFFERED_INTERFACE"
    elif name == "I8" and second + 1200 <= scanned < second + 2400:
        sent, cause = second + 2400 + (second + 2400 - scanned) / 60, "BUFFERED_INTERFACE"
    elif name == "I5":  # its clock falls behind, and stays so
        stamp, cause = (scanned - 150, "GROUP_SHIFTED") if scanned >= second + 600 else (scanned, "")
    delay = float(chance.exponential(2.0 if name == "I6" else 0.1))
    at = sent + 0.05 + delay
    if STALL[0] <= at < STALL[1]:
        at, cause = STALL[1] + (at - STALL[0]) / 100, "OUR_GAP"
    late = at - (stamp if cause == "GROUP_SHIFTED" else scanned) > _LATE_SECONDS
    return Value(at, f"main:{name}-{number}", stamp, scanned, cause if late else "", {})


def _correct_by_hand(planted: Planted, second: float, chance: np.random.Generator) -> None:
    """Values inserted and edited by people and laboratories, minutes to weeks back, one by one and by the dozen."""
    for _ in range(900):
        at = second + float(chance.uniform(0, 2900))
        back = float(np.exp(chance.uniform(np.log(120), np.log(30 * 86_400))))
        key = f"main:{('I0', 'I4', 'I6')[int(chance.integers(3))]}-{int(chance.integers(POINTS))}"
        fields = {"substituted": True} if chance.uniform() < 0.3 else {}
        planted.values.append(Value(at, key, round(at - back, 3), 0.0, "BEHIND_COVERAGE", fields))
    for number in range(20):
        at = second + 60.0 + 140 * number
        for back in range(12):
            planted.values.append(Value(at, f"main:I4-{number}", round(at - 7200 - 60 * back, 3), 0.0, "BEHIND_COVERAGE", {}))


def _correct_by_threes(planted: Planted, second: float, chance: np.random.Generator) -> None:
    """Three points of a slower interface are corrected at once: hours back, and between its last two scans."""
    for number in range(25):
        _edit_three(planted, "I7", second + 36 * number + float(chance.uniform(0, 30)), float(chance.uniform(120, 20_000)), chance)
    for scan in (0, 1, 2, 3, 9):
        scanned = second + 8 + 300 * scan
        for number in range(5):
            at = scanned + 58 * number + float(chance.uniform(1, 50))
            _edit_three(planted, "I8", at, at - scanned + float(chance.uniform(65, 295)), chance)


def _edit_three(planted: Planted, name: str, at: float, back: float, chance: np.random.Generator) -> None:
    for number in chance.choice(POINTS, 3, replace=False).tolist():
        planted.values.append(Value(at, f"main:{name}-{number}", round(at - back, 3), 0.0, "BEHIND_COVERAGE", {}))


@dataclass
class Score:
    """How well one cause was found, sample by sample."""

    cause: str
    planted: int
    found: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.planted if self.planted else 1.0


@dataclass
class Result:
    ordinary: int
    scores: list[Score]
    wrong_categories: int
    confusions: dict[str, int]

    def of(self, cause: str) -> Score:
        return next(score for score in self.scores if score.cause == cause)

    @property
    def good_in_shards(self) -> bool:
        """The same where no shard has three points of a device: what a device kept may be BEHIND_COVERAGE, all else is told as before."""
        shifted, behind, gap = self.of("GROUP_SHIFTED"), self.of("BEHIND_COVERAGE"), self.of("OUR_GAP")
        sure = min(behind.recall, gap.recall, gap.precision, self.of("BUFFERED_INTERFACE").precision) >= 0.99
        return sure and min(shifted.precision, shifted.recall) >= 0.9 and not self.wrong_categories

    @property
    def good(self) -> bool:
        causes = {score.cause: score for score in self.scores}
        enough = sum(causes[cause].planted for cause in CAUSES) >= 1000 and self.ordinary >= 100_000
        return enough and not self.wrong_categories and all(min(causes[c].precision, causes[c].recall) >= 0.99 for c in CAUSES)


CAUSES = ("BUFFERED_INTERFACE", "BEHIND_COVERAGE", "OUR_GAP")
"""Those that have to be found; GROUP_SHIFTED is said only until the clock is known, and then nothing is late."""


def run(seed: int = 3, shards: int = 1) -> Result:
    """Plays what was planted, with archive reads between that are never late, and compares."""
    settings, planted = Processors(), plant(seed)
    parts, overview = [Shard("plant", number, settings) for number in range(shards)], Overview("plant", settings)
    points = [point(f"main:{name}-{number}", name) for name in SCAN_SECONDS for number in range(POINTS)]
    points.append({**point("main:I0-forecast", "I0"), "future": True})
    for one in points:
        parts[_shard_of(one["point_key"], shards)].point(one)
    told, recorded, until, known_from = False, Counter[int](), BEGIN + 1800, micros(BEGIN + HOURS * 3600)
    predicted: dict[Named, LateSamples] = {}
    for heard in planted.frames(shards):
        received, shard = heard["received_time"], parts[heard["shard"]]
        if not told and received >= micros(STALL[1] - 1):
            for part in parts:
                part.incident(_incident())
            told = True
        if received >= micros(until):
            shard.frame("recorded", _statement(recorded[heard["shard"]], received, heard), received)
            recorded[heard["shard"]] += 1
            until += 300
        assessed = shard.frame("live", heard, received)
        for found in assessed.late:
            for each in _named(found, heard):
                predicted[each] = found
        for assessment in assessed.assessments:
            for skew in overview.take(assessment)[0]:
                for part in parts:
                    part.skew(skew)
                if skew["clock_group"] == "main/I5" and skew["state"] == "SKEWED":
                    known_from = min(known_from, received)
    return _compare(planted, predicted, known_from)


def _named(found: LateSamples, heard: ValueFrame) -> Iterator[Named]:
    for series in heard["series"]:
        if series["point_key"] == found["point_key"]:
            for each in series["samples"]:
                if found["first_event_time"] <= each["event_time"] <= found["last_event_time"]:
                    yield Named(heard["sequence"], found["point_key"], each["event_time"])


def _compare(planted: Planted, predicted: dict[Named, LateSamples], known_from: int) -> Result:
    """Sample by sample. When the clock of I5 is known, at `known_from`, its values are not late any more."""
    right, wrong_categories = Counter[str](), 0
    truths, founds, confusions = Counter[str](), Counter[str](), defaultdict[str, int](int)
    for name, cause in planted.truth.items():
        if name in planted.unsure:
            continue
        if cause == "GROUP_SHIFTED" and name.event_time + micros(150) > known_from:
            cause = ""
        found = predicted.get(name)
        said = "" if found is None else found["cause"]
        truths[cause] += 1
        founds[said] += 1
        right[cause] += said == cause
        if said != cause:
            confusions[f"{cause or 'ordinary'} -> {said or 'not late'}"] += 1
        if found is not None and found["category"] != _category(found):
            wrong_categories += 1
    causes = sorted((truths.keys() | founds.keys()) - {""})
    scores = [Score(cause, truths[cause], founds[cause], right[cause]) for cause in causes]
    return Result(truths[""], scores, wrong_categories, dict(sorted(confusions.items())))


def _category(found: LateSamples) -> str:
    late = found["lateness_seconds"]
    for hours, category in ((168, "VERY_LATE"), (24, "LATE"), (4, "SLIGHTLY_LATE")):
        if late > hours * 3600:
            return category
    return "DELAYED" if late > 0 else "FUTURE"


def _incident() -> Incident:
    return {
        "source": "plant", "incident_id": "1", "kind": "CHANNEL_LOST", "state": "OPENED", "shard": None, "opened_time": micros(STALL[1]),
        "from_time": micros(STALL[0] - 1), "to_time": micros(STALL[1]), "closed_time": None, "points": 181, "point_keys": [], "detail": "",
        "topic": None, "partition": None, "from_offset": None, "to_offset": None, "from_sequence": None, "to_sequence": None,
        "job_id": None, "accepted_time": None, "accepted_reason": None,
    }  # fmt: skip


def _statement(sequence: int, received: int, like: ValueFrame) -> ValueFrame:
    """An archive read whose values are hours old: it is never late."""
    begin, end = received - 7_200_000_000, received - 120_000_000
    series: Series = {
        "point_key": like["series"][0]["point_key"], "tag": "", "uom": None,
        "statement": {
            "kind": "STATED", "from_time": begin, "from_ticks": 0, "to_time": end, "to_ticks": 0, "as_of": end, "as_of_clock": 1,
            "count": 1, "digest": 0,
        },
        "samples": [sample(begin, 1.0)],
    }  # fmt: skip
    return {**frame(sequence, received, None, [series]), "origin": "RECORDED", "via": "READ"}


def table(result: Result) -> str:
    """For people."""
    lines = [
        f"{result.ordinary:,} ordinary values",
        "",
        "| cause | planted | found | right | precision | recall |",
        "|---|---|---|---|---|---|",
    ]
    for score in result.scores:
        lines.append(
            f"| {score.cause} | {score.planted:,} | {score.found:,} | {score.right:,} | {score.precision:.4f} | {score.recall:.4f} |"
        )
    return "\n".join([*lines, "", *(f"{number:,} x {what}" for what, number in result.confusions.items())])
