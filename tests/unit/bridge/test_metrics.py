"""The figures: documented, few, and the same number for every plant."""

from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.census import NOBODY, census
from bridge.metrics import DATASETS, Metrics, reference
from bridge.rules import Purpose
from schemas.records import ValueFrame
from schemas.topics import DEAD_LETTERS, LIVE
from tests.unit.bridge.world import RULES, at, covered

ROOT = Path(__file__).parents[3]
LABELS = {"dataset", "kind", "status", "purpose", "state", "outcome"}
"""A new one needs a thought about how many values it can have."""
MOST_SERIES = 250


def series(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Value of each series, without the process's own."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.startswith("process_")
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return series(metrics)[name, tuple(sorted(labels.items()))]


def frame(values: int) -> ValueFrame:
    return cast(ValueFrame, {"series": [{"samples": [None] * values}]})


def worked(points: int) -> Metrics:
    """Figures after everything has happened that can be told, with so many points."""
    metrics = Metrics()
    for number in range(points):
        metrics.committed([(LIVE, frame(3))], [(dataset, 100) for dataset in DATASETS], 0.1)
        metrics.answered(f"kind of point {number}", 200 + number % 400, 0.01)
        metrics.read(Purpose.FORWARD, 5)
    counted = census([covered("08:00", "09:00") for _ in range(points)], at("10:00"), RULES)
    metrics.stock(counted, 1000, ["CHANNEL_LOST", "BRIDGE_DOWN"], 12, 11)
    return metrics


def test_the_page_in_docs_is_what_the_source_says() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == reference(), "run: python -m bridge metrics > docs/metrics.md"


def test_the_number_of_series_does_not_grow_with_the_plant() -> None:
    fresh, small, large = Metrics(), worked(10), worked(2000)
    assert series(fresh).keys() == series(small).keys() == series(large).keys()
    assert len(series(fresh)) <= MOST_SERIES


def test_no_label_is_about_a_point() -> None:
    assert {name for _, labels in series(worked(10)) for name, _ in labels} - {"le"} <= LABELS
    assert {name for figure in Metrics().reference for name in figure.labels} == LABELS


def test_every_figure_has_a_unit_a_meaning_and_a_name_of_ours() -> None:
    figures = Metrics().reference
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert figure.name.startswith("pibridge_")
        assert figure.unit
        assert figure.meaning.endswith(".")
        assert (figure.kind == "counter") == figure.name.endswith("_total")


def test_what_was_committed_counts_by_dataset() -> None:
    metrics = Metrics()
    metrics.committed(
        [(LIVE, frame(3)), (LIVE, frame(4))], [("live", 100), ("live", 150), ("progress", 30), (DEAD_LETTERS.dataset, 9)], 0.2
    )
    assert value(metrics, "pibridge_committed_values_total", dataset="live") == 7
    assert value(metrics, "pibridge_committed_frames_total", dataset="live") == 2
    assert value(metrics, "pibridge_committed_bytes_total", dataset="live") == 250
    assert value(metrics, "pibridge_committed_bytes_total", dataset="progress") == 30
    assert value(metrics, "pibridge_committed_values_total", dataset="recorded") == 0
    assert value(metrics, "pibridge_dead_letters_total") == 1
    assert value(metrics, "pibridge_transactions_total", outcome="committed") == 1
    assert value(metrics, "pibridge_transaction_seconds_sum") == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("status", "shown"), [(200, "2xx"), (207, "2xx"), (302, "3xx"), (429, "4xx"), (503, "5xx"), (None, "none"), (999, "none")]
)
def test_an_answer_of_pi_counts_by_the_class_of_its_status(status: int | None, shown: str) -> None:
    metrics = Metrics()
    metrics.answered("batch", status, 0.5)
    assert value(metrics, "pibridge_pi_requests_total", kind="batch", status=shown) == 1
    assert value(metrics, "pibridge_pi_request_seconds_count", kind="batch") == 1


def test_a_kind_of_request_that_is_not_listed_is_other() -> None:
    metrics = Metrics()
    metrics.answered("main:4711", 200, 0.5)
    assert value(metrics, "pibridge_pi_requests_total", kind="other", status="2xx") == 1


def test_stock_shows_what_is_and_forgets_what_was() -> None:
    metrics = worked(3)
    assert value(metrics, "pibridge_points", state="covered") == 3
    assert value(metrics, "pibridge_incidents_open", kind="BRIDGE_DOWN") == 1
    metrics.stock(NOBODY, 0, [], 0, 0)
    assert {shown for (name, _), shown in series(metrics).items() if name in ("pibridge_points", "pibridge_incidents_open")} == {0.0}


# -- the census


def counted(*points: Any, now: str = "10:00") -> Any:
    return census(points, at(now), RULES)


def test_points_are_uncovered_then_filling_then_covered() -> None:
    fresh = covered("08:00", "09:00")
    fresh.low = fresh.high = None
    states = counted(None, fresh, covered("08:00", "09:00", start="07:00"), covered("08:00", "09:00")).states
    assert states == {"uncovered": 2, "filling": 1, "covered": 1}


def test_the_lag_is_that_of_the_point_whose_newest_value_is_furthest_ahead_of_its_covered_end() -> None:
    late, later, quiet = covered("08:00", "09:00"), covered("08:00", "08:30"), covered("01:00", "02:00")
    late.snapshot, later.snapshot, quiet.snapshot = at("09:01"), at("08:32"), at("02:00")
    assert counted(late, later, quiet).lag_seconds == 120
    assert counted(quiet).lag_seconds == 0


def test_the_oldest_read_is_that_of_the_point_that_waited_longest() -> None:
    assert counted(covered("08:00", "09:00", as_of="09:00"), covered("08:00", "09:00", as_of="09:59")).oldest_read_seconds == 3600


def test_dirty_hours_add_up_over_points_and_shards() -> None:
    point, other = covered("08:00", "10:00"), covered("08:00", "10:00")
    for hour in (8, 9):
        point.mark(hour, at("10:00"), None)
    other.mark(9, at("10:00"), None)
    assert counted(point).plus(counted(other)).dirty_hours == 3
