"""Commands given in a run, and whether what shards reported about them is true: by the frames and progress committed till then."""

from collections.abc import Iterator
from typing import Any

from proofs.simulation.broker import Broker, Entry, State
from proofs.simulation.clockwork import Clockwork
from proofs.simulation.plant import PointModel
from schemas.records import Command, JobKind
from schemas.times import TICKS_PER_HOUR, TICKS_PER_SECOND
from schemas.topics import HISTORY, JOBS, PROGRESS, RECORDED


def drawn(clockwork: Clockwork, number: int, points: list[PointModel]) -> Command:
    """A command by chance: hours to be read again, or a start further back; of some points or of all."""
    chance = clockwork.chance
    kind: JobKind = chance.choice(("RESCAN", "RESCAN", "BACKFILL"))
    begin = clockwork.ticks() - int((7200 + chance.random() * 3600 if kind == "BACKFILL" else chance.random() * 9000) * TICKS_PER_SECOND)
    end = begin + int((60 + chance.random() * 7200) * TICKS_PER_SECOND)
    chosen = chance.sample(points, chance.randrange(4))
    names = [point.key if chance.random() < 0.5 else f"t{point.number}" for point in chosen]
    filters = ["T1*"] if chance.random() < 0.3 else []
    return {
        "source": "sim", "job_id": f"{kind.lower()}-{number}", "kind": kind, "points": names, "filters": filters, "from_time": begin // 10,
        "to_time": None if kind == "BACKFILL" else end // 10, "reason": None, "given_time": clockwork.ticks() // 10,
    }  # fmt: skip


def untrue(broker: Broker, commands: list[Command]) -> Iterator[str]:
    """What is wrong with the reports: none, a second end, or an end before all that the command asks for had been committed."""
    for command in commands:
        for shard in range(broker.shards):
            name = f"{command['job_id']}/{shard}"
            reports = [entry for entry in _committed(broker, JOBS.dataset, 0) if entry.key == name]
            ends = [entry for entry in reports if entry.value["state"] == "DONE"]
            if len(ends) != 1:
                yield f"{name} ended {len(ends)} times, by {len(reports)} reports"
            elif (why := _too_early(broker, command, shard, reports[0].at, ends[0].at)) is not None:
                yield f"{name}: {why}"


def _committed(broker: Broker, dataset: str, partition: int) -> list[Entry]:
    return [entry for entry in broker.logs.get((dataset, partition), []) if entry.transaction.state is State.COMMITTED]


def _too_early(broker: Broker, command: Command, shard: int, taken: float, ended: float) -> str | None:
    begin = (command["from_time"] or 0) * 10
    before, after = _points(broker, shard, taken), _points(broker, shard, ended)
    meant = [key for key in before if _is_meant(command, key)]
    if command["kind"] == "BACKFILL":
        return next((f"{key} is covered from {after[key]['low']}, not from {begin}" for key in meant if after[key]["low"] > begin), None)
    first = begin // TICKS_PER_HOUR * TICKS_PER_HOUR
    last = -(-(command["to_time"] or 0) * 10 // TICKS_PER_HOUR) * TICKS_PER_HOUR
    for key in meant:
        low, high = max(first, before[key]["low"]), min(last, before[key]["high"])
        if (gap := _gap(_stated(broker, shard, key, command["given_time"], ended), low, high)) is not None:
            return f"{key} was not stated again from {gap} on, in [{low}, {high})"
    return None


def _points(broker: Broker, shard: int, at: float) -> dict[str, Any]:
    """Progress of points as it was committed up to a moment."""
    entries = [entry for entry in _committed(broker, PROGRESS.dataset, shard) if entry.at <= at and entry.value["point"] is not None]
    return {entry.key or "": entry.value["point"] for entry in entries}


def _is_meant(command: Command, key: str) -> bool:
    name = f"t{key.rpartition(':')[2]}"
    everyone = not command["points"] and not command["filters"]
    return everyone or key in command["points"] or name in command["points"] or bool(command["filters"] and name.startswith("t1"))


def _stated(broker: Broker, shard: int, key: str, since_micros: int, until: float) -> list[tuple[int, int]]:
    """Ranges of a point stated by requests sent after a moment, as they were committed up to another."""
    frames = [e.value for topic in (RECORDED, HISTORY) for e in _committed(broker, topic.dataset, shard) if e.at <= until]
    statements = [series["statement"] for frame in frames for series in frame["series"] if series["point_key"] == key]
    return sorted(
        (s["from_time"] * 10 + s["from_ticks"], s["to_time"] * 10 + s["to_ticks"]) for s in statements if s["as_of"] >= since_micros
    )


def _gap(ranges: list[tuple[int, int]], begin: int, end: int) -> int | None:
    """Where [begin, end) is not covered first; None if it is."""
    for low, high in ranges:
        if low > begin:
            break
        begin = max(begin, high)
    return None if begin >= end else begin
