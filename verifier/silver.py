"""V7: the silver table is PI's archive in the covered ranges, and the open previews are those that no statement overrules. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from verifier.differences import differences
from verifier.events import Event, event_text
from verifier.findings import Findings
from verifier.frames import Frame
from verifier.ledger import Claim, Span, holding
from verifier.names import Names
from verifier.statements import stated_spans

Rows = Iterable[tuple[str, Event]]
"""Point key and event."""


def check_cleaned(names: Names, claims: Mapping[str, Sequence[Claim]], rows: Rows, findings: Findings) -> None:
    """pi_timeseries_cleaned against the archive at the end, event by event, in the ranges that statements cover.

    Where what is stated is not what the archive holds, V1 to V3 have said so, or it was not to be seen yet: there silver is to have what is
    stated, and so it is for points that the journal does not know.
    """
    found: dict[str, list[Event]] = defaultdict(list)
    for key, event in rows:
        found[key].append(event)
    findings.examined["silver_rows"] = sum(map(len, found.values()))
    for key in sorted(claims.keys() | found.keys()):
        expected: list[Event] = []
        for span in stated_spans(claims.get(key, [])):
            expected += _visible(names, key, span, findings)
        for difference in differences(sorted(expected, key=_by_time), sorted(found.get(key, []), key=_by_time)):
            findings.fail("V7", f"silver, {key} {difference.text}", 1, (key, difference.ticks))


def _visible(names: Names, key: str, span: Span, findings: Findings) -> list[Event]:
    """What silver is to show of a span: the archive's events, but those that the statement could not or did not show."""
    point, stated = names.point(key), span.events()
    if point is None:
        return stated
    archived = point.between(span.begin, span.end)
    odd = {difference.ticks for difference in differences(archived, stated)}
    odd |= {event.ticks for event in stated} - {event.ticks for event in archived}
    agreed = [event for event in archived if event.ticks not in odd]
    findings.examined["archived_events_looked_for_in_silver"] += len(agreed)
    return agreed + [event for event in stated if event.ticks in odd]


def check_open(claims: Mapping[str, Sequence[Claim]], frames: Iterable[Frame], rows: Rows, findings: Findings) -> None:
    """pi_previews_open against the previews that no statement overrules, the newest of each identity."""
    newest: dict[tuple[str, int, int], tuple[int, Event]] = {}
    for frame in frames:
        if frame.dataset == "live":
            for series in frame.series:
                for event in series.events:
                    identity = (series.point_key, event.ticks, event.ordinal)
                    if identity not in newest or newest[identity][0] < frame.clock:
                        newest[identity] = frame.clock, event
    overruling = {key: _Overruling(stated) for key, stated in claims.items()}
    expected = {
        (key, ticks, ordinal): event
        for (key, ticks, ordinal), (clock, event) in newest.items()
        if key not in overruling or overruling[key].clock_at(ticks) <= clock
    }
    findings.examined["open_previews"] = len(expected)
    for key, event in rows:
        order, published = (key, event.ticks), expected.get((key, event.ticks, event.ordinal))
        if published is None:
            findings.fail("V7", f"open previews, {key} {event_text(event)}: overruled, never published, or there twice", 1, order)
        elif published != event:
            findings.fail("V7", f"open previews, {key} {event_text(event)}: published was {event_text(published)}", 1, order)
        expected.pop((key, event.ticks, event.ordinal), None)
    for (key, ticks, _), event in expected.items():
        findings.fail("V7", f"open previews, {key} {event_text(event)}: missing", 1, (key, ticks))


class _Overruling:
    """The greatest as_of_clock of the statements about each instant; confirmations overrule previews too."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._spans = list(holding(claims))
        self._begins = [span.begin for span in self._spans]

    def clock_at(self, ticks: int) -> int:
        """-1 where there is no statement."""
        index = bisect_right(self._begins, ticks) - 1
        if index < 0 or ticks >= self._spans[index].end:
            return -1
        return self._spans[index].claim.statement.as_of_clock


def _by_time(event: Event) -> tuple[int, int]:
    return event.ticks, event.ordinal
