"""V10's other half: a statement overrules only the previews that were heard before its request was sent (design 3.4). Pure."""

from collections.abc import Iterable, Mapping

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
    for frame in frames:
        if frame.dataset != "live" or frame.via == "READ":
            continue
        for series in frame.series:
            point = names.point(series.point_key)
            if point is None:
                continue
            for claim in claims.get(series.point_key, ()):
                if claim.statement.as_of_clock > frame.clock:
                    _overruled(series.point_key, point, claim, frame, series.events, findings)


def _overruled(key: str, point: PointArchive, claim: Claim, frame: Frame, events: list[Event], findings: Findings) -> None:
    statement = claim.statement
    for event in events:
        if not statement.begin <= event.ticks < statement.end:
            continue
        heard = point.sent.get((event.ticks, event.content))
        if heard is not None and not _read_later(point, claim, heard):
            text = f"{key} {event_text(event)} ({frame.text}) is overruled by {claim.text}, whose read was answered before it was sent"
            findings.fail("V10", text, 1, (key, event.ticks))


def _read_later(point: PointArchive, claim: Claim, heard: int) -> bool:
    """True if the read that the claim comes from was answered after serial number `heard`, or cannot be told."""
    statement = claim.statement
    reads = point.reads_since(statement.as_of, statement.begin, statement.end, MOST_READS)
    if not reads or reads[0].n > heard:
        return True
    agreeing = [read.n for read in reads if _agrees(claim, point.between(statement.begin, statement.end, read.n))]
    return not agreeing or max(agreeing) > heard


def _agrees(claim: Claim, archived: list[Event]) -> bool:
    """True if this is what the claim says; a confirmation says it by count and digest."""
    statement = claim.statement
    if statement.kind != "CONFIRMED":
        return not differences(archived, claim.events)
    own = Sum(archived)
    return (own.count, own.digest) == (statement.size, statement.digest)
