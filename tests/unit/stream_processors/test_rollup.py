"""Sources and assets: what fails at most points is one finding."""

from typing import Any

import pytest

from schemas.processors import Processors, Quality
from schemas.records import Assessment, PointChange, QualityCheck, QualityFinding
from stream_processors.rollup import Rollup

START = 28_000_000
MINUTE = 60_000_000


class Source:
    """Points of one source, dealt out to shards, whose changes are told minute by minute."""

    def __init__(self, points: int = 100, shards: int = 2, asset: str | None = None, **limits: Any) -> None:
        self.rollup = Rollup("plant1", Processors(quality=Quality(**limits)))
        self.points, self.shards, self.asset = points, shards, asset
        self.period = START
        self.heard = START * MINUTE
        self.told: list[QualityFinding] = []

    def minute(self, failing: Any = (), well: Any = (), check: QualityCheck = "NULL_RATE", heard: bool = True) -> list[QualityFinding]:
        """One minute in which these points begin to fail, and those are well again."""
        if heard:
            self.heard = (self.period + 1) * MINUTE - 1
        for shard in range(self.shards):
            changes = [self.change(n, check, True) for n in failing if n % self.shards == shard]
            changes += [self.change(n, check, False) for n in well if n % self.shards == shard]
            self.rollup.take(self.said(shard, changes))
        found = self.rollup.judge(self.period)
        self.period += 1
        self.told += found
        return found

    def said(self, shard: int, changes: list[PointChange]) -> Assessment:
        scopes: Any = [{"scope_kind": "SOURCE", "scope": "main/OPC1", "points": self.points // self.shards, "heard_time": self.heard}]
        if self.asset:
            scopes.append({"scope_kind": "ASSET", "scope": self.asset, "points": 10 // self.shards, "heard_time": self.heard})
        return {
            "source": "plant1", "shard": shard, "period": self.period, "end_time": (self.period + 1) * MINUTE, "server_ahead_seconds": None,
            "groups": [], "scopes": scopes, "changes": changes,
        }  # fmt: skip

    def change(self, number: int, check: QualityCheck, failed: bool) -> PointChange:
        return {
            "point_key": f"main:{number}", "tag": f"T{number}", "clock_group": "main/OPC1", "quality_check": check, "failed": failed,
            "asset": self.asset if number < 10 else None, "value": 0.5, "threshold": 0.05, "from_time": 0, "to_time": 1, "detail": "",
        }  # fmt: skip


def short(findings: list[QualityFinding]) -> list[tuple[str, str, str]]:
    return [(found["scope_kind"], found["scope"], found["state"]) for found in findings]


def test_a_point_that_fails_alone_is_told_after_two_minutes_and_once() -> None:
    source = Source()
    assert source.minute(failing=[7]) == []
    assert source.minute() == []
    assert short(source.minute()) == [("POINT", "main:7", "FAILED")]
    for _ in range(10):
        assert source.minute() == []
    source.minute(well=[7])
    source.minute()
    assert short(source.minute()) == [("POINT", "main:7", "OK")]


@pytest.mark.parametrize(("failing", "kind"), [(49, "POINT"), (50, "SOURCE")])
def test_half_of_a_sources_points_make_one_finding(failing: int, kind: str) -> None:
    source = Source()
    source.minute(failing=range(failing))
    source.minute()
    source.minute()
    assert {found["scope_kind"] for found in source.told} == {kind}
    assert len(source.told) == (1 if kind == "SOURCE" else failing)
    assert source.told[0]["points_failing"] == (failing if kind == "SOURCE" else 1)


def test_four_points_are_too_few_for_a_finding_about_their_source() -> None:
    source = Source(points=4)
    source.minute(failing=range(4))
    source.minute()
    assert len(source.minute()) == 4


def test_a_source_that_stops_is_one_finding_though_its_points_become_stale_one_by_one() -> None:
    source = Source(points=4000)
    for _ in range(60):
        source.minute()
    for minute in range(120):
        source.minute(failing=range(minute * 40, min(minute * 40 + 40, 4000)) if minute > 12 else (), check="FRESHNESS", heard=False)
    assert short(source.told) == [("SOURCE", "main/OPC1", "FAILED")]
    assert (source.told[0]["quality_check"], source.told[0]["points_failing"]) == ("FRESHNESS", 4000)
    source.minute(well=range(4000), check="FRESHNESS")
    source.minute()
    source.minute()
    assert short(source.told)[1:] == [("SOURCE", "main/OPC1", "OK")]


def test_a_source_is_stale_by_its_own_cadence_and_not_while_that_is_unknown() -> None:
    hourly = Source()
    for minute in range(60 * 40):
        hourly.minute(heard=minute % 60 == 0)
    assert hourly.told == []
    unknown = Source()
    for minute in range(100):
        unknown.minute(heard=minute < 10)
    assert unknown.told == []


def test_points_that_still_fail_when_their_source_is_well_again_are_told_by_themselves() -> None:
    source = Source()
    source.minute(failing=range(60))
    for _ in range(3):
        source.minute()
    source.minute(well=range(3, 60))
    source.minute()
    source.minute()
    assert short(source.told)[:2] == [("SOURCE", "main/OPC1", "FAILED"), ("SOURCE", "main/OPC1", "OK")]
    assert sorted(short(source.told)[2:]) == [("POINT", f"main:{number}", "FAILED") for number in range(3)]


def test_a_source_is_well_again_below_half_of_what_made_it_fail() -> None:
    source = Source()
    source.minute(failing=range(60))
    source.minute(well=range(30, 60))
    assert short(source.told) == [("SOURCE", "main/OPC1", "FAILED")]
    source.minute(well=range(24, 30))
    assert short(source.told)[1] == ("SOURCE", "main/OPC1", "OK")
    assert len(source.told) == 2 + 24


def test_an_asset_is_a_scope_of_its_own() -> None:
    source = Source(asset="Plant/Unit 12/Pump")
    source.minute(failing=range(10))
    source.minute()
    source.minute()
    assert short(source.told) == [("ASSET", "Plant/Unit 12/Pump", "FAILED")]
    assert source.told[0]["point_keys"] == sorted(f"main:{n}" for n in range(10))


def test_a_point_that_failed_and_was_well_within_the_wait_is_not_told() -> None:
    source = Source()
    source.minute(failing=[7])
    source.minute(well=[7])
    for _ in range(5):
        source.minute()
    assert source.told == []


def test_each_check_is_told_apart() -> None:
    source = Source()
    source.minute(failing=range(60), check="GOOD_RATE")
    source.minute(failing=[3], check="NULL_RATE")
    source.minute()
    source.minute()
    assert [(found["quality_check"], found["scope_kind"]) for found in source.told] == [("GOOD_RATE", "SOURCE"), ("NULL_RATE", "POINT")]
