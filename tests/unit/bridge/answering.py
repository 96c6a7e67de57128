"""Reads of one point, each with its answer."""

from bridge.coverage import PointCoverage
from bridge.ranges import Page, Range, ticks_of
from bridge.rules import Purpose, Read
from tests.unit.bridge.world import RULES, page


def heard(point: PointCoverage, answer: Page) -> None:
    """A channel told of the newest item of an answer long ago."""
    point.snapshot = max([point.snapshot or 0, *map(ticks_of, answer.samples)])


def forward(point: PointCoverage, answer: Page, sent: int, answered: int | None = None) -> list[Range]:
    """A forward read with its answer, of which a channel told long ago."""
    assert point.high is not None
    heard(point, answer)
    read = Read(Purpose.FORWARD, point.high, None)
    point.sent(read)
    stated = point.forward_answered(read, answer, sent, sent if answered is None else answered, RULES)
    point.done()
    return stated


def reread(point: PointCoverage, read: Read, sent: int, *ticks: int) -> list[Range]:
    """A re-read or back-fill slice whose answer fits on one page."""
    assert read.end is not None
    point.sent(read)
    (stated,) = point.reread_answered(read, [(read.begin, read.end, page(*ticks))], sent, RULES, 1000)
    point.done()
    return stated
