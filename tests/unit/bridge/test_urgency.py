from dataclasses import replace

from bridge.coverage import PointCoverage, Purpose
from bridge.urgency import most_urgent
from bridge.watermarks import Watermarks, ages_of
from tests.unit.bridge.world import HOUR, RULES, at, covered, hour

AGEING = replace(RULES, ages=ages_of((7200.0,)))


def point(key: str, kind: Purpose | None, as_of: str = "09:02") -> PointCoverage:
    """A point that has a read of this kind due at noon, or none."""
    if kind is Purpose.FIRST:
        return PointCoverage(key, at("00:00"))
    made = covered("06:00", "09:00", start="00:00" if kind is Purpose.BACKFILL else None, as_of=as_of)
    made.point_key = key
    if kind is Purpose.BLIND:
        made.blinded(at("11:00"), at("11:10"), at("11:10"), "lost", 0)
    elif kind is Purpose.FORWARD:
        made.preview(at("09:03"), at("09:03"))
    elif kind is Purpose.DIRTY:
        made.mark(hour("07:00"), at("09:10"), None)
    elif kind is Purpose.AWAY:
        made.aways.add(at("07:00"), at("08:00"), at("11:00"), None)
    elif kind is Purpose.AGED:
        made.watermarks = Watermarks(AGEING.ages, at("09:00"))
    return made


def keys(points: list[PointCoverage], limit: int = 100) -> list[str]:
    return [found.point_key for found, _ in most_urgent(points, at("12:00"), AGEING, limit)]


def test_the_kinds_go_first_blind_forward_dirty_backfill_away_aged() -> None:
    points = [point(kind.name, kind) for kind in reversed(Purpose)]
    assert keys(points) == ["FIRST", "BLIND", "FORWARD", "DIRTY", "BACKFILL", "AWAY", "AGED"]
    assert [read.purpose for _, read in most_urgent(points, at("12:00"), AGEING, 100)] == list(Purpose)


def test_within_one_kind_the_point_that_was_read_longest_ago_goes_first() -> None:
    points = [point("late", Purpose.FORWARD, "09:04"), point("early", Purpose.FORWARD, "09:02"), point("middle", Purpose.FORWARD, "09:03")]
    assert keys(points) == ["early", "middle", "late"]


def test_the_limit_cuts_the_least_urgent() -> None:
    points = [point("a", Purpose.DIRTY), point("b", Purpose.BLIND), point("c", Purpose.BACKFILL)]
    assert keys(points, 2) == ["b", "a"]
    assert keys(points, 0) == []


def test_points_that_have_nothing_due_or_a_read_in_flight_are_left_out() -> None:
    busy = point("busy", Purpose.BLIND)
    read = busy.next_read(at("12:00"), RULES)
    assert read is not None
    busy.sent(read)
    failed = point("failed", Purpose.BLIND)
    failed.failed(read, at("12:00"), RULES)
    assert keys([busy, failed, point("idle", None), point("due", Purpose.DIRTY)]) == ["due"]
    assert RULES.quiet > 3 * HOUR
