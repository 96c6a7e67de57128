"""A small plant and a bridge that makes no mistake, told as journal, Kafka records and Delta tables. Tests then spoil one of them."""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from deltalake import write_deltalake

from schemas.digest import digest_of
from schemas.records import Sample
from schemas.shards import shard_of
from verifier import journal
from verifier.checks import Evidence, Tables, verify
from verifier.delta import Lakehouse
from verifier.findings import Findings
from verifier.frames import Records, frame_of, incident_of, take_progress

SERVER, SOURCE, SHARDS = "85bb49d6-f101-4807-baf9-57c2fbd33000", "plant1", 3
SECOND = 10_000_000
T0 = 17_000_000_000 * 1_000_000
"""Where the plant's time begins, in ticks; a whole second."""
Json = dict[str, Any]


@dataclass
class Entry:
    """An archived event in the model."""

    ticks: int
    event_id: int
    value: Any
    flags: int


@dataclass
class Record:
    """A record in Kafka: decoded, with its place."""

    dataset: str
    partition: int
    offset: int
    value: Json
    aborted: bool = False


@dataclass
class World:
    """Everything that happens goes into the journal; everything the bridge says goes into `records`."""

    now: int = T0
    lines: list[Json] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    incidents: list[Json] = field(default_factory=list)
    progress: dict[str, Json] = field(default_factory=dict)
    archive: dict[int, list[Entry]] = field(default_factory=dict)
    points: dict[int, Json] = field(default_factory=dict)
    rows: list[Json] = field(default_factory=list)
    """Of bronze.pi_timeseries, once `land` was called."""
    ledger: list[Json] = field(default_factory=list)
    cleaned: list[Json] | None = None
    previews_open: list[Json] | None = None
    begins: dict[tuple[str, int], int] = field(default_factory=dict)
    epoch: int = 1
    _ids: int = 0
    _clocks: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    _sequences: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    _offsets: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.line("start", format=1, server_id=SERVER, server_name="PISIM", seed=1, profile="verify", history_from=0, compression=True)

    # -- the plant ----------------------------------------------------------------------------------------------------------------

    def line(self, kind: str, **facts: Any) -> Json:
        made = {"k": kind, "n": len(self.lines) + 1, "at": self.now, **facts}
        self.lines.append(made)
        return made

    def point(self, p: int, point_type: str = "Float32", uom: str = "degC") -> None:
        self.points[p] = {"type": point_type, "uom": uom}
        self.archive[p] = []
        self.line("point", p=p, name=f"tag{p}", type=point_type, uom=uom, step=False, live=True)

    def write(self, p: int, ticks: int, value: Any, flags: int = 1) -> int:
        self._ids += 1
        self.line("write", p=p, t=ticks, v=value, f=flags, id=self._ids)
        return self._ids

    def event(self, p: int, ticks: int, value: Any, flags: int = 1) -> int:
        """An event that is archived at once."""
        event_id = self.write(p, ticks, value, flags)
        self.line("archive", p=p, id=event_id)
        self.archive[p].append(Entry(ticks, event_id, value, flags))
        self.archive[p].sort(key=lambda entry: entry.ticks)
        return event_id

    def history(self, p: int, begin: int, end: int, events: list[tuple[int, Any, int]]) -> int:
        first = self._ids + 1
        self._ids += len(events)
        self.line("history", **{"p": p, "from": begin, "to": end, "id": first, "events": [list(event) for event in events]})
        self.archive[p] = [Entry(t, first + at, v, f) for at, (t, v, f) in enumerate(events)] + self.archive[p]
        self.archive[p].sort(key=lambda entry: entry.ticks)
        return first

    def edit(self, p: int, event_id: int, value: Any, flags: int = 5) -> None:
        self.line("edit", p=p, id=event_id, v=value, f=flags)
        entry = next(entry for entry in self.archive[p] if entry.event_id == event_id)
        entry.value, entry.flags = value, flags

    def delete(self, p: int, event_id: int) -> None:
        self.line("delete", p=p, id=event_id)
        self.archive[p] = [entry for entry in self.archive[p] if entry.event_id != event_id]

    def read(self, p: int, begin: int, end: int, most: int = 1000, status: int = 200, route: str = "recorded") -> Json:
        """A read that PI served."""
        events = [entry.ticks for entry in self.archive[p] if begin <= entry.ticks <= end][:most]
        ends = {"first": events[0], "last": events[-1]} if events else {"first": None, "last": None}
        self.now += 2000
        facts = {"q": "r1/0", "p": p, "route": route, "from": begin, "to": end, "max": most, "count": len(events), "status": status}
        return self.line("read", **facts, **ends)

    def sent(self, p: int, events: list[tuple[int, Any, int]]) -> None:
        self.line("sent", c="c1", p=p, events=[list(event) for event in events])

    # -- the bridge ---------------------------------------------------------------------------------------------------------------

    def take_clock(self, shard: int) -> int:
        self._clocks[shard] += 1
        return self.epoch << 40 | self._clocks[shard]

    def state(
        self,
        p: int,
        begin: int,
        end: int,
        dataset: str = "recorded",
        kind: str = "STATED",
        then: Callable[[], None] | None = None,
    ) -> Json:
        """Reads [begin, end) and states it; answers the series. `then` happens between the read and its answer, which takes the clock
        that a request has to take when it is sent."""
        shard, as_of = shard_of(key_of(p), SHARDS), self.now // 10
        clock = self.take_clock(shard)
        if begin < end:
            self.read(p, begin // SECOND * SECOND, -(-end // SECOND) * SECOND)
        samples = self.samples(p, begin, end)
        if then is not None:
            then()
            clock = self.take_clock(shard)
        statement = {
            "kind": kind,
            "from_time": begin // 10,
            "from_ticks": begin % 10,
            "to_time": end // 10,
            "to_ticks": end % 10,
            "as_of": as_of,
            "as_of_clock": clock,
            "count": len(samples),
            "digest": digest(samples),
        }
        series = self.series(p, statement, samples if kind == "STATED" else [])
        self.publish(dataset, shard, "READ", [series])
        low, high = self.progress.get(key_of(p), {"low": begin, "high": end})["low"], end
        known = self.progress.get(key_of(p))
        self.progress[key_of(p)] = {"low": min(low, begin), "high": max(high, known["high"] if known else end)}
        return series

    def preview(self, p: int, events: list[tuple[int, Any, int]], via: str = "CHANNEL", sent: bool = True) -> Json:
        if sent and via == "CHANNEL":
            self.sent(p, events)
        samples = numbered([sample_of(t, v, f, self.points[p]["type"]) for t, v, f in events])
        series = self.series(p, None, samples)
        self.publish("live", shard_of(key_of(p), SHARDS), via, [series])
        return series

    def samples(self, p: int, begin: int, end: int) -> list[Json]:
        found = [entry for entry in self.archive[p] if begin <= entry.ticks < end]
        return numbered([sample_of(entry.ticks, entry.value, entry.flags, self.points[p]["type"]) for entry in found])

    def series(self, p: int, statement: Json | None, samples: list[Json]) -> Json:
        return {"point_key": key_of(p), "tag": f"tag{p}", "uom": self.points[p]["uom"] or None, "statement": statement, "samples": samples}

    def publish(self, dataset: str, shard: int, via: str, series: list[Json], aborted: bool = False) -> Record:
        sequence = self._sequences[dataset, shard]
        value = {
            "source": SOURCE,
            "shard": shard,
            "epoch": self.epoch,
            "sequence": sequence,
            "clock": self.take_clock(shard),
            "origin": "LIVE" if dataset == "live" else "RECORDED",
            "via": via,
            "received_time": self.now // 10,
            "server_time": self.now // 10,
            "cause": None,
            "series": series,
        }
        self._sequences[dataset, shard] += not aborted
        record = Record(dataset, shard, self._offsets[dataset, shard], value, aborted)
        self._offsets[dataset, shard] += 2  # a transaction's marker takes an offset too
        self.records.append(record)
        self.now += 1000
        return record

    def incident(self, p: int, begin: int, end: int | None, state: str = "CLOSED", incident_id: str = "i1") -> Json:
        made = {
            "incident_id": incident_id,
            "kind": "CHANNEL_LOST",
            "state": state,
            "shard": shard_of(key_of(p), SHARDS),
            "from_time": begin // 10,
            "to_time": None if end is None else end // 10,
            "points": 1,
            "point_keys": [key_of(p)],
        }
        self.incidents.append(made)
        return made

    def statements(self, p: int) -> list[Json]:
        """The series with statements about a point, in order."""
        found = [series for record in self.records if not record.aborted for series in record.value["series"]]
        return [series for series in found if series["point_key"] == key_of(p) and series["statement"] is not None]

    def of(self, dataset: str) -> list[Record]:
        """The committed records of a dataset, in order."""
        return [record for record in self.records if record.dataset == dataset and not record.aborted]

    # -- the lakehouse ------------------------------------------------------------------------------------------------------------

    def land(self, aborted: bool = False) -> None:
        """Bronze as the job writes it from what is committed."""
        self.rows, self.ledger = [], []
        for record in self.records:
            if record.aborted and not aborted:
                continue
            value = record.value
            frame = {name: value[name] for name in ("source", "shard", "epoch", "sequence", "clock", "origin", "via")}
            for index, series in enumerate(value["series"]):
                place = {
                    "kafka_topic": f"pi.{SOURCE}.{record.dataset}",
                    "kafka_partition": record.partition,
                    "kafka_offset": record.offset,
                    "series_index": index,
                    "point_key": series["point_key"],
                    "uom": series["uom"],
                }
                self.rows += [frame | place | sample | {"sample_index": at} for at, sample in enumerate(series["samples"])]
                if series["statement"] is not None:
                    self.ledger.append(frame | place | series["statement"])

    # -- what the verifier gets ---------------------------------------------------------------------------------------------------

    def journal_bytes(self) -> bytes:
        return b"".join(json.dumps(line).encode() + b"\n" for line in self.lines)

    def kafka(self) -> Records:
        records = Records(
            partitions=SHARDS, begins={(d, p): 0 for d in ("live", "recorded", "history") for p in range(SHARDS)} | self.begins
        )
        for record in sorted(self.records, key=lambda record: (record.dataset, record.partition, record.offset)):
            place = (record.dataset, record.partition, record.offset)
            if record.aborted:
                records.aborted[place] = "a frame"
            else:
                records.frames.append(frame_of(record.value, *place))
        records.incidents = [incident_of(incident) for incident in self.incidents]
        for key, point in self.progress.items():
            take_progress(records, key, {"point": {"point_key": key, **point}, "shard": None})
        for shard in range(SHARDS):
            sequences = {dataset: count for (dataset, number), count in self._sequences.items() if number == shard}
            take_progress(records, "shard", {"point": None, "shard": {"shard": shard, "sequences": sequences}})
        return records

    def tables(self, warehouse: Path) -> Tables:
        """Real Delta tables, read back."""
        store(warehouse / "bronze" / "pi_timeseries", self.rows, SAMPLE_COLUMNS)
        store(warehouse / "bronze" / "pi_coverage", self.ledger, COVERAGE_COLUMNS)
        for name, rows in (("pi_timeseries_cleaned", self.cleaned), ("pi_previews_open", self.previews_open)):
            if rows is not None:
                store(warehouse / "silver" / name, rows, SAMPLE_COLUMNS)
        return Lakehouse(warehouse, SOURCE).tables()

    def verify(self, warehouse: Path | None = None, settled: bool = False) -> Findings:
        """All checks, with bronze if a folder for it is given."""
        tables = None if warehouse is None else self.tables(warehouse)
        truth = journal.parse(iter(self.journal_bytes().splitlines(keepends=True)))
        return verify(Evidence(truth, self.kafka(), tables, {"main": SERVER}), settled)


def key_of(p: int) -> str:
    return f"main:{p}"


def sample_of(ticks: int, value: Any, flags: int, point_type: str) -> Json:
    """A sample as the bridge writes it."""
    made: Json = dict.fromkeys(
        ("value_double", "value_long", "value_string", "value_bytes", "digital_code", "system_state", "system_state_name")
    )
    if isinstance(value, dict):
        kind = "NONE" if value["IsSystem"] else "DIGITAL"
        names = ("system_state", "system_state_name") if value["IsSystem"] else ("digital_code", "value_string")
        made |= dict(zip(names, (value["Value"], value["Name"]), strict=True))
    elif point_type.startswith("Float"):
        kind = "DOUBLE"
        made["value_double"] = float(value)
    else:
        kind = "LONG" if isinstance(value, int) else "STRING"
        made["value_long" if kind == "LONG" else "value_string"] = value
    bits = {name: bool(flags >> bit & 1) for bit, name in enumerate(("good", "questionable", "substituted", "annotated"))}
    return {"event_time": ticks // 10, "ticks": ticks % 10, "ordinal": 0, "value_type": kind, **made, **bits}


def numbered(samples: list[Json]) -> list[Json]:
    """The samples with their places at each instant."""
    places: dict[tuple[int, int], int] = defaultdict(int)
    for sample in samples:
        instant = (sample["event_time"], sample["ticks"])
        sample["ordinal"] = places[instant]
        places[instant] += 1
    return samples


def digest(samples: list[Json]) -> int:
    """The digest as the bridge computes it: the verifier's own must agree."""
    return digest_of(cast(list[Sample], samples))


def restate(series: Json) -> None:
    """Makes count and digest those of the samples, as a bridge that believes in them would."""
    series["statement"] |= {"count": len(series["samples"]), "digest": digest(series["samples"])}


TIMESTAMP = pa.timestamp("us", "UTC")
FRAME_COLUMNS = {
    "source": pa.string(),
    "point_key": pa.string(),
    "shard": pa.int32(),
    "epoch": pa.int64(),
    "sequence": pa.int64(),
    "clock": pa.int64(),
    "via": pa.string(),
    "kafka_topic": pa.string(),
    "kafka_partition": pa.int32(),
    "kafka_offset": pa.int64(),
    "series_index": pa.int32(),
}
SAMPLE_COLUMNS = FRAME_COLUMNS | {
    "uom": pa.string(),
    "origin": pa.string(),
    "sample_index": pa.int32(),
    "event_time": TIMESTAMP,
    "ticks": pa.int32(),
    "ordinal": pa.int32(),
    "value_type": pa.string(),
    "value_double": pa.float64(),
    "value_long": pa.int64(),
    "value_string": pa.string(),
    "value_bytes": pa.binary(),
    "digital_code": pa.int32(),
    "system_state": pa.int32(),
    "system_state_name": pa.string(),
    "good": pa.bool_(),
    "questionable": pa.bool_(),
    "substituted": pa.bool_(),
    "annotated": pa.bool_(),
}
COVERAGE_COLUMNS = FRAME_COLUMNS | {
    "kind": pa.string(),
    "from_time": TIMESTAMP,
    "from_ticks": pa.int32(),
    "to_time": TIMESTAMP,
    "to_ticks": pa.int32(),
    "as_of": TIMESTAMP,
    "as_of_clock": pa.int64(),
    "count": pa.int64(),
    "digest": pa.int64(),
}


def store(path: Path, rows: list[Json], columns: dict[str, Any]) -> None:
    """A Delta table with these rows."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    def cell(value: Any, kind: Any) -> Any:
        return epoch + timedelta(microseconds=value) if kind == TIMESTAMP and value is not None else value

    arrays = {name: pa.array([cell(row.get(name), kind) for row in rows], kind) for name, kind in columns.items()}
    write_deltalake(str(path), pa.table(arrays))
