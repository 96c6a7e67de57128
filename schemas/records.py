"""Types of the records as dictionaries: what `wire.encode` takes and `wire.decode` gives. Times are microseconds since 1970.

Meanings and units of the fields stand in `schemas/avro/*.avsc`, where alone they are defined; a test keeps the names here equal.
"""

from typing import Literal, TypedDict

Origin = Literal["UNKNOWN", "LIVE", "RECORDED"]
Via = Literal["UNKNOWN", "CHANNEL", "UPDATES", "POLLING", "READ"]
StatementKind = Literal["UNKNOWN", "STATED", "CONFIRMED"]
ValueType = Literal["UNKNOWN", "DOUBLE", "LONG", "STRING", "DIGITAL", "TIMESTAMP", "BYTES", "NONE"]
IncidentKind = Literal["UNKNOWN", "CHANNEL_LOST", "BRIDGE_DOWN", "VALUE_TOO_LARGE", "EVENT_QUEUE_STUCK", "CHANNELS_JOINED"]
IncidentState = Literal["UNKNOWN", "OPENED", "REPAIRED", "CLOSED"]
JobKind = Literal["UNKNOWN", "RESCAN", "BACKFILL"]
JobState = Literal["UNKNOWN", "RUNNING", "DONE", "REFUSED"]
Stage = Literal["UNKNOWN", "CHANNEL", "READ", "INVENTORY", "PROCESS", "LAND"]


class Sample(TypedDict):
    event_time: int
    ticks: int
    ordinal: int
    value_type: ValueType
    value_double: float | None
    value_long: int | None
    value_string: str | None
    value_bytes: bytes | None
    digital_code: int | None
    system_state: int | None
    system_state_name: str | None
    good: bool
    questionable: bool
    substituted: bool
    annotated: bool


class Statement(TypedDict):
    kind: StatementKind
    from_time: int
    from_ticks: int
    to_time: int
    to_ticks: int
    as_of: int
    as_of_clock: int
    count: int
    digest: int


class SeriesHead(TypedDict):
    point_key: str
    tag: str
    uom: str | None
    statement: Statement | None


class Series(SeriesHead):
    samples: list[Sample]


class FrameHead(TypedDict):
    source: str
    shard: int
    epoch: int
    sequence: int
    clock: int
    origin: Origin
    via: Via
    received_time: int
    server_time: int | None
    cause: str | None


class ValueFrame(FrameHead):
    series: list[Series]


class Point(TypedDict):
    source: str
    point_key: str
    server: str
    server_id: str
    point_id: int
    web_id: str
    tag: str
    path: str
    descriptor: str | None
    point_class: str | None
    point_type: str
    digital_set: str | None
    engineering_units: str | None
    zero: float | None
    span: float | None
    step: bool
    future: bool
    display_digits: int | None
    in_scope: bool
    start_time: int
    received_time: int


class Incident(TypedDict):
    source: str
    incident_id: str
    kind: IncidentKind
    state: IncidentState
    shard: int | None
    opened_time: int
    from_time: int
    to_time: int | None
    closed_time: int | None
    points: int
    point_keys: list[str]
    detail: str


class DeadLetter(TypedDict):
    source: str
    stage: Stage
    reason: str
    point_key: str | None
    event_time: int | None
    content: bytes
    content_bytes: int
    content_hash: str
    topic: str | None
    partition: int | None
    offset: int | None
    received_time: int


class DirtyHour(TypedDict):
    hour: int
    marked_time: int
    cause: str | None


class Reread(TypedDict):
    age: int
    until: int


class StatedSum(TypedDict):
    begin: int
    end: int
    digest: int


class AwayRange(TypedDict):
    begin: int
    end: int
    retry_time: int


class PointProgress(TypedDict):
    point_key: str
    start: int
    low: int
    high: int
    as_of: int
    snapshot: int | None
    first_event: int | None
    dirty: list[DirtyHour]
    reread: list[Reread]
    sums: list[StatedSum]
    away: list[AwayRange]


class OpenIncident(TypedDict):
    incident_id: str
    kind: IncidentKind
    opened_time: int
    from_time: int
    to_time: int | None
    points: int
    point_keys: list[str]
    detail: str


class OpenJob(TypedDict):
    job_id: str
    kind: JobKind
    points: list[str]
    filters: list[str]
    from_time: int
    to_time: int | None
    reason: str | None
    accepted_time: int
    hours: int
    hours_done: int
    hours_uncovered: int
    planned_from: int
    planned_to: int


class ShardProgress(TypedDict):
    shard: int
    epoch: int
    clock: int
    sequences: dict[str, int]
    partitions: int
    topic_ids: dict[str, str]
    alive_at: int
    incidents: list[OpenIncident]
    stuck_queues: dict[str, int]
    commands_offset: int
    jobs: list[OpenJob]


class Progress(TypedDict):
    point: PointProgress | None
    shard: ShardProgress | None


class Command(TypedDict):
    source: str
    job_id: str
    kind: JobKind
    points: list[str]
    filters: list[str]
    from_time: int | None
    to_time: int | None
    reason: str | None
    given_time: int


class Job(TypedDict):
    source: str
    job_id: str
    shard: int
    kind: JobKind
    state: JobState
    points: int
    hours: int
    hours_done: int
    hours_uncovered: int
    from_time: int | None
    to_time: int | None
    reason: str | None
    accepted_time: int
    updated_time: int
    detail: str
