"""Points, values and answers to test with. Times of day are times on 2024-01-01, UTC, as ticks."""

from collections.abc import Sequence
from typing import Any, cast

from bridge import pitime, progress
from bridge.coverage import PointCoverage
from bridge.frame import plain
from bridge.incarnation import Incarnation, Record, Setting, rules_of
from bridge.pitime import Moment
from bridge.points import Point
from bridge.ranges import Page, Range, ticks_of
from bridge.rules import Rules
from bridge.samples import NUMBER_COLUMN, Flags, Sample, blob_shape, shape, text_shape
from schemas import records, wire
from schemas.config import Config
from schemas.records import Progress
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND
from schemas.topics import TOPICS
from tests.unit.schemas import frames

SECOND, MINUTE, HOUR = TICKS_PER_SECOND, 60 * TICKS_PER_SECOND, TICKS_PER_HOUR
RULES = Rules(
    settle=2 * MINUTE,
    seal_previews=100,
    seal_min=5 * MINUTE,
    seal_max=HOUR,
    quiet=6 * HOUR,
    blind_margin=2 * HOUR,
    slice=24 * HOUR,
)


def at(clock: str, more: int = 0) -> int:
    """Ticks of a time of day, such as 09:30 or 09:30:01.5."""
    clock = clock if clock.count(":") == 2 else clock + ":00"
    return pitime.parse(f"2024-01-01T{clock}Z") + more


def hour(clock: str) -> int:
    """Number of the hour that holds a time of day."""
    return at(clock) // HOUR


def carried(record: records.Sample) -> Sample:
    """A sample of the contract as the bridge carries it."""
    flags = Flags(record["good"], record["questionable"], record["substituted"], record["annotated"])
    if (blob := record["value_bytes"]) is not None:
        of = blob_shape(flags, blob)
    elif record["value_type"] == "STRING":
        of = text_shape(flags, record["value_string"] or "")
    else:
        state = record["system_state"], record["system_state_name"]
        of = shape(record["value_type"], flags, record["digital_code"], record["value_string"], *state)
    number: Any = record.get(NUMBER_COLUMN.get(record["value_type"], ""))
    return Sample(record["event_time"] * 10 + record["ticks"], number, of, record["ordinal"])


def sample(ticks: int, value: float = 1.0, ordinal: int = 0, **fields: object) -> Sample:
    """A good floating-point sample."""
    number: dict[str, object] = {"ticks": ticks % 10, "ordinal": ordinal, "value_type": "DOUBLE", "value_double": value}
    return carried(frames.sample(ticks // 10, **(number | fields)))


def item(when: int | str, value: object = 1.5, **fields: object) -> dict[str, Any]:
    """A value object as PI Web API writes it."""
    text = when if isinstance(when, str) else pitime.text_of(when)
    flags = {"Good": True, "Questionable": False, "Substituted": False, "Annotated": False}
    return {"Timestamp": text, "Value": value, "UnitsAbbreviation": "", **flags, **fields}


def page(*ticks: int, cut: bool = False, unreadable: Sequence[int] = ()) -> Page:
    """An answer with a sample at each instant."""
    return Page([sample(t) for t in sorted(ticks)], list(unreadable), cut)


def times(ranges: Sequence[Range]) -> list[tuple[int, int, list[int]]]:
    """Ranges with the instants of their samples."""
    return [(r.begin, r.end, [ticks_of(s) for s in r.samples]) for r in ranges]


def covered(low: str, high: str, start: str | None = None, as_of: str | None = None) -> PointCoverage:
    """A point that is covered from `low` (its start unless told) to `high`, read forward at `as_of` (a settle after `high` unless told)."""
    point = PointCoverage("main:1", at(low if start is None else start), at(low), at(high))
    point.as_of = at(high) + RULES.settle if as_of is None else at(as_of)
    return point


def config(load: dict[str, Any] | None = None, channels: dict[str, Any] | None = None, **delivery: Any) -> Config:
    """A configuration of one shard, with sections changed."""
    return Config.model_validate(
        {
            "source": "plant1",
            "pi": {
                "url": "https://pi.example/piwebapi",
                "auth": {"kind": "anonymous"},
                "servers": {"main": "85bb49d6-f101-4807-baf9-57c2fbd33000"},
                "points": [{"server": "main"}],
                "load": load or {},
                "channels": {"open_interval_seconds": 0.0} | (channels or {}),
            },
            "kafka": {"bootstrap_servers": "kafka:9092"},
            "registry": {"url": "https://registry.example"},
            "delivery": {"shards": 1} | delivery,
        }
    )


class Middle:
    """Chance that is always in the middle."""

    def random(self) -> float:
        return 0.5


def setting(settings: Config | None = None) -> Setting:
    """What an incarnation of shard 0 is told."""
    topics = {topic.dataset: (f"id of {topic.dataset}", topic.partition_count(1)) for topic in TOPICS}
    return Setting(0, settings or config(), topics, Middle())


def encoded(record: Record) -> bytes:
    """The record as Kafka takes it."""
    value: Any = plain(record.value) if record.topic.record == "value_frame" else record.value
    return wire.encode(1, wire.schema(record.topic.record), value)


def moment(clock: str, seconds: float | None = None) -> Moment:
    """A time of day on all clocks; the monotonic one counts from 00:00 unless told."""
    ticks = at(clock)
    return Moment((ticks - at("00:00")) / SECOND if seconds is None else seconds, ticks, ticks // 10)


def point_record(number: int, start: str = "00:00", **fields: Any) -> records.Point:
    """A point in scope, as the inventory has it."""
    record: dict[str, Any] = {
        "source": "plant1", "point_key": f"main:{number}", "server": "main", "server_id": "", "point_id": number, "web_id": f"W{number}",
        "tag": f"T{number}", "path": "", "descriptor": None, "point_class": None, "point_type": "Float64", "digital_set": None,
        "engineering_units": None, "zero": None, "span": None, "step": False, "future": False, "display_digits": None, "in_scope": True,
        "start_time": at(start) // 10, "received_time": 0, "point_source": None,
    }  # fmt: skip
    record.update(fields)
    return cast(records.Point, record)


def point(number: int, start: str = "00:00", **fields: Any) -> Point:
    """A point in scope, as a shard carries it."""
    return Point.of(point_record(number, start, **fields))


def incarnation(
    *numbers: int, now: str = "10:00", left: Sequence[tuple[str, Progress | None]] = (), settings: Config | None = None
) -> Incarnation:
    """An incarnation that has just taken over, with these points in scope."""
    told = setting(settings)
    known = progress.left(left, rules_of(told.config.coverage).ages)
    return Incarnation(told, {f"main:{n}": point(n) for n in numbers}, known, moment(now))
