"""V1, V3, V6 and V9 on bronze's side: each committed sample and statement once, as it was published, and nothing else. Pure.

Rows are taken one at a time, so that a table need not fit into memory. Records that Kafka's retention has deleted are put together again
from their rows, and checked like the others.
"""

from collections import defaultdict
from typing import Any, NamedTuple

from verifier.digest import Sum
from verifier.events import Event, content_text, event_text, time_text
from verifier.findings import Findings
from verifier.frames import Frame, Place, Records, Series, Statement


class Head(NamedTuple):
    """The columns of a frame that each of its rows repeats."""

    shard: int
    epoch: int
    sequence: int
    clock: int
    via: str


class SampleRow(NamedTuple):
    """A row of pi_timeseries."""

    place: Place
    series: int
    sample: int
    point_key: str
    uom: str | None
    origin: str
    head: Head
    event: Event
    stray: tuple[str, ...] = ()
    """Columns that are set although the value type does not call for them."""


class CoverageRow(NamedTuple):
    """A row of pi_coverage."""

    place: Place
    series: int
    point_key: str
    head: Head
    statement: Statement


class Landing:
    """Takes the rows of both tables, then says in `finish` what is not there."""

    def __init__(self, records: Records, findings: Findings) -> None:
        self._records, self._findings = records, findings
        self._frames = {frame.place: frame for frame in records.frames}
        self._seen: dict[tuple[Place, int], bytearray] = {}
        self._sums: dict[tuple[Place, int], Sum] = {}
        self._statements: dict[tuple[Place, int], Statement] = {}
        self._gone: dict[Place, tuple[Head, str, dict[int, dict[str, Any]]]] = {}
        self.landed: dict[tuple[str, int], int] = {}
        """Offset up to which a topic's records are in bronze, by dataset and partition."""

    def take_sample(self, row: SampleRow) -> None:
        """Takes a row of pi_timeseries."""
        findings, order = self._findings, (row.point_key, row.event.ticks)
        findings.examined["bronze_samples"] += 1
        frame = self._frames.get(row.place)
        if frame is None:
            if self._is_gone(row.place):
                self._take_gone_sample(row)
            else:
                findings.fail("V6", f"{row.point_key} {event_text(row.event)}: {self._why_not(row.place)}", 1, order)
            return
        if frame.dataset == "live":
            self._reach(frame)
        where = f"bronze, {row.point_key} {event_text(row.event)} ({frame.text} series {row.series} sample {row.sample})"
        if row.series >= len(frame.series) or row.sample >= len(frame.series[row.series].events):
            findings.fail("V6", f"{where}: the committed record has no such sample", 1, order)
            return
        series = frame.series[row.series]
        seen = self._seen.setdefault((row.place, row.series), bytearray(len(series.events)))
        if seen[row.sample]:
            findings.fail("V6", f"{where}: the row is there more than once", 1, order)
            return
        seen[row.sample] = 1
        if series.statement is not None:
            self._sums.setdefault((row.place, row.series), Sum()).add(row.event)
        published = series.events[row.sample]
        if row.event != published:
            if row.event.ticks != published.ticks:
                text = f"time {time_text(row.event.ticks)} in place of {time_text(published.ticks)}"
            elif row.event.ordinal != published.ordinal:
                text = f"ordinal {row.event.ordinal} in place of {published.ordinal}"
            else:
                text = f"in place of {content_text(published.content)}"
            findings.fail("V3", f"{where}: {text}", 1, order)
        elif row.stray:
            findings.fail("V3", f"{where}: {', '.join(row.stray)} is set as well", 1, order)
        elif (row.point_key, row.uom, row.origin) != (series.point_key, series.uom, frame.origin) or row.head != _head(frame):
            findings.fail("V3", f"{where}: point, unit, origin or the frame's numbers are not as published", 1, order)

    def take_coverage(self, row: CoverageRow) -> None:
        """Takes a row of pi_coverage."""
        findings, order = self._findings, (row.point_key, row.statement.begin)
        findings.examined["bronze_statements"] += 1
        frame = self._frames.get(row.place)
        where = f"bronze, {row.point_key}, the statement of {'/'.join(map(str, row.place[:2]))} offset {row.place[2]} series {row.series}"
        if frame is None:
            if self._is_gone(row.place):
                entry = self._gone_series(row.place, row.head, "RECORDED", row.series, row.point_key)
                if entry["statement"] is not None:
                    findings.fail("V6", f"{where}: the row is there more than once", 1, order)
                entry["statement"] = row.statement
            else:
                findings.fail("V6", f"{where}: {self._why_not(row.place)}", 1, order)
            return
        self._reach(frame)
        published = frame.series[row.series].statement if row.series < len(frame.series) else None
        if published is None:
            findings.fail("V6", f"{where}: the committed record has no such statement", 1, order)
            return
        if (row.place, row.series) in self._statements:
            findings.fail("V6", f"{where}: the row is there more than once", 1, order)
            return
        self._statements[row.place, row.series] = row.statement
        alike = row.statement._replace(size=published.size, digest=published.digest)
        if alike != published or row.head != _head(frame) or row.point_key != frame.series[row.series].point_key:
            findings.fail("V3", f"{where}: range, clocks, point or the frame's numbers are not as published", 1, order)

    def finish(self) -> list[Frame]:
        """Reports what is missing, and sums that disagree. Answers the frames that only bronze still has."""
        for frame in self._records.frames:
            behind = frame.offset > self.landed.get((frame.dataset, frame.partition), -1)
            for index, series in enumerate(frame.series):
                if behind:
                    self._behind(frame, series)
                else:
                    self._series(frame, index, series)
        return self._rebuilt()

    def _behind(self, frame: Frame, series: Series) -> None:
        text = f"{series.point_key} of {frame.text} is not in bronze, which ends before it"
        self._findings.leave("V1", "not_landed", text, max(len(series.events), 1), (series.point_key, frame.offset))

    def _series(self, frame: Frame, index: int, series: Series) -> None:
        findings, key = self._findings, (frame.place, index)
        seen = self._seen.get(key, bytearray(len(series.events)))
        for at, event in enumerate(series.events):
            if not seen[at]:
                text = f"lost in bronze: {series.point_key} {event_text(event)} ({frame.text} series {index} sample {at})"
                findings.fail("V1", text, 1, (series.point_key, event.ticks))
        if series.statement is None:
            return
        statement, order = self._statements.get(key), (series.point_key, series.statement.begin)
        where = f"{series.point_key}, the statement of {frame.text} series {index}"
        if statement is None:
            findings.fail("V1", f"lost in bronze: {where}", 1, order)
            statement = series.statement
        own = self._sums.get(key, Sum())
        if statement.kind == "CONFIRMED":
            agrees = (statement.size, statement.digest) == (series.statement.size, series.statement.digest)
        else:
            agrees = (statement.size, statement.digest) == (own.count, own.digest)
        if not agrees:
            text = f"bronze, {where}: count {statement.size}, digest {statement.digest}, and its rows have {own.count}, {own.digest}"
            findings.fail("V9", text, 1, order)

    def _reach(self, frame: Frame) -> None:
        topic = (frame.dataset, frame.partition)
        self.landed[topic] = max(self.landed.get(topic, -1), frame.offset)

    def _why_not(self, place: Place) -> str:
        where = f"{place[0]}/{place[1]} offset {place[2]}"
        if what := self._records.aborted.get(place):
            return f"in bronze, and {where} is {what} of an aborted transaction"
        return f"in bronze, and {where} is no committed record"

    # -- records that Kafka has deleted ---------------------------------------------------------------------------------------------

    def _is_gone(self, place: Place) -> bool:
        return place[2] < self._records.begins.get(place[:2], 0)

    def _gone_series(self, place: Place, head: Head, origin: str, index: int, key: str) -> dict[str, Any]:
        series = self._gone.setdefault(place, (head, origin, {}))[2]
        return series.setdefault(index, {"key": key, "uom": None, "statement": None, "events": {}})

    def _take_gone_sample(self, row: SampleRow) -> None:
        entry = self._gone_series(row.place, row.head, row.origin, row.series, row.point_key)
        entry["uom"] = row.uom
        if row.sample in entry["events"]:
            text = f"bronze, {row.point_key} {event_text(row.event)}: the row is there more than once"
            self._findings.fail("V6", text, 1, (row.point_key, row.event.ticks))
        entry["events"][row.sample] = row.event

    def _rebuilt(self) -> list[Frame]:
        frames = []
        units: dict[str, str | None] = defaultdict(lambda: None)
        for _, _, series in self._gone.values():
            units.update((entry["key"], entry["uom"]) for entry in series.values() if entry["uom"] is not None)
        for place, (head, origin, series) in sorted(self._gone.items()):
            # A statement without samples leaves no unit in bronze: the point's other rows say it.
            rebuilt = [
                Series(entry["key"], units[entry["key"]], entry["statement"], [entry["events"][at] for at in sorted(entry["events"])], None)
                for _, entry in sorted(series.items())
            ]
            self.landed[place[:2]] = max(self.landed.get(place[:2], -1), place[2])
            frames.append(Frame(*place, head.shard, head.epoch, head.sequence, head.clock, origin, head.via, rebuilt))
        self._findings.examined["records_that_only_bronze_has"] = len(frames)
        return frames


def _head(frame: Frame) -> Head:
    return Head(frame.shard, frame.epoch, frame.sequence, frame.clock, frame.via)
