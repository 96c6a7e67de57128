"""Points in groups, so that no more than so much is handled at once."""

from collections.abc import Iterable

from pyspark.sql import DataFrame

from spark_jobs import quoting


def conditions(total: int, counted: DataFrame, at_once: int) -> list[str]:
    """SQL for each group of points; for all in one if that is not too much. `counted`: (point_key, how much), asked only if need be."""
    if total <= at_once:
        return ["true"]
    rows = counted.orderBy("point_key").toLocalIterator()
    return [
        f"point_key BETWEEN {quoting.text(first)} AND {quoting.text(last)}"
        for first, last in divided(((row[0], row[1]) for row in rows), at_once)
    ]


def divided(counts: Iterable[tuple[str, int]], at_once: int) -> list[tuple[str, str]]:
    """First and last of each group of points, given in order with their counts; with more than `at_once` a point is alone."""
    groups: list[tuple[str, str]] = []
    total = 0
    for key, count in counts:
        total += count
        if groups and total <= at_once:
            groups[-1] = groups[-1][0], key
        else:
            groups.append((key, key))
            total = count
    return groups
