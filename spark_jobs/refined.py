"""The silver and gold tables. What they take over from bronze keeps its comment from the Avro files. Pure: no Spark."""

from dataclasses import replace

from spark_jobs.tables import BOOLEAN, COVERAGE, DOUBLE, INT, LONG, STRING, TIMESERIES, TIMESTAMP, Column, Kind, Table

_STRINGS = Kind("array<string>", {"type": "array", "elementType": "string", "containsNull": True}, "ARRAY")


def _taken(table: Table, *names: str) -> tuple[Column, ...]:
    columns = {column.name: column for column in table.columns}
    return tuple(columns[name] for name in names)


def _own(name: str, kind: Kind, comment: str) -> Column:
    return Column(name, kind, comment, "refined")


_POINT = _taken(TIMESERIES, "source", "point_key", "tag", "uom")
SAMPLE = tuple(column for column in TIMESERIES.columns if column.part == "sample")
"""Time and content of an event, as every table of events has them."""
IDENTITY = ("point_key", "event_time", "ticks", "ordinal")
"""What tells events of a source apart."""
VALUE = tuple(column for column in SAMPLE if column.name not in IDENTITY)
BEFORE = "before_"
"""Prefix of the columns of pi_corrections that say what was stated before."""

_KNOWN_TIME = _own(
    "known_time",
    TIMESTAMP,
    "PI's clock at the first archive read, UTC, microseconds, since which every read of this instant has shown this event with the same "
    "value and status.",
)

CLEANED = Table(
    "pi_timeseries_cleaned",
    "PI's archive as it was last read: one row an event of the ranges in pi_coverage, each with what the newest statement about its "
    "instant says. Made from bronze alone: whatever order statements arrive in, it comes out the same.",
    "value_frame",
    (*_POINT, *SAMPLE, _KNOWN_TIME),
    ("point_key", "event_time"),
    ("point_key", "event_time", "known_time"),
    "silver",
)
CORRECTIONS = Table(
    "pi_corrections",
    "What changed in PI's archive after it was first stated: one row an event and change, with the event after it and, in before_ columns, "
    "before it. With pi_timeseries_cleaned it answers what was known at a time: rows there with known_time <= T, and rows here with "
    "before_known_time <= T < known_time.",
    "value_frame",
    (
        *_taken(TIMESERIES, "source", "point_key", "tag", "event_time", "ticks", "ordinal"),
        _own("change", STRING, "ADDED, CHANGED or REMOVED: what a later read showed against the one before."),
        _own("known_time", TIMESTAMP, "PI's clock when the read was sent that showed the change, UTC, microseconds."),
        _own(
            "before_known_time",
            TIMESTAMP,
            "PI's clock at the first read that showed the event as it was before, UTC, microseconds; null for ADDED.",
        ),
        *_taken(COVERAGE, "as_of_clock", "clock", "cause", "received_time"),
        *(replace(column, comment=f"After the change, null for REMOVED. {column.comment}", part="refined") for column in VALUE),
        *(
            replace(column, name=BEFORE + column.name, comment=f"Before the change, null for ADDED. {column.comment}", part="refined")
            for column in VALUE
        ),
    ),
    ("point_key", "event_time"),
    ("point_key", "event_time", "known_time"),
    "silver",
)
PREVIEWS_OPEN = Table(
    "pi_previews_open",
    "Live values that no statement has overruled yet: the newest of each point, instant and ordinal. Compression may still discard them.",
    "value_frame",
    (*_POINT, *SAMPLE, *_taken(TIMESERIES, "via", "received_time", "server_time", "clock")),
    ("point_key", "event_time"),
    ("point_key", "event_time"),
    "silver",
    overwritten=True,
)
WATERMARKS = Table(
    "pi_watermarks",
    "How far each point is covered: begin and end of all that was ever stated about it, and how new the newest read is. Ranges in between "
    "whose archive was away are holes that pi_coverage shows.",
    "value_frame",
    (
        *_taken(COVERAGE, "source", "point_key", "tag"),
        _own("covered_from", TIMESTAMP, "Begin of the earliest range that was stated, UTC, whole microseconds."),
        _own("covered_from_ticks", INT, "The 100 ns left over in covered_from, 0 to 9."),
        _own("covered_to", TIMESTAMP, "End, exclusive, of the latest range that was stated, UTC, whole microseconds."),
        _own("covered_to_ticks", INT, "The 100 ns left over in covered_to, 0 to 9."),
        _own(
            "as_of",
            TIMESTAMP,
            "PI's clock when the newest read of the point was sent, UTC, microseconds: also grows while a point is quiet.",
        ),
        _own("as_of_clock", LONG, "The newest read's place in the order of the shard's frames and requests."),
    ),
    ("point_key",),
    ("point_key",),
    "silver",
    overwritten=True,
)
CHANGED_RANGES = Table(
    "pi_changed_ranges",
    "Ranges of points that were stated anew, appended after pi_timeseries_cleaned shows it: what is made from that table follows this one "
    "as its stream.",
    "value_frame",
    _taken(COVERAGE, "source", "point_key", "from_time", "from_ticks", "to_time", "to_ticks", "received_time"),
    ("received_time",),
    ("received_time",),
    "silver",
)
VALIDATED = Table(
    "pi_metrics_validated",
    "Six checks of each point and day (UTC) over what pi_timeseries_cleaned holds; null where a check has nothing to judge by.",
    "",
    (
        *_taken(COVERAGE, "source", "point_key", "tag"),
        _own("day", TIMESTAMP, "Begin of the day, UTC."),
        _own("covered_hours", INT, "Hours of the day that lie wholly between begin and end of all that was ever stated about the point."),
        _own("events", LONG, "Events of the day."),
        _own("null_share", DOUBLE, "Share of events without a value: a system state in its place, 0 to 1."),
        _own("null_ok", BOOLEAN, "True if null_share is at most 0.05."),
        _own("freshness_minutes", DOUBLE, "Longest time without a new event up to the end of an hour that is covered, minutes."),
        _own("freshness_ok", BOOLEAN, "True if freshness_minutes is at most 60."),
        _own(
            "volume_z",
            DOUBLE,
            "Events of the covered hour that is farthest from the day's mean of covered hours, in standard deviations; null with fewer "
            "than 12 covered hours, among which no hour can be far off.",
        ),
        _own("volume_ok", BOOLEAN, "True if volume_z lies between -3 and 3."),
        _own("good_share", DOUBLE, "Share of events with PI's Good flag, 0 to 1."),
        _own("good_ok", BOOLEAN, "True if good_share is at least 0.9."),
        _own("duplicate_share", DOUBLE, "Share of events that repeat another one of the same instant, value and status, 0 to 1."),
        _own("duplicate_ok", BOOLEAN, "True if duplicate_share is at most 0.01."),
        _own("value_types", _STRINGS, "Value types of the day, without NONE, in order."),
        _own("units", _STRINGS, "Engineering units of the day, in order."),
        _own("schema_ok", BOOLEAN, "True if the day has one value type and one unit at most, and each digital code one name."),
        _own("ok", BOOLEAN, "True if no check failed."),
    ),
    ("point_key", "day"),
    ("point_key", "day"),
    "silver",
)
HOURLY = Table(
    "pi_metrics_hourly",
    "Each point and hour (UTC) that a statement reaches into. Average and standard deviation weigh values by the time for which they hold: "
    "between two events a line, for step points the earlier value. Events that are not good, or have no number, hold no value until the "
    "next one.",
    "",
    (
        *_taken(COVERAGE, "source", "point_key", "tag"),
        *_taken(TIMESERIES, "uom"),
        _own("hour", TIMESTAMP, "Begin of the hour, UTC."),
        _own("step", BOOLEAN, "True if values were taken to hold until the next event."),
        _own(
            "covered",
            BOOLEAN,
            "True if the whole hour lies between begin and end of all that was ever stated about the point (pi_watermarks). Holes in "
            "between, whose archive was away, do not show here: figures pass over them as over any time without events.",
        ),
        _own("events", LONG, "Events in the hour."),
        _own("null_events", LONG, "Events without a value: a system state in its place."),
        _own("good_events", LONG, "Events with PI's Good flag."),
        _own("duplicate_events", LONG, "Events that repeat another one of the same instant, value and status."),
        _own("good_share", DOUBLE, "Share of events with PI's Good flag, 0 to 1; null without events."),
        _own("value_seconds", DOUBLE, "Seconds of the hour for which a number holds."),
        _own("average", DOUBLE, "Time-weighted average over value_seconds, in the point's unit; null without them."),
        _own("minimum", DOUBLE, "Least number that holds in the hour, in the point's unit."),
        _own("maximum", DOUBLE, "Greatest number that holds in the hour, in the point's unit."),
        _own("standard_deviation", DOUBLE, "Time-weighted standard deviation over value_seconds, in the point's unit."),
        _own("first_time", TIMESTAMP, "Time of the hour's first event, UTC, microseconds."),
        _own("first_value", DOUBLE, "Its number, if it is good and has one."),
        _own("last_time", TIMESTAMP, "Time of the hour's last event, UTC, microseconds."),
        _own("last_value", DOUBLE, "Its number, if it is good and has one."),
        _own("before_time", TIMESTAMP, "Time of the newest event before the hour that is known, UTC, microseconds."),
        _own("before_value", DOUBLE, "Its number, if it is good and has one."),
        _own("after_time", TIMESTAMP, "Time of the first event after the hour that is known, UTC, microseconds."),
        _own("after_value", DOUBLE, "Its number, if it is good and has one."),
        _own("longest_gap_seconds", DOUBLE, "Longest time between two events that ends in the hour, or at its end if it is covered."),
        _own("value_types", _STRINGS, "Value types of the hour's events, without NONE, in order."),
        _own("units", _STRINGS, "Engineering units of the hour's events, in order."),
        _own("ambiguous_codes", LONG, "Digital codes that came under more than one name."),
    ),
    ("point_key", "hour"),
    ("point_key", "hour"),
    "gold",
)

COMPLETENESS = Table(
    "pi_completeness",
    "What the newest reconciliation found, one row a point and hour (UTC) that the point's coverage reaches into: whether statements cover "
    "the hour without a hole, whether bronze has the samples that these counted, bit by bit, whether silver shows them, and whether PI "
    "counts as many events.",
    "",
    (
        *_taken(COVERAGE, "source", "point_key", "tag"),
        _own("hour", TIMESTAMP, "Begin of the hour, UTC."),
        _own("verdict", STRING, "COMPLETE, or the gravest of the findings."),
        _own(
            "findings",
            _STRINGS,
            "What is wrong, the gravest first. HOLE: nothing is stated about a part of the hour. MISSING, SURPLUS: a statement that holds "
            "in the hour counted more, or fewer, samples than pi_timeseries has of it. ALTERED: as many, but their digest is another. "
            "SILVER_DIFFERS: pi_timeseries_cleaned is not what bronze says. PI_DIFFERS: PI counts another number of events.",
        ),
        _own("silver_waits", BOOLEAN, "True if silver has not seen all statements about the hour yet, so that it was not judged."),
        _own("covered_seconds", DOUBLE, "How much of the hour lies within the point's coverage, seconds."),
        _own("uncovered_seconds", DOUBLE, "How much of that no statement is about, seconds."),
        _own("statements", LONG, "Statements that hold somewhere in the hour."),
        _own("damaged_statements", LONG, "Those of them whose samples in bronze are not what they counted."),
        _own("as_of", TIMESTAMP, "PI's clock at the newest read that stated or confirmed something of the hour, UTC, microseconds."),
        _own("bronze_events", LONG, "Events of the hour in pi_timeseries that hold."),
        _own("bronze_digest", LONG, "Their digest, recomputed from the columns."),
        _own("silver_events", LONG, "Events of the hour in pi_timeseries_cleaned."),
        _own("silver_digest", LONG, "Their digest, recomputed from the columns."),
        _own(
            "pi_events",
            LONG,
            "PI's Count of the hour, events at either end included; null if it was not asked, gave none, or was asked before the hour was "
            "stated last.",
        ),
        _own("events_for_pi", LONG, "What PI should count, by the events that hold: good ones, or all of them where PI counts so."),
        _own("pi_counted_time", TIMESTAMP, "PI's clock when it was asked, UTC, microseconds."),
        _own("checked_time", TIMESTAMP, "When this was found, UTC, microseconds."),
    ),
    ("point_key", "hour"),
    ("point_key", "hour", "verdict"),
    "silver",
    overwritten=True,
)

SILVER = (CLEANED, CORRECTIONS, PREVIEWS_OPEN, WATERMARKS, CHANGED_RANGES)
"""Tables that one micro-batch of statements and previews writes."""
MEASURED = (HOURLY, VALIDATED)
"""Tables that are made from pi_timeseries_cleaned."""
TABLES = (*SILVER, *MEASURED)
