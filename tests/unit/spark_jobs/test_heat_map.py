"""The picture: XML that says each cell's verdict, whatever a point is called."""

import xml.etree.ElementTree as ET

from spark_jobs.completeness import COMPLETE, FINDINGS
from spark_jobs.heat_map import Grid, svg

SVG = "{http://www.w3.org/2000/svg}"


def titles(text: str) -> list[str]:
    return [title.text or "" for title in ET.fromstring(text).iter(f"{SVG}title")]


def test_each_cell_says_point_hour_and_verdict_and_an_empty_one_that_nothing_is_covered() -> None:
    grid = Grid(["A", "B"], ["01-31 00:00", "01-31 01:00"], {(0, 0): "COMPLETE", (1, 1): "HOLE"})
    assert titles(svg(grid, "plant1")) == [
        "plant1",
        "A, 01-31 00:00: COMPLETE",
        "A, 01-31 01:00: nothing covered",
        "B, 01-31 00:00: nothing covered",
        "B, 01-31 01:00: HOLE",
    ]


def test_names_with_marks_of_xml_do_not_break_it() -> None:
    name = "<script>\"&'" + "x" * 100
    assert titles(svg(Grid([name], ["now"], {(0, 0): "ALTERED"}), name))[1] == f"{name}, now: ALTERED"


def test_every_verdict_has_a_colour_of_its_own() -> None:
    verdicts = (*FINDINGS, COMPLETE)
    text = svg(Grid(["A"], list(verdicts), {(0, at): verdict for at, verdict in enumerate(verdicts)}), "")
    cells = [rect for rect in ET.fromstring(text).iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert len({rect.get("fill") for rect in cells}) == len(verdicts)


def test_a_lakehouse_without_hours_has_a_picture_too() -> None:
    assert titles(svg(Grid([], [], {}), "nothing")) == ["nothing"]
