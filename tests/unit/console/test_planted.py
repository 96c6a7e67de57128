"""What was planted and not found is told; what was found counts once."""

from typing import Any

import pytest

from console.planted import Findings, Planted, Preview, complaints, kept_back, news, not_found
from schemas.records import ClockSkew, LateSamples

CLOCKS = {"main/LAB": -90.0}


def late(key: str, first: int, last: int, samples: int = 1, cause: str = "BUFFERED_INTERFACE", sequence: int = 1) -> LateSamples:
    found: Any = {
        "source": "demo", "point_key": key, "tag": key, "clock_group": "main/OPC1", "category": "DELAYED", "cause": cause,
        "samples": samples, "first_event_time": first, "last_event_time": last, "lateness_seconds": 20.0, "threshold_seconds": 15.0,
        "threshold_kind": "CONFIGURED", "skew_seconds": 0.0, "received_time": last + 20, "shard": 0, "epoch": 1, "sequence": sequence,
    }  # fmt: skip
    return found  # type: ignore[no-any-return]


def clock(group: str = "main/LAB", state: str = "SKEWED", offset: float | None = -89.8) -> ClockSkew:
    found: Any = {
        "source": "demo", "clock_group": group, "server": "main", "state": state, "kind": "OFFSET", "evidence": "NEGATIVE_DELAY",
        "offset_pi_seconds": offset, "offset_ours_seconds": offset, "low_seconds": None, "high_seconds": None, "drift_ppm": None,
        "drift_error_ppm": None, "correction_seconds": offset or 0.0, "path_seconds": 0.1, "points": 3, "since_time": 0,
        "assessed_time": 0, "detail": f"clock of {group}: {state}",
    }  # fmt: skip
    return found  # type: ignore[no-any-return]


def findings(*found: LateSamples, clocks: tuple[ClockSkew, ...] = ()) -> Findings:
    taken = Findings()
    for one in found:
        taken.take_late(one)
    for other in clocks:
        taken.take_clock(other)
    return taken


PLANTED = [Planted("main:1", 5, "BUFFERED_INTERFACE"), Planted("main:2", 7, "BEHIND_COVERAGE")]
FOUND = findings(late("main:1", 4, 6, 3), late("main:2", 7, 7, cause="BEHIND_COVERAGE"), clocks=(clock(),))


def test_what_was_planted_and_found_is_no_complaint() -> None:
    assert complaints(PLANTED, CLOCKS, FOUND) == []


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (findings(late("main:1", 4, 6), clocks=(clock(),)), "of 1 values late by BEHIND_COVERAGE, 1 were not found: main:2 at 7"),
        (findings(late("main:1", 4, 6), late("main:2", 8, 9, cause="BEHIND_COVERAGE"), clocks=(clock(),)), "1 were not found"),
        (findings(late("main:1", 4, 6), late("main:3", 7, 7, cause="BEHIND_COVERAGE"), clocks=(clock(),)), "1 were not found"),
        (findings(late("main:1", 4, 6), late("main:2", 7, 7, cause="OUR_GAP"), clocks=(clock(),)), "1 were not found"),
        (Findings(FOUND.late, {}), "the clock of main/LAB, off by -90 s, was not judged"),
        (Findings(FOUND.late, {"main/OPC1": clock("main/OPC1")}), "was not judged"),
        (Findings(FOUND.late, {"main/LAB": clock(state="SUSPECT")}), "was SUSPECT"),
        (Findings(FOUND.late, {"main/LAB": clock(offset=-87.9)}), "was estimated at -87.9 s in place of -90 s"),
        (Findings(FOUND.late, {"main/LAB": clock(offset=90.0)}), "was estimated at 90.0 s"),
    ],
)
def test_what_was_planted_and_not_found_is_a_complaint(found: Findings, wanted: str) -> None:
    (complaint,) = complaints(PLANTED, CLOCKS, found)
    assert wanted in complaint


def test_nothing_planted_is_a_complaint_too() -> None:
    (complaint,) = complaints(PLANTED[:1], CLOCKS, FOUND)
    assert complaint == "no value was planted that is late by BEHIND_COVERAGE"


def test_any_cause_will_do_where_the_plant_corrects_values_all_the_time() -> None:
    found = findings(late("main:1", 5, 5, cause="GROUP_SHIFTED"), late("main:2", 7, 7), clocks=(clock(),))
    assert not_found(PLANTED, found, any_cause=False) == PLANTED
    assert complaints(PLANTED, CLOCKS, found, any_cause=True) == []


def test_a_finding_that_is_told_again_counts_once() -> None:
    found = findings(late("main:1", 4, 6, 3), late("main:1", 4, 6, 3), late("main:1", 4, 6, 3, sequence=2), late("main:2", 4, 4))
    assert found.late_found() == {"BUFFERED_INTERFACE": 7}


def test_the_newest_of_a_clock_holds() -> None:
    found = findings(clocks=(clock(state="SUSPECT", offset=-80.0), clock(), clock("main/OPC1", "OK", 0.01), clock("main/X", "OK", None)))
    assert found.skew_seconds() == {"main/LAB": -89.8, "main/OPC1": 0.01}
    assert found.skewed() == ["main/LAB"]


def test_a_check_that_passes_again_fails_no_more() -> None:
    found = Findings()
    failed: Any = {"quality_check": "FRESHNESS", "scope": "main/OPC1", "state": "FAILED"}
    found.take_quality(failed)
    assert found.failing == {("FRESHNESS", "main/OPC1")}
    found.take_quality(failed | {"state": "OK"})
    assert found.failing == set()


def test_kept_back_is_what_an_interface_had_stamped_meanwhile_and_no_incident_of_ours_explains() -> None:
    previews = [Preview("main:1", at, 60) for at in (9, 10, 14, 15, 16, 20, 21)] + [Preview("main:2", 15, 60)]
    lost: Any = {"from_time": 15, "to_time": 16}
    still_lost: Any = {"from_time": 20, "to_time": None}
    assert [one.event_time for one in kept_back(previews, {"main:1"}, 10, 20, [lost])] == [10, 14, 20]
    assert [one.event_time for one in kept_back(previews, {"main:1"}, 10, 20, [lost, still_lost])] == [10, 14]


def test_news_is_what_was_not_known_before() -> None:
    before = findings(late("main:1", 4, 6, 3), clocks=(clock(state="SUSPECT"), clock("main/OPC1", "OK")))
    after = before.copy()
    assert news(before, after) == []
    after.take_clock(clock())
    after.take_late(late("main:2", 7, 7, 2))
    after.failing.add(("FRESHNESS", "main/OPC1"))
    assert news(before, after) == [
        "clock of main/LAB: SKEWED", "2 values came late: BUFFERED_INTERFACE", "main/OPC1 fails FRESHNESS",
    ]  # fmt: skip
    assert news(after, after) == []
