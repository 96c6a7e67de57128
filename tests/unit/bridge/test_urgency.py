from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from bridge.coverage import PointCoverage
from bridge.rules import Purpose
from bridge.urgency import Agenda
from bridge.watermarks import Watermarks, ages_of
from tests.unit.bridge.world import HOUR, MINUTE, RULES, at, covered, hour

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
    elif kind is Purpose.START:
        made.lower(at("05:00"))
    elif kind is Purpose.DIRTY:
        made.mark(hour("07:00"), at("09:10"), None)
    elif kind is Purpose.AWAY:
        made.aways = made.aways.add(at("07:00"), at("08:00"), at("11:00"))
    elif kind is Purpose.AGED:
        made.watermarks = Watermarks(AGEING.ages, at("09:00"))
    return made


def agenda(points: Sequence[PointCoverage]) -> Agenda:
    known = {point.point_key: point for point in points}
    return Agenda(AGEING, known.get, known)


def keys(points: Sequence[PointCoverage], limit: int = 100) -> list[str]:
    return [found.point_key for found, _ in agenda(points).take(at("12:00"), limit)]


def test_the_kinds_go_in_the_order_of_urgency() -> None:
    points = [point(kind.name, kind) for kind in reversed(Purpose)]
    taken = agenda(points).take(at("12:00"), 100)
    assert [found.point_key for found, _ in taken] == [kind.name for kind in Purpose]
    assert [read.purpose for _, read in taken] == list(Purpose)


def test_within_one_kind_the_read_that_fell_due_first_goes_first() -> None:
    points = [point("late", Purpose.FORWARD, "09:04"), point("early", Purpose.FORWARD, "09:02"), point("middle", Purpose.FORWARD, "09:03")]
    assert keys(points) == ["early", "middle", "late"]


def test_points_are_filled_back_in_turn() -> None:
    points = [point(key, Purpose.BACKFILL) for key in ("a", "b")]
    wanted = agenda(points)
    order = []
    for _ in range(4):
        ((taken, _),) = wanted.take(at("12:00"), 1)
        order.append(taken.point_key)
        taken.done()
        wanted.changed(taken.point_key)
    assert sorted(order[:2]) == ["a", "b"]
    assert order[:2] == order[2:]


def test_the_limit_cuts_the_least_urgent() -> None:
    points = [point("a", Purpose.DIRTY), point("b", Purpose.BLIND), point("c", Purpose.BACKFILL)]
    assert keys(points, 0) == []
    assert keys(points, 2) == ["b", "a"]


def test_points_that_have_nothing_due_or_a_read_in_flight_are_left_out() -> None:
    busy = point("busy", Purpose.BLIND)
    read = busy.next_read(at("12:00"), RULES)
    assert read is not None
    busy.sent(read)
    failed = point("failed", Purpose.BLIND)
    failed.failed(read, at("12:00"), RULES)
    assert keys([busy, failed, point("idle", None), point("due", Purpose.DIRTY)]) == ["due"]
    assert RULES.quiet > 3 * HOUR


def test_a_point_that_went_out_of_scope_is_not_read() -> None:
    known = {"a": point("a", Purpose.BLIND), "b": point("b", Purpose.BLIND)}
    wanted = Agenda(RULES, known.get, list(known))
    assert wanted.take(at("08:00"), 10) == []
    del known["a"]
    wanted.changed("a")
    assert [found.point_key for found, _ in wanted.take(at("12:00"), 10)] == ["b"]


def test_what_is_due_sooner_than_before_is_asked_for_sooner() -> None:
    late = covered("06:00", "09:00")
    wanted = agenda([late])
    assert wanted.take(at("10:01"), 1) == []
    late.preview(at("09:30"), at("09:30"))
    wanted.changed(late.point_key)
    assert wanted.take(late.as_of + RULES.seal_max - 1, 1) == []
    assert len(wanted.take(late.as_of + RULES.seal_max, 1)) == 1


def test_a_point_that_changes_for_ever_leaves_no_entries_behind() -> None:
    changing = covered("06:00", "09:00")
    wanted = agenda([changing])
    for turn in range(20_000):
        changing.as_of = at("09:00") + turn
        wanted.changed(changing.point_key)
        assert wanted.take(at("09:00"), 1) == []
    assert sum(len(queue) for queue in wanted._queues) < 2000


CHANGES = ("preview", "late", "blind", "mark", "answered", "failed", "out of scope", "take")


@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 3), st.integers(1, 90)), max_size=40))
def test_what_is_due_is_what_looking_at_every_point_would_find(story: list[tuple[str, int, int]]) -> None:
    everyone = {f"p{n}": point(f"p{n}", (None, Purpose.FIRST, Purpose.BACKFILL, Purpose.DIRTY)[n]) for n in range(4)}
    known = dict(everyone)
    wanted, now = Agenda(RULES, known.get, list(known)), at("12:00")
    for change, number, minutes in story:
        now += minutes * MINUTE
        key = f"p{number}"
        changed = everyone[key]
        if change == "take":
            _compare(wanted, known, now, limit=1 + minutes % 4)
            continue
        if change == "out of scope":
            if known.pop(key, None) is None:
                known[key] = changed
        elif change == "preview":
            changed.preview(now, now)
        elif change == "late":
            changed.preview(now - 3 * HOUR, now)
        elif change == "blind":
            changed.blinded(now - HOUR, now, now, "lost", HOUR)
        elif change == "mark":
            changed.mark(hour("07:00"), now, None)
        elif change == "failed" and (read := changed.in_flight) is not None:
            changed.failed(read, now, RULES)
            changed.done()
        elif change == "answered":
            changed.done()
        wanted.changed(key)
    _compare(wanted, known, now, limit=10)


def _compare(wanted: Agenda, known: dict[str, PointCoverage], now: int, limit: int) -> None:
    expected = {key: read for key, each in known.items() if (read := each.next_read(now, RULES)) is not None}
    taken = wanted.take(now, limit)
    purposes = sorted(read.purpose.value for read in expected.values())
    sums = list(accumulate(Purpose(purpose).requests for purpose in purposes))
    assert [read.purpose.value for _, read in taken] == purposes[: sum(needed <= limit for needed in sums)]
    assert all(expected[found.point_key] == read and found.in_flight == read for found, read in taken)
