"""Which reads go next: blind intervals, forward reads, dirty hours, back-fill (design 4). Pure."""

from collections.abc import Iterable

from bridge.coverage import PointCoverage, Read, Rules


def most_urgent(points: Iterable[PointCoverage], now: int, rules: Rules, limit: int) -> list[tuple[PointCoverage, Read]]:
    """At most `limit` reads that are due, the most urgent first; within one urgency the point that was read longest ago."""
    due = [(point, read) for point in points if (read := point.next_read(now, rules)) is not None]
    due.sort(key=lambda pair: (pair[1].purpose.value, pair[0].as_of, pair[0].point_key))
    return due[:limit]
