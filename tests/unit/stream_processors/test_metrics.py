"""The figures: documented, few, and the same number for every plant."""

from pathlib import Path

from stream_processors.metrics import Metrics, reference

ROOT = Path(__file__).parents[3]
LABELS = {"dataset", "outcome", "reason", "category", "state"}
"""A new one needs a thought about how many values it can have."""


def test_the_page_in_docs_is_what_the_source_says() -> None:
    page = (ROOT / "docs" / "metrics-processors.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m stream_processors metrics > docs/metrics-processors.md"


def test_every_figure_has_a_unit_a_meaning_and_a_name_of_ours() -> None:
    figures = Metrics().reference
    assert len({figure.name for figure in figures}) == len(figures)
    for figure in figures:
        assert figure.name.startswith("pibridge_processors_")
        assert figure.unit
        assert figure.meaning.endswith(".")
        assert (figure.kind == "counter") == figure.name.endswith("_total")


def test_no_label_is_about_a_point_and_all_series_exist_from_the_start() -> None:
    assert {name for figure in Metrics().reference for name in figure.labels} == LABELS
    samples = [sample for family in Metrics().registry.collect() for sample in family.samples if sample.name.startswith("pibridge_")]
    assert len(samples) <= 80
