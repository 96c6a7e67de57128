"""V10's other half: a statement overrules only the previews that were heard before its request was sent (design 3.4). Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import accumulate

from verifier.archive import PointArchive
from verifier.differences import differences
from verifier.digest import Sum
from verifier.events import Event, event_text
from verifier.findings import Findings
from verifier.frames import Frame
from verifier.ledger import Claim
from verifier.names import Names
from verifier.statements import MOST_READS


def check_overruling(names: Names, frames: Iterable[Frame], claims: Mapping[str, list[Claim]], findings: Findings) -> None:
    """Lays each preview of a channel beside the statements that overrule it: the read behind them must come after the channel's message.

    Otherwise what the read could not know would hide what had been heard.
    """
    overruling: dict[str, _Overruling] = {}
    for frame in frames:
        if frame.dataset != "live" or frame.via == "READ":
            continue
        for series in frame.series:
            key = series.point_key
            point = names.point(key)
            if point is None or key not in claims:
                continue
            if key not in overruling:
                overruling[key] = _Overruling(point, claims[key])
            for event in series.events:
                heard = point.sent.get((event.ticks, event.content))
                if heard is None:
                    continue
                for claim in overruling[key].too_early(frame.clock, event.ticks, heard):
                    text = (
                        f"{key} {event_text(event)} ({frame.text}) is overruled by {claim.text}, whose read was answered before it was sent"
                    )
                    findings.fail("V10", text, 1, (key, event.ticks))


class _Answered:
    """When the read behind a claim was answered, as a serial number of the journal; infinite where that cannot be told."""

    def __init__(self, point: PointArchive, claim: Claim) -> None:
        statement = claim.statement
        self.claim, self._point = claim, point
        self._reads = point.reads_since(statement.as_of, statement.begin, statement.end, MOST_READS)
        self.earliest = self._reads[0].n if self._reads else math.inf
        """No read that can have been its source was answered before."""

    @cached_property
    def latest(self) -> float:
        """The last of those that agree with it."""
        statement = self.claim.statement
        shown = (read.n for read in self._reads if _agrees(self.claim, self._point.between(statement.begin, statement.end, read.n)))
        return max(shown, default=math.inf)


class _Overruling:
    """The claims about a point in the order in which they overrule."""

    def __init__(self, point: PointArchive, claims: Iterable[Claim]) -> None:
        ordered = sorted(claims, key=lambda claim: claim.statement.as_of_clock)
        self._answered = [_Answered(point, claim) for claim in ordered]
        self._clocks = [claim.statement.as_of_clock for claim in ordered]
        later = accumulate((answered.earliest for answered in reversed(self._answered)), min)
        self._earliest = [*reversed(list(later)), math.inf]
        """By place in the order, the earliest answer from there on."""

    def too_early(self, clock: int, ticks: int, heard: int) -> Iterable[Claim]:
        """The claims that overrule what was previewed at `clock` about an instant, and whose read was answered before it was heard."""
        first = bisect_right(self._clocks, clock)
        if self._earliest[first] > heard:
            return
        for answered in self._answered[first:]:
            statement = answered.claim.statement
            if statement.begin <= ticks < statement.end and answered.earliest <= heard and answered.latest <= heard:
                yield answered.claim


def _agrees(claim: Claim, archived: list[Event]) -> bool:
    """True if this is what the claim says; a confirmation says it by count and digest."""
    statement = claim.statement
    if statement.kind != "CONFIRMED":
        return not differences(archived, claim.events)
    own = Sum(archived)
    return (own.count, own.digest) == (statement.size, statement.digest)
