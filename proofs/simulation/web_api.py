"""A model of PI Web API's answers: batches of reads, with everything that goes wrong on the way (pi-web-api.md 4 and 7)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridge import pitime
from proofs.simulation.clockwork import Clockwork
from proofs.simulation.plant import NO_DATA, Plant, PointModel, item_of

_RECORDED = re.compile(r".*/streams/(\w+)/recorded\?startTime=([^&]+)&endTime=([^&]+)&boundaryType=Inside&maxCount=(\d+)&.*")
_AT = re.compile(r".*/streams/(\w+)/recordedattime\?time=([^&]+)&retrievalMode=AtOrBefore&.*")
_VALUE = re.compile(r".*/streams/(\w+)/value\?.*")
SPOILING = {
    "refuse": 503, "too many": 429, "cut": 0, "inner": 500, "web exception": 500, "item errors": 500, "empty archive": 500,
    "no data": 500,
}  # fmt: skip
"""Ways to spoil an answer, and what the journal says of a read that met one: nobody was served."""
WHOLE = frozenset({"refuse", "too many", "cut"})


def nobody(point: PointModel, first: int, last: int, on_its_way_seconds: float) -> None:
    """Does not listen."""


@dataclass
class Answer:
    """What comes back: a status and a document, None if it broke off."""

    status: int
    document: Any
    retry_after_seconds: float | None = None


class WebApi:
    """Answers after a while; `faults` names what spoils answers now, with the share of them that it hits."""

    def __init__(self, clockwork: Clockwork, plant: Plant) -> None:
        self._clockwork, self._plant = clockwork, plant
        self.faults: dict[str, float] = {}
        self.offline_before = 0
        """Archive files with what is older are off-line (PI's ticks)."""
        self.slow_seconds = 0.0
        """Answers take up to so long."""
        self.answering: Callable[[PointModel, int], None] = lambda point, last: None
        """Is told of each range that is about to be read, and where it ends."""
        self.answered: Callable[[PointModel, int, int, float], None] = nobody
        """Is told of each range that was read, and how long the answer will be on its way."""
        self._asked = 0

    def _trip(self) -> float:
        slow = self._clockwork.chance.random() * self.slow_seconds if self._clockwork.likely(0.5) else 0.0
        return 0.01 + self._clockwork.chance.random() * 0.2 + slow

    def clock(self, told: Callable[[int | None], None]) -> None:
        """PI's time as of when it was asked; None if that failed."""
        failing = bool(WHOLE & self.faults.keys()) and self._clockwork.likely(0.5)

        def answer() -> None:
            ticks = None if failing else self._clockwork.ticks()
            self._clockwork.later(0.01 + self._clockwork.chance.random() * 0.3, lambda: told(ticks))

        self._clockwork.later(0.01, answer)

    def batch(self, addresses: Mapping[str, str], told: Callable[[Answer], None]) -> None:
        """The batch controller: everything is read at one moment, between the request's way and the answer's."""

        def answer() -> None:
            ranges = [
                (self._plant.by_web_id[match[1]], pitime.parse(match[2]), pitime.parse(match[3]))
                for match in filter(None, map(_RECORDED.fullmatch, addresses.values()))
            ]
            for point, _, last in ranges:
                self.answering(point, last)
            made, trip_seconds = self._answer(addresses), self._trip()
            self._clockwork.later(trip_seconds, lambda: told(made))
            for point, first, last in ranges:
                self.answered(point, first, last, trip_seconds)

        self._clockwork.later(self._trip(), answer)

    def _hit(self, names: Callable[[str], bool]) -> str | None:
        for name, share in self.faults.items():
            if names(name) and self._clockwork.likely(share):
                self._clockwork.tell(f"answer spoilt: {name}")
                return name
        return None

    def _answer(self, addresses: Mapping[str, str]) -> Answer:
        self._asked += 1
        whole = self._hit(lambda name: name in WHOLE)
        document = {key: self._entry(f"{self._asked}/{key}", address, whole) for key, address in addresses.items()}
        if whole == "refuse":
            return Answer(503, {"Errors": ["The service is unavailable."]})
        if whole == "too many":
            return Answer(429, {"Errors": ["Too many requests."]}, 1.0 + self._clockwork.chance.randrange(5))
        return Answer(207, None if whole == "cut" else document)

    def _entry(self, request: str, address: str, spoilt: str | None) -> dict[str, Any]:
        if match := _RECORDED.fullmatch(address):
            point, first, last, most = self._plant.by_web_id[match[1]], pitime.parse(match[2]), pitime.parse(match[3]), int(match[4])
            spoilt = spoilt or self._hit(lambda name: name not in WHOLE)
            if first < self.offline_before and spoilt is None:
                self._clockwork.tell("archive asked for while off-line")
                spoilt = "no data"
            return self._recorded(request, point, first, last, most, spoilt)
        spoilt = spoilt or self._hit(lambda name: name in ("inner", "web exception"))
        if match := _AT.fullmatch(address):
            point, at = self._plant.by_web_id[match[1]], pitime.parse(match[2])
            away = "empty archive" in self.faults or "no data" in self.faults
            event = None if away else point.at_or_before(at)
            event = None if event is not None and event.ticks < self.offline_before else event
            return self._single(request, point, at, event.item if event else item_of(at, NO_DATA), "recordedattime", spoilt, away)
        match = _VALUE.fullmatch(address)
        assert match is not None, address
        point, now = self._plant.by_web_id[match[1]], self._clockwork.ticks()
        item = point.snapshot.item if point.snapshot else item_of(now, NO_DATA)
        return self._single(request, point, now, item, "value", spoilt, False)

    def _single(
        self, request: str, point: PointModel, at: int, item: dict[str, Any], route: str, spoilt: str | None, away: bool
    ) -> dict[str, Any]:
        status = SPOILING[spoilt] if spoilt else 500 if away else 200
        shown = pitime.parse(item["Timestamp"])
        self._plant.journal("read", q=request, p=point.number, route=route, **{"from": at, "to": at}, max=1, count=1, status=status,
                            first=shown, last=shown)  # fmt: skip
        return _spoilt_entry(spoilt) if spoilt else {"Status": 200, "Content": dict(item)}

    def _recorded(self, request: str, point: PointModel, first: int, last: int, most: int, spoilt: str | None) -> dict[str, Any]:
        events = point.between(first, last)[:most]
        status = SPOILING[spoilt] if spoilt else 200
        ends = {"first": events[0].ticks if events else None, "last": events[-1].ticks if events else None}
        self._plant.journal("read", q=request, p=point.number, route="recorded", **{"from": first, "to": last}, max=most,
                            count=len(events), status=status, **ends)  # fmt: skip
        self._clockwork.happened["range reads served"] += not spoilt
        if len(events) == most:
            self._clockwork.happened["full pages"] += 1
        if not spoilt:
            return {"Status": 200, "Content": {"Items": [event.item.copy() for event in events]}}
        match spoilt:
            case "item errors":
                failed = item_of(self._clockwork.ticks(), None) | {"Good": False, "Errors": [{"FieldName": "Value", "Message": ["?"]}]}
                return {"Status": 200, "Content": {"Items": [failed]}}
            case "empty archive":
                return {"Status": 200, "Content": {"Items": []}}
            case "no data":
                return {"Status": 200, "Content": {"Items": [item_of(first, NO_DATA), item_of(last, NO_DATA)]}}
        return _spoilt_entry(spoilt)


def _spoilt_entry(spoilt: str) -> dict[str, Any]:
    if spoilt == "web exception":
        exception = {"Errors": ["Error occurred during writing of the output stream."], "StatusCode": 500}
        return {"Status": 200, "Content": {"Items": [], "WebException": exception}}
    return {"Status": SPOILING[spoilt] or 500, "Content": {"Errors": ["An error has occurred."]}}
