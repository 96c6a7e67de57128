"""V1 to V4, and V9 on Kafka's side: each statement against the archive as it was read, and what holds against it at the end. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from verifier.archive import PointArchive
from verifier.differences import Difference, differences
from verifier.digest import Sum
from verifier.events import time_text
from verifier.findings import Findings
from verifier.frames import Frame, Records
from verifier.ledger import Claim, Span, holding, stated_before, uncovered
from verifier.names import Names

MOST_READS = 3
"""So many reads after `as_of` may have been the one that a statement comes from: a retry, or an owner that was about to be fenced."""


class Asked(NamedTuple):
    """A point and all claims about it."""

    key: str
    point: PointArchive
    claims: list[Claim]


def check_series(names: Names, frames: Iterable[Frame], findings: Findings) -> None:
    """Units, stray values, and samples of which nobody said where they come from."""
    for frame in frames:
        for index, series in enumerate(frame.series):
            place, order = f"{series.point_key}, {frame.text} series {index}", (series.point_key, frame.offset)
            findings.examined["samples"] += len(series.events)
            if names.foreign(series.point_key):
                findings.examined["series_of_other_servers"] += 1
                continue
            point = names.point(series.point_key)
            if point is None:
                findings.fail("V2", f"{place}: the journal knows no such point", max(len(series.events), 1), order)
                continue
            if (series.uom or "") != point.uom:
                findings.fail("V3", f"{place}: unit {series.uom!r} in place of {point.uom!r}", 1, order)
            if series.stray is not None:
                findings.fail("V3", f"{place}: {series.stray}", 1, order)
            if (frame.origin == "LIVE") != (series.statement is None) or (frame.dataset == "live") != (frame.origin == "LIVE"):
                what = "samples without a statement" if series.statement is None else "a statement"
                findings.fail("V2", f"{place}: {what} in a frame of origin {frame.origin}", max(len(series.events), 1), order)


def check_statements(
    names: Names, claims: dict[str, list[Claim]], records: Records, findings: Findings, progress: Callable[[str], None]
) -> None:
    """All claims of all points."""
    for number, (key, stated) in enumerate(sorted(claims.items()), 1):
        point = names.point(key)
        if point is None:
            continue
        asked = Asked(key, point, stated)
        wrong = {id(claim): _claim(asked, claim, findings) for claim in stated}
        _now(asked, wrong, findings)
        if number % 10_000 == 0:
            progress(f"statements: {number:,} of {len(claims):,} points")
    if any(first for (dataset, _), first in records.begins.items() if dataset != "live"):
        findings.skip("V4", "progress against statements: Kafka has deleted the oldest statements, and no table was named that has them")
        return
    for key, (low, high) in sorted(records.covered.items()):
        if names.point(key) is not None:
            _gaps(key, low, high, claims.get(key, []), records.away.get(key, []), findings)


def _claim(asked: Asked, claim: Claim, findings: Findings) -> set[int]:
    """Checks a claim against the archive as the read saw it that it comes from; answers the instants at which they differ."""
    statement = claim.statement
    order = (asked.key, statement.begin)
    where = f"{asked.key} [{time_text(statement.begin)}, {time_text(statement.end)}) {claim.text}"
    findings.examined["statements"] += 1
    confirmed = statement.kind == "CONFIRMED"
    own = Sum(claim.events)
    if not confirmed:
        _account(claim, own, where, "its samples", findings, order)
    if statement.begin >= statement.end:
        if claim.events:
            findings.fail("V2", f"{where}: samples in a range without width", len(claim.events), order)
        return set()
    reads = asked.point.reads_since(statement.as_of, statement.begin, statement.end, MOST_READS)
    if not reads:
        findings.fail("V4", f"{where}: no read since {time_text(statement.as_of)} served all of this range", 1, order)
        return set()
    if confirmed:
        _confirmation(asked, claim, [read.n for read in reads], where, findings, order)
        return set()
    found: list[Difference] = []
    for read in reads:
        now = differences(asked.point.between(statement.begin, statement.end, read.n), claim.events)
        if not now:
            return set()
        if not found or len(now) < len(found):
            found = now
    for difference in found:
        findings.fail(difference.check, f"{asked.key} {difference.text} ({claim.text})", 1, (asked.key, difference.ticks))
    return {difference.ticks for difference in found}


def _account(claim: Claim, own: Sum, where: str, whose: str, findings: Findings, order: tuple[str, int]) -> None:
    statement = claim.statement
    if (statement.size, statement.digest) != (own.count, own.digest):
        stated = f"count {statement.size}, digest {statement.digest}"
        findings.fail("V9", f"{where}: {stated}, and {whose} have {own.count}, {own.digest}", 1, order)


def _confirmation(asked: Asked, claim: Claim, reads: Sequence[int], where: str, findings: Findings, order: tuple[str, int]) -> None:
    """A confirmation has no samples: its count and digest must be those of the archive, and of what was stated before it."""
    statement = claim.statement
    findings.examined["confirmations"] += 1
    sums = [Sum(asked.point.between(statement.begin, statement.end, n)) for n in reads]
    before, gaps = stated_before(claim, asked.claims)
    if all((own.count, own.digest) != (statement.size, statement.digest) for own in sums):
        _account(claim, sums[0], where, "the events of the archive", findings, order)
    elif gaps:
        findings.fail("V4", f"{where}: confirms a range of which nothing was stated at {time_text(gaps[0][0])}", 1, order)
    else:
        _account(claim, Sum(before), where, "the samples stated before it", findings, order)
    if claim.events:
        findings.fail("V2", f"{where}: a confirmation with samples", len(claim.events), order)


def stated_spans(claims: Iterable[Claim]) -> list[Span]:
    """Where which samples hold. Confirmations carry none: they leave what was stated."""
    return list(holding(claim for claim in claims if claim.statement.kind != "CONFIRMED"))


def _now(asked: Asked, wrong: dict[int, set[int]], findings: Findings) -> None:
    """What holds at each instant against the archive at the end.

    A difference is none of the bridge's making if the archive changed there after every read that covers the instant: it was not to be
    seen yet. Instants at which the holding statement differs from its own read were reported there.
    """
    for span in stated_spans(asked.claims):
        expected = asked.point.between(span.begin, span.end)
        findings.examined["archived_events_in_covered_ranges"] += len(expected)
        for difference in differences(expected, span.events()):
            ticks, claim = difference.ticks, span.claim
            if ticks in wrong[id(claim)]:
                continue
            text, order = f"{asked.key} {difference.text} ({claim.text}", (asked.key, ticks)
            changed_at = asked.point.changed_at(ticks)
            if changed_at < asked.point.surely_since(claim.statement.as_of):
                findings.fail(difference.check, f"{text}, which is later than the archive's last change there)", 1, order)
            elif (later := _seen_later(asked, ticks, changed_at)) is not None:
                findings.fail(difference.check, f"{text} holds, and {later.text} is from after the change there)", 1, order)
            else:
                findings.leave(difference.check, "not_yet_seen", f"{text})", 1, order)


def _seen_later(asked: Asked, ticks: int, changed_at: int) -> Claim | None:
    """A claim that covers an instant and is surely from after a change there; None if nobody looked since."""
    covering = (claim for claim in asked.claims if claim.statement.begin <= ticks < claim.statement.end)
    return next((claim for claim in covering if asked.point.surely_since(claim.statement.as_of) > changed_at), None)


def _gaps(key: str, low: int, high: int, claims: Sequence[Claim], away: Sequence[tuple[int, int]], findings: Findings) -> None:
    """What progress calls covered is covered by statements; single instants, and ranges whose archive was away, may have been set aside."""
    findings.examined["ranges_whose_archive_was_away"] += len(away)
    for begin, end in uncovered(low, high, claims, away) if low < high else []:
        if end - begin == 1:
            findings.examined["instants_set_aside"] += 1
        else:
            text = f"{key}: progress calls [{time_text(begin)}, {time_text(end)}) covered, and no statement is about it"
            findings.fail("V4", text, 1, (key, begin))
