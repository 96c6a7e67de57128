"""How much to ask for at once: more while PI answers well, half as much when it does not (AIMD, design 4). Pure."""

from dataclasses import dataclass

LEAST_BATCH, LEAST_PAGE = 10, 100
"""Trouble does not make batches and pages smaller than that; what is too large for PI may (trap 27)."""
_BATCH_STEP, _PAGE_STEP = 10, 500
_FIRST_PAGE = 1000
MOST_REQUESTS = 3
"""Sub-requests of one read, at most: so much may be left over in a batch that is full."""
SLOW_TIMES = 4.0
"""An answer that takes so many times what it should, by the best that was seen, is slow: PI is loaded, by us or by others."""
_PATIENT_SECONDS = 0.25
"""An answer within that is not slow, whatever the best was."""
_MEMORY_ANSWERS = 1000
"""The best is forgotten after so many answers, twice over: a PI that became slower for good is not taken for loaded for ever."""
_VALUES_A_UNIT = 100
"""So many values count as one request more."""


@dataclass
class Size:
    """A number between two others: doubled until the first trouble, then raised by steps; halved by trouble."""

    now: int
    least: int
    most: int
    step: int
    _slow_start: bool = True

    def went_well(self) -> None:
        """What was asked for in this size came back."""
        step = self.now if self._slow_start else self.step if self.now >= self.least else 1
        self.now = min(self.now + step, self.most)

    def halve(self) -> bool:
        """It was too much; False if it is the least already."""
        self._slow_start = False
        if self.now <= self.least:
            return False
        self.now = max(self.now // 2, self.least)
        return True

    def too_large(self, asked: int) -> None:
        """So many did not fit into an answer."""
        self._slow_start, self.now = False, max(asked // 2, 1)


class Best:
    """The best times seen lately: of an answer at all, and of a unit of work in it."""

    def __init__(self) -> None:
        self._lately: list[tuple[float, float]] = []
        """The best of the thousand answers under way, and of the thousand before."""
        self._answers = 0

    def slow(self, units: float, seconds: float) -> bool:
        """True if an answer took much longer than it should; takes note of it."""
        expected = None
        if self._lately:
            answer, unit = (min(times) for times in zip(*self._lately, strict=True))
            expected = answer + units * unit
        self._note(seconds, seconds / units)
        return expected is not None and seconds > max(SLOW_TIMES * expected, _PATIENT_SECONDS)

    def _note(self, answer: float, unit: float) -> None:
        if self._answers % _MEMORY_ANSWERS == 0:
            self._lately = [*self._lately[-1:], (answer, unit)]
        self._answers += 1
        best_answer, best_unit = self._lately[-1]
        self._lately[-1] = (min(best_answer, answer), min(best_unit, unit))


class Sizing:
    """Sizes of batches and pages of one shard."""

    def __init__(self, most_requests: int, most_values: int) -> None:
        """The configured limits of a batch's sub-requests and of a page's values: more is never asked for."""
        least = min(LEAST_BATCH, most_requests)
        self.batch = Size(least, least, most_requests, _BATCH_STEP)
        self.page = Size(min(_FIRST_PAGE, most_values), min(LEAST_PAGE, most_values), most_values, _PAGE_STEP)
        self._best = Best()

    def answered(self, requests: int, values: int, seconds: float, full_page: bool) -> None:
        """A batch of so many sub-requests came back, with so many values, after so long; `full_page`: a page held as many as it may."""
        if self._best.slow(requests + values / _VALUES_A_UNIT, seconds):
            self.troubled()
            return
        if requests > self.batch.now - MOST_REQUESTS:
            self.batch.went_well()
        if full_page:
            self.page.went_well()

    def troubled(self) -> None:
        """PI failed, pushed us away, or was slow: batches become smaller, and pages when these cannot."""
        if not self.batch.halve():
            self.page.halve()

    def too_large(self, requests: int) -> None:
        """The answer to so many sub-requests was larger than we take."""
        self.batch.too_large(requests)
