"""History from a CSV file as if it came live: frames under a virtual clock, the rules as a worker runs them, and what they said.

The files hold no time of arrival. Each value comes a fifth of a second after its stamp; one whose stamp is not newer than all before it
comes together with the newest of these. Every five minutes a value of another interface comes, so that the shard is heard: what nobody
listens to is not stale (decision 71). Periods close by the clock, as in a worker whose topics were read to their ends.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from proofs.accuracy.clocks import point
from proofs.accuracy.plant import frame, sample
from proofs.evidence import ROOT
from schemas.processors import Processors
from schemas.records import ClockSkew, LateSamples, QualityFinding, Series
from stream_processors.assess import Overview, Shard

FOLDER = ROOT / "simulator" / "history"
SECOND, MINUTE, DAY = 1_000_000, 60_000_000, 86_400_000_000
_WAY, _GRACE = SECOND // 5, 10 * SECOND
_PULSE_MINUTES = 5
_AFTER = DAY // 4
"""The clock goes on for so long behind the last value."""
PULSE = "main:pulse"
DEFAULT_SPAN, FIRST_WEEK = "as created", "first week"
Row = tuple[int, float]
"""Stamp, microseconds since 1970; value."""


class BadHistory(ValueError):
    """The file is not what it should be. The message says where."""


@dataclass(frozen=True)
class Known:
    """What is known to have happened, from outside."""

    what: str
    begin: int
    end: int


@dataclass(frozen=True)
class History:
    """A file, and what is known of it."""

    name: str
    file: str
    known: tuple[Known, ...]

    def rows(self) -> list[Row]:
        """In the file's order. Raises BadHistory."""
        with (FOLDER / self.file).open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(lines)
            rows = [_row(line["timestamp"], line["value"], f"{self.file}, line {reader.line_num}") for line in reader]
        if not rows:
            raise BadHistory(f"{self.file} has no rows")
        return rows

    def points(self) -> dict[str, tuple[float, float]]:
        """The same values as two points, by their spans: PI's own for a new point, and the range of the first week."""
        rows = self.rows()
        week = [value for stamp, value in rows if stamp < rows[0][0] + 7 * DAY]
        return {DEFAULT_SPAN: (0.0, 100.0), FIRST_WEEK: (min(week), max(week))}


@dataclass(frozen=True)
class Episode:
    """Something that was said of a point, until it was said to be over."""

    point: str
    """`as created`, `first week`, or a clock group."""
    rule: str
    """A quality check, LATE or SKEW."""
    begin: int
    """What is judged begins there, microseconds since 1970."""
    told: int
    """When it was said."""
    over: int | None
    """When it was said to be over."""
    value: float | None
    threshold: float | None
    detail: str


def time_of(text: str) -> int:
    """Microseconds since 1970 of a time without a zone, which is UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * SECOND)


def _row(stamp: str, value: str, where: str) -> Row:
    try:
        row = time_of(stamp), float(value)
    except ValueError as error:
        raise BadHistory(f"{where}: {error}") from error
    if not math.isfinite(row[1]) or row[0] % MINUTE:
        raise BadHistory(f"{where}: a finite number at a whole minute is expected")
    return row


MACHINE = History(
    "machine", "machine_temperature_system_failure.csv",
    (
        Known("planned shutdown", time_of("2013-12-15 09:55"), time_of("2013-12-18 00:55")),
        Known("hard to see, led to the failure", time_of("2014-01-27 06:25"), time_of("2014-01-29 21:25")),
        Known("failure", time_of("2014-02-07 07:00"), time_of("2014-02-09 22:00")),
    ),
)  # fmt: skip
AMBIENT = History(
    "ambient", "ambient_temperature_system_failure.csv",
    (
        Known("anomaly", time_of("2013-12-15 07:00"), time_of("2013-12-30 09:00")),
        Known("anomaly", time_of("2014-03-29 15:00"), time_of("2014-04-20 22:00")),
    ),
)  # fmt: skip
HISTORIES = {history.name: history for history in (MACHINE, AMBIENT)}
"""With the windows of the benchmark that the files are from: numenta/NAB, labels/combined_windows.json."""


def _as_stamped(rows: list[Row]) -> Iterator[tuple[int, Row]]:
    newest = 0
    for row in rows:
        newest = max(newest, row[0])
        yield newest, row


def _one_by_one(rows: list[Row]) -> Iterator[tuple[int, Row]]:
    """The other reading: a clock that was put back, and a value every five minutes as before."""
    at = rows[0][0] - _PULSE_MINUTES * MINUTE
    for row in rows:
        at = max(at + _PULSE_MINUTES * MINUTE, row[0])
        yield at, row


def replay(
    history: History,
    begin: str = "",
    end: str = "",
    others: bool = True,
    put_back: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> list[Episode]:
    """What the rules say of the rows from `begin` to `end` (UTC; all where empty), in its order.

    `others`: there is another interface. `put_back`: where stamps step back, that is the clock, and values come one by one.
    """
    first, last = time_of(begin) if begin else 0, time_of(end) if end else 1 << 62
    rows = [row for row in history.rows() if first <= row[0] < last]
    coming = defaultdict[int, list[Row]](list)
    for at, row in (_one_by_one if put_back else _as_stamped)(rows):
        coming[at // MINUTE].append(row)
    return _Play(history).run(coming, others, min(last, max(coming) * MINUTE + _AFTER) // MINUTE, say)


class _Play:
    def __init__(self, history: History) -> None:
        settings = Processors()
        self._shard, self._overview = Shard("plant", 0, settings), Overview("plant", settings)
        self._keys = {f"main:{history.name}, {name}": name for name in history.points()}
        for key, (zero, top) in zip(self._keys, history.points().values(), strict=True):
            self._shard.point({**point(key, f"PLC {key}"), "zero": zero, "span": top - zero})
        self._shard.point(point(PULSE, "PULSE"))
        self._episodes: list[Episode] = []
        self._open: dict[tuple[str, str], int] = {}

    def run(self, coming: Mapping[int, list[Row]], others: bool, until: int, say: Callable[[str], None]) -> list[Episode]:
        sequence = 0
        for minute in range(min(coming), until):
            received = minute * MINUTE + _WAY
            if received % DAY == _WAY and received // DAY % 28 == 0:
                say(f"replayed to {datetime.fromtimestamp(received // SECOND, UTC):%Y-%m-%d}: {len(self._episodes)} findings")
            said = self._shard.advance(received - _GRACE)
            if series := [*self._pulse(minute, others), *self._values(coming.get(minute, []))]:
                assessed = self._shard.frame("live", frame(sequence, received, received, series), received)
                said += assessed.assessments
                sequence += 1
                for late in assessed.late:
                    self._late(late)
            for assessment in said:
                skews, findings = self._overview.take(assessment)
                for skew in skews:
                    self._skew(skew, received)
                for finding in findings:
                    self._quality(finding, received)
        return self._episodes

    def _pulse(self, minute: int, others: bool) -> Iterator[Series]:
        if others and minute % _PULSE_MINUTES == 0:
            yield _series(PULSE, [(minute * MINUTE, float(minute % 97))])

    def _values(self, rows: list[Row]) -> Iterator[Series]:
        return (_series(key, rows) for key in self._keys if rows)

    def _late(self, found: LateSamples) -> None:
        detail = f"{found['samples']} of {found['category']}, {found['cause']}"
        name, late = self._keys[found["point_key"]], found["lateness_seconds"]
        self._episodes.append(
            Episode(name, "LATE", found["first_event_time"], found["received_time"], None, late, found["threshold_seconds"], detail)
        )

    def _skew(self, found: ClockSkew, now: int) -> None:
        self._shard.skew(found)
        offset, name = found["offset_ours_seconds"], found["clock_group"]
        self._follow(
            name, "SKEW", found["state"] != "OK", Episode(name, "SKEW", found["since_time"], now, None, offset, None, found["detail"])
        )

    def _quality(self, found: QualityFinding, now: int) -> None:
        name, rule = self._keys.get(found["scope"], found["scope"]), found["quality_check"]
        episode = Episode(name, rule, found["from_time"], now, None, found["value"], found["threshold"], found["detail"])
        self._follow(name, rule, found["state"] == "FAILED", episode)

    def _follow(self, name: str, rule: str, failed: bool, episode: Episode) -> None:
        """Keeps what begins, and closes what is over."""
        place = self._open.pop((name, rule), None)
        if place is not None:
            self._episodes[place] = replace(self._episodes[place], over=episode.told)
        if failed:
            self._open[name, rule] = len(self._episodes)
            self._episodes.append(episode)


def _series(key: str, rows: list[Row]) -> Series:
    samples = [sample(stamp, value) for stamp, value in rows]
    return {"point_key": key, "tag": key.partition(":")[2], "uom": None, "statement": None, "samples": samples}
