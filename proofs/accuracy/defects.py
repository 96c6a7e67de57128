"""Defects on purpose, each of which a measurement has to notice: what a well-meant rule of that kind usually gets wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from stream_processors import consensus, floors, lateness, track
from stream_processors.clock_skew import Clock, Clocks
from stream_processors.columns import Columns
from stream_processors.state import ShardState

Defect = Callable[[], Any]


def _mean_in_place_of_the_least() -> Any:
    """Takes the pipeline's delay for skew, as known tools do."""
    return patch.object(consensus, "floor_of", lambda ordered: float(np.mean(ordered)))


def _one_stray_point_speaks_for_its_group() -> Any:
    return patch.object(consensus, "floor_of", lambda ordered: ordered[0])


def _a_line_has_no_slope() -> Any:
    return patch.object(track, "_median_slope", lambda times, values: 0.0)


def _what_moves_all_groups_is_charged_to_each() -> Any:
    return patch.object(Clocks, "_shift", lambda self, off, period: (0.0, 0.0))


def _who_is_hardly_heard_is_judged() -> Any:
    return patch.object(Clock, "judged", lambda self, period: self.track.known)


def _a_way_that_scatters_is_a_clock() -> Any:
    return patch.object(Clock, "tight", lambda self, offset: True)


def _averages_are_a_clock_that_is_behind() -> Any:
    original = Clock.describe

    def describe(self: Clock, *arguments: Any) -> None:
        original(self, *arguments)
        self.lagging = 0.0

    return patch.object(Clock, "describe", describe)


@contextmanager
def _any_rise_is_a_step() -> Iterator[None]:
    """Neither has it to stand still, nor to scatter as before."""
    with (
        patch.multiple(track, _AGREE_EARLIER=1, _AGREE_LATER=1, _FEWEST_BEFORE=1),
        patch.object(Clock, "stepped", lambda self, offset, limit: self.track.step > limit),
    ):
        yield


def _offsets_have_the_other_sign() -> Any:
    original = Clocks._record

    def record(self: Clocks, *arguments: Any) -> Any:
        found = original(self, *arguments)
        return {**found, "correction_seconds": -found["correction_seconds"]}

    return patch.object(Clocks, "_record", record)


def _lateness_forgets_the_clock() -> Any:
    return patch.object(floors, "correct", lambda state, found: None)


def _four_hours_for_every_point() -> Any:
    """What known tools do."""
    return patch.object(lateness, "_learn", lambda *_: None)


def _silence_explains_nothing() -> Any:
    return patch.object(lateness, "_notice_silence", lambda *_: None)


def _any_gap_of_a_minute_is_a_silence() -> Any:
    return patch.object(lateness, "_silence", lambda histogram, limits: np.full(len(histogram), 60 * lateness.SECOND))


def _our_gaps_are_not_known() -> Any:
    return patch.object(lateness, "gap", lambda *_: None)


def _a_late_value_is_the_newest() -> Any:
    """Where an insert moves what is newest back, the next ordinary value looks like a jump."""

    def advance(state: ShardState, columns: Columns, *_: Any) -> None:
        state.point["newest"][columns.slots] = np.minimum.reduceat(columns.ticks, columns.starts)

    return patch.object(lateness, "_advance", advance)


CLOCK_DEFECTS: dict[str, tuple[Defect, str, str]] = {
    "mean in place of the least": (_mean_in_place_of_the_least, "0 s", "jitter by point"),
    "one stray point speaks for its group": (_one_stray_point_speaks_for_its_group, "0 s", "stray point"),
    "a line has no slope": (_a_line_has_no_slope, "+200 ppm", "jitter"),
    "what moves all groups is charged to each": (_what_moves_all_groups_is_charged_to_each, "0 s", "our clock"),
    "a way that scatters is a clock": (_a_way_that_scatters_is_a_clock, "0 s", "long way"),
    "averages are a clock that is behind": (_averages_are_a_clock_that_is_behind, "0 s", "averages"),
    "any rise is a step": (_any_rise_is_a_step, "0 s", "slow interface"),
    "who is hardly heard is judged": (_who_is_hardly_heard_is_judged, "0 s", "sparse"),
}
"""Each with the clock and the way that show it."""
LATE_DEFECTS: dict[str, Defect] = {
    "offsets have the other sign": _offsets_have_the_other_sign,
    "lateness forgets the clock": _lateness_forgets_the_clock,
    "four hours for every point": _four_hours_for_every_point,
    "silence explains nothing": _silence_explains_nothing,
    "any gap of a minute is a silence": _any_gap_of_a_minute_is_a_silence,
    "our gaps are not known": _our_gaps_are_not_known,
    "a late value is the newest": _a_late_value_is_the_newest,
}


@contextmanager
def applied(defect: Defect) -> Iterator[None]:
    """While it lasts the rules have the defect."""
    with defect():
        yield
