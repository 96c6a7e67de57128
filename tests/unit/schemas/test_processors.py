"""The section `processors` of the configuration file."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.schemas.test_config import File, changed, minimal


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_without_the_section_every_limit_is_the_blueprints(file: File) -> None:
    processors = file.load(minimal()).processors
    lateness, quality = processors.lateness, processors.quality
    hours = [lateness.slightly_late_seconds / 3600, lateness.late_seconds / 3600, lateness.very_late_seconds / 3600]
    assert (hours, lateness.future_seconds) == ([4, 24, 168], 300)
    assert (quality.null_share, quality.good_share, quality.duplicate_share, quality.volume_z) == (0.05, 0.9, 0.01, 3.0)
    assert (quality.freshness_seconds, quality.window_seconds, processors.period_seconds) == (3600, 3600, 60)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("lateness/late_seconds", 14_400.0, "must grow in this order"),
        ("lateness/thresholds", [{"name_filter": "*"}], "threshold_seconds"),
        ("skew/groups", [{"name": "plc", "server": "other"}], "other"),
        ("skew/groups", [{"name": "pi", "server": "main"}], "stand for other clocks: pi"),
        ("skew/groups", [{"name": "main", "server": "main"}], "stand for other clocks: main"),
        ("skew/limit_seconds", 0.0, "greater than 0"),
        ("quality/window_seconds", 90, "multiple of 60"),
        ("quality/good_share", 1.1, "less than or equal to 1"),
        ("period_seconds", 61, "less than or equal to 60"),
        ("period_seconds", 7, "multiple of period_seconds"),
        ("nonsense", 1, "Extra inputs"),
    ],
)
def test_what_cannot_be_meant_is_refused(file: File, path: str, value: Any, said: str) -> None:
    (problem,) = file.problems(changed(f"processors/{path}", value))
    assert said in problem


LAB = "5f6b1c4e-0000-4000-8000-000000000002"


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([("plc", "main"), ("plc", "lab")], "two servers have the same name: plc"),
        ([("lab/OPC1", "main")], "stand for other clocks: lab/OPC1"),
        ([("plc", "main"), ("plc", "main"), ("main/OPC1", "main"), ("pi/plc", "lab"), ("other/plc", "lab")], None),
    ],
)
def test_a_clock_group_is_not_taken_for_another(file: File, groups: list[tuple[str, str]], said: str | None) -> None:
    document = changed("processors/skew/groups", [{"name": name, "server": server, "name_filter": "U*"} for name, server in groups])
    document["pi"]["servers"]["lab"] = LAB
    if said is None:
        assert len(file.load(document).processors.skew.groups) == len(groups)
    else:
        (problem,) = file.problems(document)
        assert said in problem


def test_no_data_server_has_the_name_of_pis_own_clock(file: File) -> None:
    document = minimal()
    document["pi"]["servers"]["pi"] = LAB
    (problem,) = file.problems(document)
    assert "the alias pi stands for PI Web API's own clock" in problem
