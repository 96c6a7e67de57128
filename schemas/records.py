"""Types of the records as dictionaries: what `wire.encode` takes and `wire.decode` gives. Times are microseconds since 1970.

Meanings and units of the fields stand in `schemas/avro/*.avsc`, where alone they are defined; a test keeps the names here equal.
"""

from typing import Literal, TypedDict

Origin = Literal["UNKNOWN", "LIVE", "RECORDED"]
Via = Literal["UNKNOWN", "CHANNEL", "UPDATES", "POLLING", "READ"]
StatementKind = Literal["UNKNOWN", "STATED", "CONFIRMED"]
ValueType = Literal["UNKNOWN", "DOUBLE", "LONG", "STRING", "DIGITAL", "TIMESTAMP", "BYTES", "NONE"]
IncidentKind = Literal[
    "UNKNOWN",
    "CHANNEL_LOST",
    "BRIDGE_DOWN",
    "VALUE_TOO_LARGE",
    "EVENT_QUEUE_STUCK",
    "CHANNELS_JOINED",
    "SEQUENCE_HOLE",
    "SEQUENCE_REPEATED",
    "RECORDS_LOST",
]
IncidentState = Literal["UNKNOWN", "OPENED", "REPAIRED", "CLOSED"]
JobKind = Literal["UNKNOWN", "RESCAN", "BACKFILL"]
JobState = Literal["UNKNOWN", "RUNNING", "DONE", "REFUSED"]
Stage = Literal["UNKNOWN", "CHANNEL", "READ", "INVENTORY", "PROCESS", "LAND"]
LateCategory = Literal["UNKNOWN", "DELAYED", "SLIGHTLY_LATE", "LATE", "VERY_LATE", "FUTURE"]
LateCause = Literal["UNKNOWN", "BUFFERED_INTERFACE", "BEHIND_COVERAGE", "OUR_GAP", "GROUP_SHIFTED"]
ThresholdKind = Literal["UNKNOWN", "DEFAULT", "CONFIGURED", "LEARNT"]
SkewVerdict = Literal["UNKNOWN", "OK", "SUSPECT", "SKEWED"]
SkewKind = Literal["UNKNOWN", "NONE", "OFFSET", "DRIFT", "TIME_ZONE", "DAYLIGHT_SAVING", "SLOW_PATH"]
SkewEvidence = Literal["UNKNOWN", "NONE", "NEGATIVE_DELAY", "STEP", "PEERS", "DRIFT", "WHOLE_HOUR"]
QualityCheck = Literal["UNKNOWN", "NULL_RATE", "FRESHNESS", "VOLUME", "GOOD_RATE", "DUPLICATES", "SCHEMA_DRIFT", "FLAT_LINE", "OUT_OF_SPAN"]
ScopeKind = Literal["UNKNOWN", "POINT", "SOURCE", "ASSET"]
QualityVerdict = Literal["UNKNOWN", "OK", "FAILED"]

MAX_NAMES = 200
"""So many names, keys and filters a command may have: an open job is written with every transaction of a shard."""


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
    point_source: str | None


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
    topic: str | None
    partition: int | None
    from_offset: int | None
    to_offset: int | None
    from_sequence: int | None
    to_sequence: int | None
    job_id: str | None
    accepted_time: int | None
    accepted_reason: str | None


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
    archived_until: dict[str, int]
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


class LateSamples(TypedDict):
    source: str
    point_key: str
    tag: str
    clock_group: str
    category: LateCategory
    cause: LateCause
    samples: int
    first_event_time: int
    last_event_time: int
    lateness_seconds: float
    threshold_seconds: float
    threshold_kind: ThresholdKind
    skew_seconds: float
    received_time: int
    shard: int
    epoch: int
    sequence: int


class ClockSkew(TypedDict):
    source: str
    clock_group: str
    server: str
    state: SkewVerdict
    kind: SkewKind
    evidence: SkewEvidence
    offset_pi_seconds: float | None
    offset_ours_seconds: float | None
    low_seconds: float | None
    high_seconds: float | None
    drift_ppm: float | None
    drift_error_ppm: float | None
    correction_seconds: float
    path_seconds: float | None
    points: int
    since_time: int
    assessed_time: int
    detail: str


class QualityFinding(TypedDict):
    source: str
    quality_check: QualityCheck
    scope_kind: ScopeKind
    scope: str
    tag: str | None
    state: QualityVerdict
    value: float | None
    threshold: float | None
    points_failing: int
    points: int
    point_keys: list[str]
    from_time: int
    to_time: int
    detail: str


class GroupPeriod(TypedDict):
    clock_group: str
    server: str
    points: int
    samples: int
    lagging: int
    floor_seconds: float
    mean_seconds: float


class ScopePeriod(TypedDict):
    scope_kind: ScopeKind
    scope: str
    points: int
    heard_time: int


class PointChange(TypedDict):
    point_key: str
    tag: str
    clock_group: str
    asset: str | None
    quality_check: QualityCheck
    failed: bool
    value: float | None
    threshold: float | None
    from_time: int
    to_time: int
    detail: str


class Assessment(TypedDict):
    source: str
    shard: int
    period: int
    end_time: int
    server_ahead_seconds: float | None
    groups: list[GroupPeriod]
    scopes: list[ScopePeriod]
    whole: bool
    changes: list[PointChange]
