"""What shards reported about a job, added up and in words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.records import Job

_BAR = 24
_ENDED = frozenset({"DONE", "REFUSED"})


@dataclass
class Reports:
    """The newest report of each shard about one job."""

    job_id: str
    shards: int
    """How many shards there are: the job is over when all of them say so."""
    by_shard: dict[int, Job] = field(default_factory=dict)

    def take(self, report: Job) -> None:
        """A report of a shard, in order."""
        self.by_shard[report["shard"]] = report

    def sum(self, name: str) -> int:
        """A figure of all shards together."""
        return sum(report[name] for report in self.by_shard.values())  # type: ignore[literal-required]

    @property
    def ended(self) -> bool:
        """True if no shard has anything left to do."""
        return len(self.by_shard) >= self.shards and all(report["state"] in _ENDED for report in self.by_shard.values())

    @property
    def result(self) -> str:
        """`waiting` until a shard took it, `running`, then `done`, `refused`, or `no point` if none is concerned."""
        if any(report["state"] == "REFUSED" for report in self.by_shard.values()):
            return "refused"
        if not self.ended:
            return "running" if self.by_shard else "waiting"
        return "done" if self.sum("points") else "no point"

    @property
    def exit_code(self) -> int:
        """0: done, or under way; 1: nothing was, or will be, done."""
        return 1 if self.result in ("refused", "no point") else 0

    def line(self) -> str:
        """How far it is, for a person."""
        done, hours = self.sum("hours_done"), self.sum("hours")
        share = done / hours if hours else float(self.ended)
        over = sum(report["state"] in _ENDED for report in self.by_shard.values())
        bar = "#" * int(share * _BAR) + "-" * (_BAR - int(share * _BAR))
        return (
            f"[{bar}] {share:4.0%}  {done:,} of {hours:,} hours of {self.sum('points'):,} points; {over} of {self.shards} shards are done"
        )

    def remarks(self) -> list[str]:
        """What a person has to know of it beside the figures."""
        remarks = sorted({report["detail"] for report in self.by_shard.values() if report["detail"]})
        if self.result == "no point":
            remarks.append("no point in scope has such a name or key; `points` of the inventory says which there are")
        if uncovered := self.sum("hours_uncovered"):
            remarks.append(
                f"{uncovered:,} hours of points in this range were not covered when the command came, and are no part of the job: they are "
                "read when coverage gets there; `pibridge backfill` lets it reach further back"
            )
        return remarks

    def as_json(self) -> dict[str, Any]:
        """All of it as one object."""
        figures = {name: self.sum(name) for name in ("points", "hours", "hours_done", "hours_uncovered")}
        shards = [self.by_shard[shard] for shard in sorted(self.by_shard)]
        return {"schema_version": 1, "result": self.result, "job_id": self.job_id, **figures, "remarks": self.remarks(), "shards": shards}


def by_job(reports: Iterable[Job], shards: int) -> dict[str, Reports]:
    """The reports of every job, the job that was taken last at the end."""
    jobs: dict[str, Reports] = {}
    for report in reports:
        jobs.setdefault(report["job_id"], Reports(report["job_id"], shards)).take(report)
    return dict(sorted(jobs.items(), key=lambda entry: min(report["accepted_time"] for report in entry[1].by_shard.values())))
