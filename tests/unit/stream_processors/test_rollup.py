"""Sources: what fails at most points is one finding."""

import json
from typing import Any

import pytest

from schemas.processors import Processors, Quality
from schemas.records import Assessment, PointChange, QualityCheck, QualityFinding
from stream_processors.rollup import Rollup

START = 28_000_000
MINUTE = 60_000_000


class Source:
    """Points of one source, dealt out to shards, whose changes are told minute by minute; and another source, which is always heard."""

    def __init__(self, points: int = 100, shards: int = 2, **limits: Any) -> None:
        self.rollup = Rollup("plant1", Processors(quality=Quality(**limits)))
        self.points, self.shards = points, shards
        self.away = False
        """Nothing is heard at all."""
        self.period = START
        self.other = START * MINUTE
        self.heard = START * MINUTE
        self.told: list[QualityFinding] = []

    def minute(self, failing: Any = (), well: Any = (), check: QualityCheck = "NULL_RATE", heard: bool = True) -> list[QualityFinding]:
        """One minute in which these points begin to fail, and those are well again."""
        if not self.away:
            self.other = (self.period + 1) * MINUTE - 1
            self.heard = self.other if heard else self.heard
        for shard in range(self.shards):
            changes = [self.change(n, check, True) for n in failing if n % self.shards == shard]
            changes += [self.change(n, check, False) for n in well if n % self.shards == shard]
            self.rollup.take(self.said(shard, changes))
        found = self.rollup.judge(self.period)
        self.period += 1
        self.told += found
        return found

    def said(self, shard: int, changes: list[PointChange], whole: bool = False) -> Assessment:
        points, heard = {"main/OPC1": self.points // self.shards, "main/OPC9": 1}, {"main/OPC1": self.heard, "main/OPC9": self.other}
        scopes: Any = [{"scope_kind": "SOURCE", "scope": name, "points": points[name], "heard_time": heard[name]} for name in points]
        scopes = [scope for scope in scopes if scope["points"]]
        return {
            "source": "plant1", "shard": shard, "period": self.period, "end_time": (self.period + 1) * MINUTE, "server_ahead_seconds": None,
            "groups": [], "scopes": scopes, "whole": whole, "changes": changes,
        }  # fmt: skip

    def change(self, number: int, check: QualityCheck, failed: bool) -> PointChange:
        return {
            "point_key": f"main:{number}", "tag": f"T{number}", "clock_group": "main/OPC1", "quality_check": check, "failed": failed,
            "asset": None, "value": 0.5, "threshold": 0.05, "from_time": 0, "to_time": 1, "detail": "",
        }  # fmt: skip

    def whole(self, shard: int, failing: list[int]) -> Assessment:
        """All that fails in a shard, as it tells it after it was taken over."""
        return self.said(shard, [self.change(n, "NULL_RATE", True) for n in failing], True)


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


def test_what_a_shard_does_not_name_any_more_when_it_tells_all_that_fails_is_over() -> None:
    source = Source()
    source.minute(failing=[6, 7, 8])
    source.minute()
    assert len(source.minute()) == 3
    source.rollup.take(source.whole(0, [8, 10]))
    for _ in range(3):
        known = json.loads(json.dumps(source.rollup.dump()))
        source.rollup = Rollup("plant1", Processors())
        source.rollup.load(known)
        source.minute()
    assert sorted(short(source.told[3:])) == [("POINT", "main:10", "FAILED"), ("POINT", "main:6", "OK")]


def test_what_began_to_fail_since_a_period_that_is_told_again_as_a_whole_is_not_over() -> None:
    source = Source()
    source.minute(failing=[6])
    source.minute(failing=[8])
    source.minute()
    source.minute()
    source.rollup.again(source.whole(0, [6]), source.period - 1)
    known = json.loads(json.dumps(source.rollup.dump()))
    source.rollup = Rollup("plant1", Processors())
    source.rollup.load(known)
    source.rollup.again(source.said(0, [source.change(8, "NULL_RATE", True)]), source.period - 1)
    for _ in range(3):
        source.minute()
    assert short(source.told) == [("POINT", "main:6", "FAILED"), ("POINT", "main:8", "FAILED")]


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


def known() -> Source:
    """A source whose cadence is known."""
    source = Source()
    for _ in range(60):
        source.minute()
    return source


def test_where_nothing_is_heard_at_all_no_source_is_blamed_and_none_for_that_time_afterwards() -> None:
    source = known()
    source.away = True
    for _ in range(60):
        source.minute()
    source.away = False
    for _ in range(4):
        source.minute(heard=False)
    assert source.told == []
    for _ in range(3):
        source.minute(heard=False)
    assert [(found["quality_check"], found["state"], found["detail"]) for found in source.told] == [
        ("FRESHNESS", "FAILED", "source main/OPC1: silent for 360 s"),
    ]  # fmt: skip


def test_a_source_that_was_stale_before_we_were_away_is_stale_until_it_is_heard() -> None:
    source = known()
    for _ in range(8):
        source.minute(heard=False)
    assert short(source.told) == [("SOURCE", "main/OPC1", "FAILED")]
    for away in (True, False):
        source.away = away
        for _ in range(10):
            source.minute(heard=False)
    assert len(source.told) == 1
    source.minute()
    assert short(source.told)[1:] == [("SOURCE", "main/OPC1", "OK")]


def test_where_everything_is_heard_once_an_hour_that_is_no_silence_of_ours() -> None:
    source = Source()
    for minute in range(60 * 60):
        source.away = minute % 60 != 0
        source.minute(heard=minute < 60 * 40)
    assert short(source.told) == [("SOURCE", "main/OPC1", "FAILED")]


def test_a_source_that_has_no_points_any_more_is_over() -> None:
    source = known()
    for _ in range(8):
        source.minute(heard=False)
    source.points = 0
    source.minute(heard=False)
    assert short(source.told) == [("SOURCE", "main/OPC1", "FAILED"), ("SOURCE", "main/OPC1", "OK")]
    source.minute(heard=False)
    assert ("SOURCE", "main/OPC1") not in source.rollup.scopes


def test_shards_that_are_heard_one_after_the_other_do_not_make_a_source_quick() -> None:
    source = Source(shards=30, points=300)
    for _ in range(30):
        for minute in range(60):
            for shard in range(30):
                source.heard = source.period * MINUTE + shard * 1000 if minute == 0 else source.heard
                source.rollup.take(source.said(shard, []))
            source.other = (source.period + 1) * MINUTE - 1
            source.told += source.rollup.judge(source.period)
            source.period += 1
    assert source.told == []


def test_what_is_known_between_two_minutes_is_read_back() -> None:
    source = known()
    source.minute(failing=range(60))
    other = Rollup("plant1", Processors())
    other.load(json.loads(json.dumps(source.rollup.dump())))
    assert json.dumps(other.dump()) == json.dumps(source.rollup.dump())


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
