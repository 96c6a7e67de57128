"""Real history from a CSV file, written through the store row by row as an interface once sent it."""

import csv
import math
from datetime import UTC
from pathlib import Path

from simulator.events import Event
from simulator.pitime import BadTime, parse_time
from simulator.profiles import Point
from simulator.store import Counts, EventQueue, Stream

HISTORY_FOLDER = Path(__file__).parent / "history"


class BadHistory(ValueError):
    """The file cannot be replayed. The message says which file, which line and why."""


def read_rows(path: Path) -> list[tuple[int, float]]:
    """(ticks, value) of each row in file order. Columns `timestamp`, `value`; times without a zone are UTC. Raises `BadHistory`."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames is None or not {"timestamp", "value"} <= set(reader.fieldnames):
                raise BadHistory(f'history file "{path}" has no columns named timestamp and value')
            return [_read_row(row, f'history file "{path}", line {reader.line_num}') for row in reader]
    except OSError as error:
        raise BadHistory(f'history file "{path}" cannot be read: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise BadHistory(f'history file "{path}" is not UTF-8 text') from error


def _read_row(row: dict[str, str | None], where: str) -> tuple[int, float]:
    text, number = row["timestamp"] or "", row["value"] or ""
    try:
        value = float(number)
    except ValueError:
        raise BadHistory(f'{where}: "{number}" is not a number') from None
    if not math.isfinite(value) or not text:
        raise BadHistory(f"{where}: needs a time and a finite number")
    try:
        return parse_time(text, 0, UTC), value
    except BadTime as error:
        raise BadHistory(f"{where}: {error}") from None


def open_replay(point_id: int, name: str, path: Path, counts: Counts, queue: EventQueue | None = None) -> Stream:
    """A point with the rows of `path`, inserted in file order, compression off: late rows go to the archive, the newest is the snapshot."""
    point = Point(point_id, name, "Float64", f"replayed from {path.name}", source="CSV", compression_deviation=None)
    stream = Stream(point, counts, queue=queue)
    if queue is not None and queue.journal is not None:
        queue.journal.point(point, live=False)
    for ticks, value in read_rows(path):
        stream.write(Event(ticks, value))
    if stream.snapshot is None:
        raise BadHistory(f'history file "{path}" has no rows')
    return stream
