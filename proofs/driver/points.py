"""Named points in the life of a micro-batch, how a job is made to say that it is there, and how what lies there afterwards shows it."""

import inspect
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proofs.driver.traces import Trace
from proofs.processes.accident import Accident
from proofs.processes.points import after, before
from proofs.seeded_defects.patches import _set as replace
from spark_jobs import bronze, delta, difference, gold, silver
from spark_jobs.refined import CHANGED_RANGES, CLEANED, CORRECTIONS, HOURLY, MEASURED, PREVIEWS_OPEN, SILVER, VALIDATED, WATERMARKS
from spark_jobs.tables import COVERAGE, TABLES, TIMESERIES, Table

BRONZE = "bronze"
JOBS = {BRONZE: (BRONZE,), "refine": (silver.NAME, gold.NAME)}
"""The queries of each job."""
WRITES: dict[str, tuple[Table, ...]] = {BRONZE: TABLES, silver.NAME: SILVER, gold.NAME: MEASURED}
"""The tables that each query alone writes to."""
_LOOK_SECONDS = 0.0005


@dataclass(frozen=True)
class Point:
    """A place in the life of a query's batch."""

    query: str
    arm: Callable[[Accident], None]
    """Makes a process call its argument whenever it passes."""
    shown: Callable[[Trace], bool]
    """Whether what the dead query left behind can only have been left there."""
    passing: int = 2
    """At which passing the process dies; the first one may be the repetition of the batch before."""


def _while_writing(owner: Any, name: str, place: Callable[..., Path | None]) -> Callable[[Accident], None]:
    """Passed when a function is called that writes to a table; the process dies as soon as a new Parquet file is begun there.

    `place` answers the table's directory out of the function's arguments, and None for other tables.
    """

    def arm(here: Accident) -> None:
        usual = inspect.getattr_static(owner, name)

        def called(*given: Any, **named: Any) -> Any:
            directory = place(*given, **named)
            if directory is not None and here.due():
                known = _parquet(directory)
                threading.Thread(target=_strike_at_first_file, args=(here, directory, known), daemon=True).start()
            return usual(*given, **named)

        replace(owner, name, called)

    return arm


def _strike_at_first_file(here: Accident, directory: Path, known: set[str]) -> None:
    while not _parquet(directory) - known:
        time.sleep(_LOOK_SECONDS)
    here.strike()


def _parquet(directory: Path) -> set[str]:
    return {name for name in os.listdir(directory) if name.endswith(".parquet")}


def _samples_written(destination: Any, table: Table, *_: Any) -> Path | None:
    return Path(destination.place(table)) if table.name == TIMESERIES.name else None


def _events_written(of: silver.Silver, _: Any, table: Table, *more: Any) -> Path | None:
    return Path(of._path(table)) if table is CLEANED else None


def _are_samples(_: Any, __: Any, table: Table, *more: Any) -> bool:
    return table.name == TIMESERIES.name


def _about(wanted: Table) -> Callable[..., bool]:
    """Whether a function was called about this table."""
    return lambda *given: any(one is wanted for one in given)


def _differed(wanted: Table) -> Callable[..., bool]:
    """Whether a table was made equal to what it should be, and was not before."""
    return lambda found, *given: any(one is wanted for one in given) and found.total > 0


def _rows_of(table: Table) -> Callable[..., bool]:
    """Whether a batch wrote rows of a table."""
    return lambda rows, *given: rows.get(table.name, 0) > 0


def _changed(found: difference.Difference, *_: Any) -> bool:
    return found.total > 0


def _nothing_written(trace: Trace) -> bool:
    return trace.open and not trace.written


def _writes(table: Table) -> Callable[[Trace], bool]:
    return lambda trace: trace.open and table.name in trace.unfinished and table.name not in trace.written


def _has(*tables: Table, without: tuple[Table, ...] = ()) -> Callable[[Trace], bool]:
    """These tables were written to by the batch, and those not."""
    return lambda trace: trace.open and all(t.name in trace.written for t in tables) and not any(t.name in trace.written for t in without)


def _numbered(table: Table) -> Callable[[Trace], bool]:
    """The table has the batch, by its number."""
    return lambda trace: trace.open and table.name in trace.numbered


def _without_merge(trace: Trace) -> bool:
    return _has(CORRECTIONS, without=(WATERMARKS,))(trace) and "MERGE" not in trace.written.get(CLEANED.name, [])


def _with_merge(trace: Trace) -> bool:
    return _has(without=(WATERMARKS,))(trace) and "MERGE" in trace.written.get(CLEANED.name, [])


_BRONZE = {
    "bronze: offsets planned": Point(BRONZE, before(bronze.Landing, "__call__"), _nothing_written),
    "bronze: decoded, nothing written": Point(BRONZE, before(bronze.Landing, "_appends"), _nothing_written),
    "bronze: Parquet of samples begun": Point(BRONZE, _while_writing(delta, "append", _samples_written), _writes(TIMESERIES)),
    "bronze: samples committed, statements not": Point(BRONZE, after(delta, "append", _are_samples), _has(TIMESERIES, without=(COVERAGE,))),
    "bronze: all committed, commit log not written": Point(
        BRONZE, after(bronze.Landing, "__call__", _rows_of(COVERAGE)), _numbered(COVERAGE)
    ),
}
_SILVER = {
    "silver: offsets planned": Point(silver.NAME, before(silver.Silver, "__call__"), _nothing_written),
    "silver: Parquet of events begun": Point(silver.NAME, _while_writing(silver.Silver, "_append", _events_written), _writes(CLEANED)),
    "silver: events appended, nothing marked": Point(
        silver.NAME, after(silver.Silver, "_append", _about(CLEANED)), _has(CLEANED, without=(WATERMARKS, CHANGED_RANGES))
    ),
    "silver: corrections written, events not merged": Point(
        silver.NAME, after(difference, "apply", _differed(CORRECTIONS)), _without_merge
    ),
    "silver: before the merge of events": Point(silver.NAME, before(difference, "_merge", _about(CLEANED)), _without_merge),
    "silver: events merged, nothing marked": Point(silver.NAME, after(difference, "_merge", _about(CLEANED)), _with_merge),
    "silver: previews written, nothing marked": Point(
        silver.NAME, after(silver.Silver, "_preview"), _has(PREVIEWS_OPEN, without=(WATERMARKS,))
    ),
    "silver: marked, nobody told": Point(
        silver.NAME, after(silver.Silver, "_mark"), _has(PREVIEWS_OPEN, WATERMARKS, without=(CHANGED_RANGES,))
    ),
    "silver: all committed, commit log not written": Point(
        silver.NAME, after(silver.Silver, "__call__", _rows_of(CLEANED)), _numbered(CHANGED_RANGES)
    ),
}
_GOLD = {
    "gold: offsets planned": Point(gold.NAME, before(gold.Gold, "__call__"), _nothing_written),
    "gold: hours measured, days not": Point(gold.NAME, after(gold.Gold, "_measure", _changed), _has(HOURLY, without=(VALIDATED,))),
    "gold: all committed, commit log not written": Point(gold.NAME, after(gold.Gold, "__call__", _rows_of(HOURLY)), _has(HOURLY)),
}
GROUPS = {BRONZE: _BRONZE, silver.NAME: _SILVER, gold.NAME: _GOLD}
POINTS: dict[str, Point] = {name: point for group in GROUPS.values() for name, point in group.items()}
