"""The page docs/findings.md and the tables of the command: what was said of each history, beside what is known of it. Pure."""

from collections.abc import Sequence
from itertools import pairwise

from proofs.history.picture import svg, when
from proofs.history.replay import DEFAULT_SPAN, FIRST_WEEK, HISTORIES, SECOND, Episode, History, Known, Row

RULES = ("OUT_OF_SPAN", "FLAT_LINE", "GOOD_RATE", "NULL_RATE", "DUPLICATES", "SCHEMA_DRIFT", "FRESHNESS", "VOLUME", "LATE", "SKEW")
_HOUR = 3600 * SECOND
_CADENCE = {"machine": _HOUR // 12, "ambient": _HOUR}


def shown(episodes: Sequence[Episode]) -> list[Episode]:
    """Of the second point, whose span alone is another, only what is about spans."""
    return [each for each in episodes if each.point != FIRST_WEEK or each.rule == "OUT_OF_SPAN"]


def picture(history: History, episodes: Sequence[Episode]) -> str:
    """The SVG of a history."""
    spans = {name: f"OUT_OF_SPAN, {zero:.0f} to {top:.0f}" for name, (zero, top) in history.points().items()}
    lanes = [(text, [e for e in episodes if (e.point, e.rule) == (name, "OUT_OF_SPAN")]) for name, text in spans.items()]
    lanes += [(rule, [e for e in shown(episodes) if e.rule == rule]) for rule in RULES[1:]]
    return svg(f"{history.file}: values, and what the rules said of them", history.rows(), history.known, lanes)


def spans(history: History, episodes: Sequence[Episode]) -> list[str]:
    """How long OUT_OF_SPAN stood, in each window that is known and outside of them; and what the values were there."""
    rows, known = history.rows(), history.known
    lines = ["| | " + " | ".join(f"{each.what}, {when(each.begin)} to {when(each.end)}" for each in known) + " | outside |"]
    lines += ["|---|" + "---|" * (len(known) + 1), f"| values | {' | '.join(_ranges(rows, known))} |"]
    length = (rows[-1][0] - rows[0][0]) / _HOUR - sum((each.end - each.begin) / _HOUR for each in known)
    for name, (zero, top) in history.points().items():
        own = [e for e in episodes if (e.point, e.rule) == (name, "OUT_OF_SPAN")]
        cells = [_stood(own, each) for each in known]
        outside = sum(_hours(own, 0, 1 << 62)) - sum(sum(_hours(own, each.begin, each.end)) for each in known)
        lines.append(
            f"| {zero:.1f} to {top:.1f} ({name}) | {' | '.join(cells)} | {outside:.0f} of {length:.0f} h; in all {len(own)} findings |"
        )
    return lines


def _ranges(rows: Sequence[Row], known: Sequence[Known]) -> list[str]:
    inside = [[value for stamp, value in rows if each.begin <= stamp < each.end] for each in known]
    outside = [value for stamp, value in rows if not any(each.begin <= stamp < each.end for each in known)]
    return [f"{min(own):.1f} to {max(own):.1f}" for own in (*inside, outside)]


def _stood(episodes: Sequence[Episode], known: Known) -> str:
    """So many hours of a window; and when it was said first in it, if it did not stand already."""
    hours, length = sum(_hours(episodes, known.begin, known.end)), (known.end - known.begin) / _HOUR
    first = next((e.told for e in episodes if known.begin <= e.told < known.end), None)
    return f"{hours:.0f} of {length:.0f} h" + ("" if first is None else f", said {when(first)}")


def _hours(episodes: Sequence[Episode], begin: int, end: int) -> list[float]:
    """For how long each stood within these times."""
    return [max(0, min(e.over or e.told, end) - max(e.begin, begin)) / _HOUR for e in episodes]


def others(episodes: Sequence[Episode]) -> list[str]:
    """All that was said but OUT_OF_SPAN, a line each."""
    lines = ["| rule | from | said | over | value | threshold | |", "|---|---|---|---|---|---|---|"]
    for each in shown(episodes):
        if each.rule != "OUT_OF_SPAN":
            numbers = " | ".join("" if number is None else f"{number:.1f}" for number in (each.value, each.threshold))
            over = "" if each.over is None else when(each.over)
            lines.append(f"| {each.rule} | {when(each.begin)} | {when(each.told)} | {over} | {numbers} | {each.detail} |")
    return lines


def gaps(history: History, episodes: Sequence[Episode]) -> list[str]:
    """Each time without values, and when that was said."""
    lines = ["| no values from | to | hours | FRESHNESS said | over |", "|---|---|---|---|---|"]
    stale = {e.begin: e for e in shown(episodes) if e.rule == "FRESHNESS"}
    for begin, end in holes(history.rows(), _CADENCE[history.name]):
        found = next((e for at, e in stale.items() if begin <= at < end), None)
        said = "not found | " if found is None else f"{when(found.told)} | {'' if found.over is None else when(found.over)}"
        lines.append(f"| {when(begin)} | {when(end)} | {(end - begin) / _HOUR:.0f} | {said} |")
    return lines


def holes(rows: Sequence[Row], cadence: int) -> list[tuple[int, int]]:
    """Last stamp before, and first after, each time that is longer than the cadence."""
    return [(before, after) for (before, _), (after, _) in pairwise(rows) if after - before > cadence]


def tables(history: History, episodes: Sequence[Episode]) -> str:
    """What the command prints of a history."""
    parts = [spans(history, episodes), others(episodes), gaps(history, episodes)]
    return "\n\n".join("\n".join(part) for part in parts if len(part) > 2)


def page(found: dict[str, list[Episode]]) -> str:
    """docs/findings.md, from the findings of all histories."""
    sections = []
    for name, history in HISTORIES.items():
        text = tables(history, found[name])
        sections.append(f"## {_TITLES[name]}\n\n![{name}](findings-{name}.svg)\n\n{text}\n\n{MEANING[name]}")
    return "\n\n".join([BEGINNING, *sections]) + "\n"


BEGINNING = f"""\
# What the rules find in real history

Two sensors' histories (`simulator/history`, from the Numenta Anomaly Benchmark, MIT), replayed as if they came live through the rules of
the stream processors at their defaults. `python -m proofs.history --write` makes this page, `tests/unit/test_history.py` holds the
machine's part, and the office's up to September 2013. The columns of the first tables, shaded in the pictures, are windows that the
benchmark names as anomalies (numenta/NAB, `labels/combined_windows.json`; what they were is told of the machine alone). All times are UTC.

The files tell when a value was measured, not when it came, nor a span. Each value comes 0.2 s after its stamp. Each history is two points:
one with the span that PI gives a new point, 0 to 100 (*{DEFAULT_SPAN}*), and one with the range of its first seven days
(*{FIRST_WEEK}*). Another interface is heard every five minutes: without it no gap is found at all, since a shard of which nothing comes may
as well be a bridge that does not listen (decision 71)."""

_TITLES = {"machine": "The machine that failed", "ambient": "The office with gaps"}
MEANING = {
    "machine": """\
**At the defaults nothing tells of the failure, nor of what led to it.** Values fall, but they keep coming and keep moving: no line is flat,
nothing is stale or missing, no type or unit changes, and 0 to 100 holds them all. What is said at that span in the first window is heat
above 100 before and after the shutdown, as on many other days. With the span of the first week the failure stands in most of its window,
and so does OUT_OF_SPAN in two fifths of the time outside, which nobody would read for long; the window that led to the failure lies
mostly inside that span. No rule looks for values that drift or are unusual: quality is that of the data, and these were sound data of a
machine that was not. What a span can tell depends on who sets it.

**The hour that is there twice is found.** On 2014-01-07 stamps step back from 02:55 to 02:00, and twelve come again. Taken as twelve
values that came at once, eleven are late (the last has the newest stamp again), all of them BEHIND_COVERAGE, and the hour has twice its
volume. Taken as a clock that was put back, values coming every five minutes as before, each is told as late for three hours, until that is
usual; the clock is not accused, since who is heard in two of ten minutes is not judged (decision 67).

**The end is found** 39 minutes after the last value, by the point's own cadence, and an hour later by volume. That volume was well again
two hours later is no recovery: the empty hour has widened what is usual. FRESHNESS stands.""",
    "ambient": """\
**Eight of ten gaps are found, four hours and 39 minutes after the last value**, and each is over with the first value after it; the end
of the file is found too. A point that is heard every hour is stale when it was silent for four times the bin of its usual gap, 16,384 s:
gaps of two and three hours are shorter. Volume finds none of them, since one value an hour less is no more than chance.

**The benchmark's windows are not found as anomalies.** The temperatures lie inside 0 to 100; what the span of a week in July says in the
windows it says of most of the year. The second window holds the longest gap, which is found.""",
}
