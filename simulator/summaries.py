"""Summaries: Count, the one that is legal for every type of stream (pi-web-api.md 2.2)."""

from typing import Any

import msgspec

from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.events import Event
from simulator.fields import below, value_json
from simulator.pitime import TICKS_PER_SECOND
from simulator.sources import Readings, Source
from simulator.streams import StreamAnswers, times_of

_TYPES = (
    *("Total", "Average", "Minimum", "Maximum", "Range", "StdDev", "PopulationStdDev", "Count", "PercentGood"),
    *("TotalWithUOM", "All", "AllForNonNumeric", "None"),
)
_BASES = ("TimeWeighted", "EventWeighted", "TimeWeightedContinuous", "TimeWeightedDiscrete", "EventWeightedExcludeMostRecentEvent")


class Summaries:
    def __init__(self, answers: StreamAnswers) -> None:
        self._answers = answers

    def add_routes(self, routes: Routes) -> None:
        routes.get("streams/{}/summary", self.summary)
        routes.get("streamsets/summary", self.summary_set)
        routes.get("streamsets/{}/summary", self.summary_set)

    def summary(self, request: Request, web_id: str) -> Answer:
        source = self._answers.catalogue.source(web_id)
        return reply(request, {"Links": {}, "Items": self._items(request, source)})

    def summary_set(self, request: Request, _: str = "") -> Answer:
        sources = self._answers.ordered(request)
        items = [self._answers.head(request, source) | {"Items": self._items(request, source)} for source in sources]
        return reply(request, {"Links": {}, "Items": items})

    def _items(self, request: Request, source: Source) -> list[dict[str, Any]]:
        stream, query = source.history(), request.query
        request.refuse_unmodelled("summaryDuration", "sampleType", "sampleInterval", "filterExpression")
        for given in query.all("summaryType") or ["Total"]:
            if given.lower() not in [name.lower() for name in _TYPES]:
                raise Refusal(400, f"The parameter 'summaryType' must be one of {', '.join(_TYPES)}, not '{given}'.")
            if given.lower() != "count":
                raise Refusal(400, f"The summary type '{given}' is not modelled by this simulator, only Count is.")
        basis = query.choice("calculationBasis", "TimeWeighted", _BASES)
        if basis not in ("TimeWeighted", "EventWeighted"):
            raise Refusal(400, f"The calculation basis '{basis}' is not modelled by this simulator.")
        time_type = query.choice("timeType", "Auto", ("Auto", "EarliestTime", "MostRecentTime"))
        start, end = times_of(request, source.span)
        first, last = min(start, end), max(start, end)
        count: int | float
        if basis == "EventWeighted":
            count = sum(event.good for event in stream.recorded(first, last))
        else:
            count = _good_seconds(stream, first, last)
        event = Event(last if time_type == "MostRecentTime" else first, count)
        fields = below(request.fields, "Items")
        if request.segments[0] == "streamsets":
            fields = below(fields, "Items")
        return [{"Type": "Count", "Value": msgspec.Raw(value_json(event, below(fields, "Value")))}]


def _good_seconds(stream: Readings, first: int, last: int) -> float:
    """Time weighted, Count is no number of events: it is the seconds for which a good value stood."""
    standing, since, good = stream.newest(first), first, 0
    for event in [*stream.recorded(first + 1, last), None]:
        until = last if event is None else event.ticks
        if standing is not None and standing.good:
            good += until - since
        standing, since = event, until
    return good / TICKS_PER_SECOND
