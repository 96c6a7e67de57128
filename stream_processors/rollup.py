"""Quality over all shards: what fails at most points of a source is one finding, and not one a point. Pure.

Changes of points wait some periods: a source that stops makes its points stale one after another, each by its own cadence. A source is
stale by its own cadence, the quickest of all, so mostly before any point of it.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from schemas.processors import Processors
from schemas.records import Assessment, PointChange, QualityCheck, QualityFinding, ScopeKind
from stream_processors import delays
from stream_processors.quality import FEWEST_GAPS, deaf_after

_WAIT_PERIODS = 2
_BACK_SHARE = 0.5
"""A source is well again when less than this part of what made it fail still fails."""
_EXAMPLES = 10

Key = tuple[ScopeKind, str]


@dataclass
class Scope:
    """A source."""

    points: dict[int, int] = field(default_factory=dict)
    """Points by shard."""
    heard: dict[int, int] = field(default_factory=dict)
    """When it was heard last, by shard, microseconds."""
    newest: int = 0
    """When it was heard last, as of the period that was judged last."""
    gaps: np.ndarray[tuple[int, int], np.dtype[np.uint8]] = field(default_factory=lambda: np.zeros((1, delays.BINS), np.uint8))
    failing: dict[QualityCheck, set[str]] = field(default_factory=lambda: defaultdict(set))
    failed: set[QualityCheck] = field(default_factory=set)

    @property
    def size(self) -> int:
        return sum(self.points.values())


class Rollup:
    """All sources of a PI. `take` what shards say of a period, then `judge` it, period by period in their order."""

    def __init__(self, source: str, settings: Processors) -> None:
        self._source, self._limits, self._period_micros = source, settings.quality, settings.period_seconds * 1_000_000
        self.scopes: dict[Key, Scope] = defaultdict(Scope)
        self._listened = self._listening_since = 0
        """When anything was heard last; when that was so again after a time in which nothing was. Microseconds."""
        self._gaps = np.zeros((1, delays.BINS), np.uint8)
        """For how long nothing is heard of anything."""
        self._waiting: list[tuple[int, PointChange]] = []
        self._told: dict[tuple[str, QualityCheck], PointChange] = {}
        """What was said to fail, point by point."""
        self._failing: dict[tuple[str, QualityCheck], PointChange] = {}
        self._shards: dict[str, int] = {}
        """Which shard told of a point."""
        self._whole: dict[int, set[tuple[str, QualityCheck]]] = {}
        """All that fails in a shard, which told it as a whole in a period that came before."""

    def dump(self) -> dict[str, Any]:
        """All that is known between two periods, as JSON takes it."""
        scopes = [
            {
                "key": key, "points": scope.points, "heard": scope.heard, "newest": scope.newest, "gaps": scope.gaps[0].tolist(),
                "failed": sorted(scope.failed),
                "failing": {check: sorted(points) for check, points in scope.failing.items()},
            }
            for key, scope in self.scopes.items()
        ]  # fmt: skip
        return {
            "scopes": scopes, "listened": self._listened, "listening_since": self._listening_since, "gaps": self._gaps[0].tolist(),
            "waiting": self._waiting, "told": [*self._told.values()], "failing": [*self._failing.values()],
            "shards": {key: self._shards[key] for key, _ in self._told.keys() | self._failing.keys() if key in self._shards},
            "whole": [[shard, sorted(names)] for shard, names in self._whole.items()],
        }  # fmt: skip

    def load(self, known: dict[str, Any]) -> None:
        """Takes over what `dump` gave."""
        self.scopes.clear()
        self._listened, self._listening_since, self._gaps[0] = known["listened"], known["listening_since"], known["gaps"]
        for one in known["scopes"]:
            kind, name = one["key"]
            scope = self.scopes[kind, name]
            scope.points, scope.heard = ({int(shard): number for shard, number in one[part].items()} for part in ("points", "heard"))
            scope.newest, scope.gaps[0], scope.failed = one["newest"], one["gaps"], set(one["failed"])
            scope.failing.update({check: set(points) for check, points in one["failing"].items()})
        self._waiting = [(period, change) for period, change in known["waiting"]]
        self._told, self._failing = (
            {(change["point_key"], change["quality_check"]): change for change in known[part]} for part in ("told", "failing")
        )
        self._shards = known.get("shards", {})
        self._whole = {shard: {(key, check) for key, check in names} for shard, names in known.get("whole", [])}

    def take(self, said: Assessment) -> None:
        """Adds what one shard said of the period that is judged next: of a source that it does not name it has no points."""
        for scope in self.scopes.values():
            scope.points.pop(said["shard"], None)
        for told in said["scopes"]:
            scope = self.scopes[told["scope_kind"], told["scope"]]
            scope.points[said["shard"]] = told["points"]
            scope.heard[said["shard"]] = max(told["heard_time"], scope.heard.get(said["shard"], 0))
        self.again(said, said["period"])
        if (names := self._whole.pop(said["shard"], None)) is not None:
            for name, change in (self._told | self._failing).items():
                if name not in names and self._shards.get(change["point_key"]) == said["shard"]:
                    self._change(_over(change, said["end_time"]), said["period"])

    def again(self, said: Assessment, period: int) -> None:
        """Adds the changes of points that one shard told of, as of a period."""
        shard = said["shard"]
        if said["whole"]:
            self._whole[shard] = set()
        for change in said["changes"]:
            name = (change["point_key"], change["quality_check"])
            self._shards[change["point_key"]] = shard
            if shard in self._whole:
                (self._whole[shard].add if change["failed"] else self._whole[shard].discard)(name)
            self._change(change, period)

    def _change(self, change: PointChange, period: int) -> None:
        self._note(change)
        self._waiting.append((period, change))

    def _note(self, change: PointChange) -> None:
        name = (change["point_key"], change["quality_check"])
        failing = self.scopes[_scope(change)].failing[change["quality_check"]]
        (failing.add if change["failed"] else failing.discard)(change["point_key"])
        if change["failed"]:
            self._failing[name] = change
        else:
            self._failing.pop(name, None)

    def judge(self, period: int) -> list[QualityFinding]:
        """What is new after this period."""
        end, found = (period + 1) * self._period_micros, list[QualityFinding]()
        self._listen()
        for key, scope in [*self.scopes.items()]:
            checks: set[QualityCheck] = {*scope.failing, *scope.failed, "FRESHNESS"}
            for check in sorted(checks):
                silent = self._silent(scope, end) if check == "FRESHNESS" else None
                fails = silent is not None or self._fails(scope, check)
                if fails != (check in scope.failed):
                    (scope.failed.add if fails else scope.failed.discard)(check)
                    found.append(self._of_scope(key, scope, check, end, silent))
                    if not fails:
                        self._waiting += [
                            (period - _WAIT_PERIODS, c) for (_, name), c in self._failing.items() if name == check and key == _scope(c)
                        ]
            if not scope.size and not any(scope.failing.values()):
                del self.scopes[key]
        ripe = [change for at, change in self._waiting if at <= period - _WAIT_PERIODS]
        self._waiting = [(at, change) for at, change in self._waiting if at > period - _WAIT_PERIODS]
        return found + [finding for change in ripe if (finding := self._of_point(change)) is not None]

    def _listen(self) -> None:
        """Learns how long each source is silent, and all of them together; notices when we listen again."""
        for scope in self.scopes.values():
            before, scope.newest = scope.newest, max(scope.heard.values(), default=0)
            _learn(scope.gaps, before, scope.newest)
        before, self._listened = self._listened, max([self._listened, *(scope.newest for scope in self.scopes.values())])
        if 0 < before < self._listened - deaf_after(self._gaps):
            self._listening_since = self._listened
        _learn(self._gaps, before, self._listened)

    def _fails(self, scope: Scope, check: QualityCheck) -> bool:
        share = self._limits.rollup_share * (_BACK_SHARE if check in scope.failed else 1.0)
        failing = len(scope.failing[check])
        return failing >= self._limits.rollup_points * (share / self._limits.rollup_share) and failing >= share * scope.size

    def _silent(self, scope: Scope, end: int) -> float | None:
        """For how long nothing of a source was heard, seconds, if that is longer than it ever is; None if not, or if it is small.

        While nothing is heard of any source, it is we who do not listen; until it is stale, only the time counts in which we did.
        """
        if scope.size < self._limits.rollup_points:
            return None
        usual, gaps = delays.usual(scope.gaps)
        if gaps[0] < FEWEST_GAPS:
            return None
        since = scope.newest if "FRESHNESS" in scope.failed else max(scope.newest, self._listening_since)
        silence = min(end, self._listened) - since
        allowed = max(float(usual[0]), self._limits.least_freshness_seconds * 1e6)
        return silence / 1e6 if silence > allowed else None

    def _of_scope(self, key: Key, scope: Scope, check: QualityCheck, end: int, silent: float | None) -> QualityFinding:
        failing, failed = scope.failing[check], check in scope.failed
        number = scope.size if silent is not None else len(failing)
        what = f"silent for {silent:.0f} s" if silent is not None else f"{number} of {scope.size} points fail {check}"
        return {
            "source": self._source, "quality_check": check, "scope_kind": key[0], "scope": key[1], "tag": None,
            "state": "FAILED" if failed else "OK", "value": number / scope.size if scope.size else None,
            "threshold": self._limits.rollup_share, "points_failing": number, "points": scope.size,
            "point_keys": sorted(failing)[:_EXAMPLES], "from_time": max(scope.heard.values(), default=end), "to_time": end,
            "detail": f"{key[0].lower()} {key[1]}: {what}",
        }  # fmt: skip

    def _of_point(self, change: PointChange) -> QualityFinding | None:
        """The finding about a point, unless its source says it, or it is known."""
        name = (change["point_key"], change["quality_check"])
        if change["failed"]:
            covered = change["quality_check"] in self.scopes[_scope(change)].failed
            if covered or name in self._told or name not in self._failing:
                return None
            self._told[name] = change
        elif self._told.pop(name, None) is None:
            return None
        return {
            "source": self._source, "quality_check": change["quality_check"], "scope_kind": "POINT", "scope": change["point_key"],
            "tag": change["tag"], "state": "FAILED" if change["failed"] else "OK", "value": change["value"],
            "threshold": change["threshold"], "points_failing": int(change["failed"]), "points": 1,
            "point_keys": [change["point_key"]] if change["failed"] else [], "from_time": change["from_time"],
            "to_time": change["to_time"], "detail": change["detail"],
        }  # fmt: skip


def _learn(gaps: np.ndarray[tuple[int, int], np.dtype[np.uint8]], before: int, now: int) -> None:
    if 0 < before < now:
        delays.learn(gaps, np.array([0]), np.array([now - before]))


def _over(change: PointChange, now: int) -> PointChange:
    return {**change, "failed": False, "value": None, "threshold": None, "from_time": now, "to_time": now, "detail": ""}


def _scope(change: PointChange) -> Key:
    return "SOURCE", change["clock_group"]
