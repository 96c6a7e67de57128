"""Figures for Prometheus, each with its name, type, unit, labels with all their values, and meaning: a process lists its own once.

All series exist from the start, so that a rate is known from the first event on, and nothing is added later.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # one series more a counter, which nobody asks for

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

M = TypeVar("M", Counter, Gauge, Histogram)


class Figure(NamedTuple):
    """What one figure is, for the reference."""

    name: str
    kind: str
    unit: str
    labels: dict[str, Sequence[str]]
    meaning: str


class Figures:
    """The figures of one process, from zero; those of Prometheus' own client about the process are among them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reference: list[Figure] = []
        ProcessCollector(registry=self.registry)

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)

    def table(self) -> list[str]:
        """The reference as a table, line by line, for a page in docs."""
        lines = ["| name | type | unit | labels | meaning |", "|---|---|---|---|---|"]
        for figure in self.reference:
            labels = "; ".join(f"`{name}`: {', '.join(values)}" for name, values in figure.labels.items()) or "–"
            lines.append(f"| `{figure.name}` | {figure.kind} | {figure.unit} | {labels} | {figure.meaning} |")
        about_process = "CPU seconds, memory, file descriptors and start time of the process, as Prometheus' own client names them."
        return [*lines, "", f"Besides, `process_*`: {about_process}"]

    def _count(self, name: str, unit: str, meaning: str, **labels: Sequence[str]) -> Counter:
        self.reference.append(Figure(name + "_total", "counter", unit, labels, meaning))
        return _prepared(Counter(name, meaning, tuple(labels), registry=self.registry), labels)

    def _show(self, name: str, unit: str, meaning: str, **labels: Sequence[str]) -> Gauge:
        self.reference.append(Figure(name, "gauge", unit, labels, meaning))
        return _prepared(Gauge(name, meaning, tuple(labels), registry=self.registry), labels)

    def _spread(self, name: str, unit: str, meaning: str, **labels: Sequence[str]) -> Histogram:
        self.reference.append(Figure(name, "histogram", unit, labels, meaning))
        return _prepared(Histogram(name, meaning, tuple(labels), buckets=_SECONDS, registry=self.registry), labels)


def _prepared(metric: M, labels: dict[str, Sequence[str]]) -> M:
    """The metric with a series for each value of its labels."""
    if labels:
        for values in product(*labels.values()):
            metric.labels(*values)
    return metric
