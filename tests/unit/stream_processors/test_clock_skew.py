"""The second stage: verdicts over all shards, from what shards said of each period."""

from typing import Any

import pytest

from schemas.processors import PI_CLOCK, Processors
from schemas.records import Assessment, ClockSkew, GroupPeriod
from stream_processors.clock_skew import Clocks

START = 28_000_000
"""A period, in minutes since 1970."""


class Plant:
    """Clocks of three interfaces and more, told their floors minute by minute."""

    def __init__(self) -> None:
        self.clocks = Clocks("plant1", Processors())
        self.period = START
        self.told: list[ClockSkew] = []

    def minutes(self, number: int, ahead: float | None = 0.0, **floors: Any) -> list[ClockSkew]:
        """So many minutes; a list is gone through, None says nothing. What was told of meanwhile."""
        before = len(self.told)
        for n in range(number):
            groups = [group(name, floor[n] if isinstance(floor, list) else floor) for name, floor in floors.items() if floor is not None]
            self.clocks.take(said(self.period, 0, groups, ahead))
            self.told += self.clocks.judge(self.period)
            self.period += 1
        return self.told[before:]

    def states(self, name: str) -> list[str]:
        return [found["state"] for found in self.told if found["clock_group"] == name]


def group(name: str, floor: float, scatter: float = 0.02, **fields: Any) -> GroupPeriod:
    plain: Any = {
        "clock_group": name, "server": "main", "points": 4, "samples": 40, "lagging": 0,
        "floor_seconds": floor, "mean_seconds": floor + scatter,
    }  # fmt: skip
    return plain | fields  # type: ignore[no-any-return]


def said(period: int, shard: int, groups: list[GroupPeriod], ahead: float | None = 0.0) -> Assessment:
    return {
        "source": "plant1", "shard": shard, "period": period, "end_time": (period + 1) * 60_000_000, "server_ahead_seconds": ahead,
        "groups": groups, "scopes": [], "whole": False, "changes": [],
    }  # fmt: skip


RIGHT: dict[str, Any] = {"b": 0.1, "c": 0.12, "d": 0.08, "e": 0.1}
"""Four whose clocks are right."""


def test_a_clock_that_is_right_is_told_once() -> None:
    plant = Plant()
    plant.minutes(120, a=0.1, **RIGHT)
    assert plant.states("a") == ["OK"]
    found = plant.told[0]
    assert (found["kind"], found["correction_seconds"], found["assessed_time"]) == ("NONE", 0.0, (START + 5) * 60_000_000)


@pytest.mark.parametrize(("offset", "state"), [(1.0, "OK"), (1.02, "SUSPECT")])
def test_the_limit_itself_is_allowed(offset: float, state: str) -> None:
    plant = Plant()
    plant.minutes(5, a=0.08 + offset, **RIGHT)
    assert plant.clocks.groups["a"].state == state


@pytest.mark.parametrize("offset", [-300.0, -90.0, -2.0])
def test_a_clock_that_is_ahead_is_proved_by_values_from_the_future(offset: float) -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(6, a=0.1 + offset, **RIGHT)
    assert plant.states("a") == ["OK", "SUSPECT", "SKEWED"]
    found = plant.told[-1]
    assert found["evidence"] == "NEGATIVE_DELAY"
    assert found["offset_ours_seconds"] == pytest.approx(offset + 0.02, abs=0.03)
    assert found["low_seconds"] <= offset <= found["high_seconds"]  # type: ignore[operator]
    assert found["correction_seconds"] == found["offset_ours_seconds"]
    assert f"{-offset:.0f}" in found["detail"] or "ahead" in found["detail"]


@pytest.mark.parametrize(
    ("offset", "kind"), [(2.0, "OFFSET"), (90.0, "OFFSET"), (3600.0, "DAYLIGHT_SAVING"), (7200.0, "TIME_ZONE"), (2700.0, "TIME_ZONE")]
)
def test_a_clock_that_falls_behind_at_once_is_proved_by_its_step(offset: float, kind: str) -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(8, a=0.1 + offset, **RIGHT)
    assert plant.states("a") == ["OK", "SUSPECT", "SKEWED"]
    assert (plant.told[-1]["evidence"], plant.told[-1]["kind"]) == ("STEP", kind)


def test_a_clock_that_always_was_behind_is_told_by_peers_who_agree() -> None:
    plant = Plant()
    plant.minutes(20, a=90.1, **RIGHT)
    assert plant.states("a") == ["SUSPECT"]
    plant.minutes(20, a=90.1, **RIGHT)
    assert plant.told[-1]["evidence"] == "PEERS"
    assert plant.states("a") == ["SUSPECT", "SKEWED"]


def test_a_clock_in_another_zone_from_the_start_is_told_by_the_hour() -> None:
    plant = Plant()
    plant.minutes(40, a=-0.1 + 3600, b=0.1)
    assert (plant.told[-1]["evidence"], plant.told[-1]["kind"]) == ("WHOLE_HOUR", "DAYLIGHT_SAVING")


def test_alone_on_its_server_a_clock_that_is_behind_is_suspect_at_most() -> None:
    plant = Plant()
    plant.minutes(60, a=90.0)
    assert plant.clocks.groups["a"].state == "SUSPECT"
    assert Plant().minutes(60, a=4.9)[0]["state"] == "OK"


def test_among_peers_who_do_not_agree_nobody_is_accused() -> None:
    plant = Plant()
    plant.minutes(60, a=9.0, b=0.1, c=4.0, d=7.0)
    assert {clock.state for clock in plant.clocks.groups.values()} <= {"OK", "SUSPECT"}


def test_a_way_that_scatters_is_no_clock() -> None:
    plant = Plant()
    for _ in range(40):
        plant.clocks.take(said(plant.period, 0, [group("a", 20.0, scatter=4.0), *(group(name, floor) for name, floor in RIGHT.items())]))
        plant.told += plant.clocks.judge(plant.period)
        plant.period += 1
    assert plant.clocks.groups["a"].state == "SUSPECT"


def test_a_step_after_which_delays_scatter_more_is_a_slow_way() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    for _ in range(20):
        plant.clocks.take(said(plant.period, 0, [group("a", 20.0, scatter=8.0), *(group(name, floor) for name, floor in RIGHT.items())]))
        plant.told += plant.clocks.judge(plant.period)
        plant.period += 1
    assert plant.states("a") == ["OK", "SUSPECT"]


def test_averages_that_are_stamped_with_their_beginning_are_no_clock() -> None:
    plant = Plant()
    for _ in range(40):
        plant.clocks.take(said(plant.period, 0, [group("a", 900.0, lagging=4), *(group(name, floor) for name, floor in RIGHT.items())]))
        plant.told += plant.clocks.judge(plant.period)
        plant.period += 1
    assert plant.clocks.groups["a"].state == "SUSPECT"


def test_a_delay_that_rises_and_does_not_stand_still_is_a_slow_way() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(20, a=[5.0 + 3.0 * n for n in range(20)], **RIGHT)
    assert (plant.told[-1]["kind"], plant.told[-1]["state"]) == ("SLOW_PATH", "SUSPECT")
    plant.minutes(10, a=0.1, **RIGHT)
    assert plant.states("a") == ["OK", "SUSPECT", "SUSPECT", "OK"]


def test_an_interface_that_sends_a_batch_an_hour_is_never_judged() -> None:
    plant = Plant()
    for _ in range(10):
        plant.minutes(1, a=400.0, **RIGHT)
        plant.minutes(59, **RIGHT)
    assert plant.states("a") == []


def test_a_clock_that_is_right_again_is_ok_after_five_minutes_and_not_at_half_of_the_way() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(20, a=-1.9, **RIGHT)
    plant.minutes(20, a=-0.8, **RIGHT)
    assert plant.clocks.groups["a"].state == "SKEWED"
    plant.minutes(12, a=0.1, **RIGHT)
    assert plant.states("a")[-1] == "OK"
    assert plant.told[-1]["correction_seconds"] == 0.0


def test_what_moves_all_groups_is_a_slow_way_unless_it_proves_itself_a_clock() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(60, **{name: 30.0 + floor for name, floor in {"a": 0.1, **RIGHT}.items()})
    assert {clock.state for clock in plant.clocks.groups.values()} == {"OK"}
    assert "SKEWED" not in plant.states("main")
    plant.minutes(10, a=30.1 - 5.0, **{name: 30.0 + floor for name, floor in RIGHT.items()})
    assert plant.clocks.groups["a"].state in ("SUSPECT", "SKEWED"), "after the way stayed so, lines lie where it is"


def test_a_server_is_suspect_until_the_way_that_has_become_longer_is_taken_for_one_and_that_is_told() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(60, **{name: 5.0 + floor for name, floor in {"a": 0.1, **RIGHT}.items()})
    assert plant.clocks._together["main"].state == "OK"
    assert (plant.states("main")[:2], plant.states("main")[-1]) == (["OK", "SUSPECT"], "OK")
    assert "SKEWED" not in plant.states("main")


@pytest.mark.parametrize(("shift", "kind"), [(-90.0, "OFFSET"), (3600.0, "DAYLIGHT_SAVING")])
def test_when_all_clocks_go_wrong_at_once_their_server_is_accused_and_none_of_them(shift: float, kind: str) -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(30, ahead=0.0, **{name: shift + floor for name, floor in {"a": 0.1, **RIGHT}.items()})
    found = plant.told[-1]
    assert (found["clock_group"], found["state"], found["kind"]) == ("main", "SKEWED", kind)
    assert found["correction_seconds"] == pytest.approx(shift)
    assert {clock.state for clock in plant.clocks.groups.values()} == {"OK"}


def test_pis_own_clock_is_accused_where_only_it_is_off() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(10, ahead=90.0, a=0.1, **RIGHT)
    found = plant.told[-1]
    assert (found["clock_group"], found["state"], found["offset_ours_seconds"], found["correction_seconds"]) == (
        PI_CLOCK, "SKEWED", -90.0, 0.0,
    )  # fmt: skip
    assert {clock.state for clock in plant.clocks.groups.values()} == {"OK"}
    assert plant.clocks._record("a", plant.clocks.groups["a"], *_seen(plant))["offset_pi_seconds"] == pytest.approx(90.0, abs=0.1)


@pytest.mark.parametrize(("behind", "evidence"), [(90.0, "PEERS"), (3600.0, "WHOLE_HOUR")])
def test_pis_own_clock_that_always_was_behind_is_accused(behind: float, evidence: str) -> None:
    plant = Plant()
    plant.minutes(29, ahead=-behind, a=0.1, **RIGHT)
    assert plant.states(PI_CLOCK) == ["SUSPECT"]
    plant.minutes(5, ahead=-behind, a=0.1, **RIGHT)
    assert plant.states(PI_CLOCK) == ["SUSPECT", "SKEWED"]
    found = plant.told[-1]
    assert found["evidence"] == evidence
    assert found["offset_ours_seconds"] == pytest.approx(behind)
    assert {clock.state for clock in plant.clocks.groups.values()} == {"OK"}


def test_readings_that_scatter_accuse_nobody() -> None:
    plant = Plant()
    for n in range(60):
        plant.minutes(1, ahead=-3.0 - 0.4 * (n * 7 % 10) / 10, a=0.1, **RIGHT)
    assert plant.states(PI_CLOCK) == ["SUSPECT"]


def _seen(plant: Plant) -> tuple[Any, int]:
    from stream_processors.clock_skew import _Seen

    return _Seen(0.1, 0.0, 0.0, 90.0, 0.1, 0.0), plant.period


def test_where_ours_is_the_wrong_clock_from_the_start_groups_that_agree_with_pi_are_right_and_corrected() -> None:
    plant = Plant()
    plant.minutes(20, ahead=90.0, **{name: floor - 90.0 for name, floor in {"a": 0.1, **RIGHT}.items()})
    assert plant.clocks.groups["a"].state == "OK"
    assert {found["clock_group"] for found in plant.told if found["state"] == "SKEWED"} == {PI_CLOCK}
    found = next(found for found in plant.told if found["clock_group"] == "a")
    assert [found["offset_pi_seconds"], found["correction_seconds"]] == pytest.approx([0.02, -89.98])


def test_shards_of_hosts_whose_clocks_differ_are_brought_together_by_pis_clock() -> None:
    plant = Plant()
    for _ in range(30):
        for shard, off in ((0, 0.0), (1, 40.0), (2, 0.0)):
            plant.clocks.take(
                said(plant.period, shard, [group(name, floor - off) for name, floor in {"a": 0.1, **RIGHT}.items()], ahead=off)
            )
        plant.told += plant.clocks.judge(plant.period)
        plant.period += 1
    assert {clock.state for clock in plant.clocks.groups.values()} == {"OK"}


def test_shards_of_hosts_whose_clocks_differ_do_not_hide_a_clock_that_always_was_behind() -> None:
    plant = Plant()
    for _ in range(40):
        for shard, off in ((0, 0.0), (1, 40.0), (2, 0.0)):
            floors = {"a": 90.1, **RIGHT}
            plant.clocks.take(said(plant.period, shard, [group(name, floor - off) for name, floor in floors.items()], ahead=off))
        plant.told += plant.clocks.judge(plant.period)
        plant.period += 1
    assert plant.states("a") == ["SUSPECT", "SKEWED"]
    assert plant.clocks.groups["a"].evidence == "PEERS"
    assert plant.clocks.groups["a"].scatter == pytest.approx(0.02)


def test_a_drift_is_told_with_its_error_and_proves_itself() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(120, a=[0.1 + 200e-6 * 60 * n for n in range(120)], **RIGHT)
    found = plant.told[-1]
    assert (found["state"], found["kind"]) == ("SKEWED", "DRIFT")
    assert found["drift_ppm"] == pytest.approx(200, abs=5)
    assert found["drift_error_ppm"] is not None


def test_without_pis_clock_offsets_against_it_are_not_told() -> None:
    plant = Plant()
    found = plant.minutes(10, ahead=None, a=0.1, **RIGHT)
    assert {each["clock_group"] for each in found} == {"main", "a", *RIGHT}
    assert {each["offset_pi_seconds"] for each in found} == {None}


def test_a_drift_proves_no_more_than_it_makes() -> None:
    plant = Plant()
    for n in range(120):
        lagging = group("a", 30.0 + 30e-6 * 60 * n, scatter=4.0)
        plant.clocks.take(said(plant.period, 0, [lagging, *(group(name, floor) for name, floor in RIGHT.items())]))
        plant.told += plant.clocks.judge(plant.period)
        plant.period += 1
    assert plant.clocks.groups["a"].kind == "DRIFT"
    assert "SKEWED" not in plant.states("a")


def test_who_is_less_slow_than_all_others_is_not_from_the_future() -> None:
    plant = Plant()
    plant.minutes(30, a=0.1, **RIGHT)
    plant.minutes(30, a=8.0, **{name: 30.0 + floor for name, floor in RIGHT.items()})
    plant.minutes(30, a=0.1, **RIGHT)
    assert "SKEWED" not in plant.states("a")
