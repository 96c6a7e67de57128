"""Faults at work: which are on, what they do to requests, channels, clocks and the plant. Every one is told to the journal."""

import gzip
import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import msgspec

from simulator import faults
from simulator.api import Answer, Refusal, Request
from simulator.collective import OtherMember
from simulator.faults import Fault, OfRequests
from simulator.journal import Journal
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Clock

if TYPE_CHECKING:
    from simulator.server import Running

_TEXTS = {
    401: "Authorization has been denied for this request.",
    403: "Access is denied.",
    404: "The requested object was not found.",
    429: "Rate limit was reached.",
    502: "The PI Data Archive cannot be reached.",
    503: "The service is unavailable.",
}
_HTML = b"<!DOCTYPE html><html><head><title>%d</title></head><body><h1>%d</h1><hr>proxy</body></html>"
CUT = 0
"""The fate of an answer nobody can have read whole."""
_F = TypeVar("_F", bound=OfRequests)


class ServerClock:
    """PI's clock: the machine's, unless a fault has moved it."""

    def __init__(self, true: Clock) -> None:
        self.true = true
        self._offset = 0
        self._drift = 0.0
        self._since = 0

    def __call__(self) -> int:
        now = self.true()
        return now + self._offset + round((now - self._since) * self._drift) if self._offset or self._drift else now

    def move(self, offset: float, drift: float) -> None:
        self._offset, self._drift, self._since = round(offset * TICKS_PER_SECOND), drift, self.true()


@dataclass(slots=True)
class Plan:
    """What happens to one request: a refusal in place of its answer, or what is done to the answer."""

    refusal: Answer | None = None
    fate: int = 200
    delay: float = 0.0
    cut_after: float | None = None
    blanks: int = 0
    compressed: bool = False
    foreign: str = ""


class Disorder:
    """The faults of one server. `true` is the machine's clock: a moved one must not move its own end."""

    def __init__(self, script: faults.Script, seed: int, true: Clock, journal: Journal | None) -> None:
        self._random = random.Random(seed if script.seed is None else script.seed)  # noqa: S311 - for disorder, not for secrets
        self._clock = true
        self._journal = journal
        self._other_member = OtherMember()
        self._started = true()
        self._script = sorted(script.faults, key=lambda fault: fault.at, reverse=True)
        self.on: list[tuple[Fault, int | None]] = []
        """The faults that last, and when each ends."""

    def advance(self, running: "Running") -> None:
        """Begins what the script has due, ends what is over."""
        now = self._clock()
        for fault, end in list(self.on):
            if end is not None and end <= now:
                self.end(fault, running)
        while self._script and self._started + self._script[-1].at * TICKS_PER_SECOND <= now:
            self.begin(self._script.pop(), running)

    def begin(self, fault: Fault, running: "Running") -> None:
        once = isinstance(fault, faults.ONCE)
        self._tell(fault, "once" if once else "on")
        if not once:
            self.on.append((fault, None if fault.lasts is None else self._clock() + round(fault.lasts * TICKS_PER_SECOND)))
        self._set(fault, running, begins=True)

    def end(self, fault: Fault, running: "Running") -> None:
        self.on = [(other, end) for other, end in self.on if other is not fault]
        self._set(fault, running, begins=False)
        self._tell(fault, "off")

    def end_all(self, word: str, running: "Running") -> int:
        """Ends the faults of that name, or every one if it is "all". How many."""
        ended = [fault for fault, _ in self.on if word in (fault.word, "all")]
        for fault in ended:
            self.end(fault, running)
        return len(ended)

    def _set(self, fault: Fault, running: "Running", *, begins: bool) -> None:
        channels, load = running.channels, running.load
        match fault:
            case faults.DropChannels():
                channels.abort(fault.count, fault.close_frame, fault.word)
            case faults.HalfOpen():
                channels.freeze() if begins else channels.thaw(fault.word)
            case faults.SilentStall():
                channels.line.stalled, channels.line.lost = begins, fault.lost
            case faults.LoseEvents():
                channels.line.lose_share = fault.share if begins else 0.0
            case faults.OversizeFrames():
                channels.line.blanks = fault.bytes if begins else 0
            case faults.HoldQueue() if begins:
                running.store.queue.held = True
            case faults.HoldQueue():
                running.store.queue.let_go()
            case faults.CollectiveSwitch() if begins:
                self._other_member.take_over(fault, running, self._random)
            case faults.CollectiveSwitch():
                self._other_member.catch_up(running)
            case faults.Clock():
                running.clock.move(fault.offset * begins, fault.drift * begins)
            case faults.InterfaceClock():
                load.set_clock(fault.interface, fault.offset * begins, fault.drift * begins)
            case faults.BufferInterface() if begins:
                load.buffer(fault.interface)
            case faults.BufferInterface():
                load.deliver(fault.interface, newest_first=fault.newest_first)
            case faults.LoseMarkers():
                running.updates.forget_all(fault.word)

    # Requests

    def plan(self, request: Request) -> Plan:
        plan = Plan()
        if not self.on:
            return plan
        for refuse in self._hits(faults.Refuse, request):
            plan.refusal, plan.fate = _refusal(refuse), refuse.status
            return plan
        for exception in self._hits(faults.WebException, request):
            plan.refusal, plan.fate = _web_exception(exception.status), exception.status
            return plan
        plan.delay = sum(slow.seconds for slow in self._hits(faults.Slow, request))
        for cut in self._hits(faults.Cut, request):
            plan.cut_after, plan.fate = cut.after, CUT
        for big in self._hits(faults.OversizeAnswers, request):
            plan.blanks, plan.compressed = big.bytes, big.compressed
        for fault, _ in self.on:
            if isinstance(fault, faults.ForeignNext):
                plan.foreign = fault.base
        return plan

    def inner(self, request: Request) -> Answer | None:
        """The refusal of one entry of a batch, if it meets with one; a `WebException` may stand in any response object (2.4)."""
        for exception in self._hits(faults.WebException, request):
            request.fate = exception.status
            return _web_exception(exception.status)
        for fault in self._hits(faults.RefuseInner, request):
            request.fate = fault.status
            return Refusal(fault.status, _TEXTS.get(fault.status, "An error has occurred.")).answer
        return None

    def item_fails(self, request: Request) -> bool:
        """Whether the stream that is about to be read is answered with an error value."""
        return bool(self.on) and any(True for _ in self._hits(faults.ItemErrors, request))

    def offline_before(self, now: int) -> tuple[int, bool] | None:
        """Before which time the archive cannot be read, and whether that is an error or only silence."""
        for fault, _ in self.on:
            if isinstance(fault, faults.ArchiveOffline):
                return now - round(fault.older_than * TICKS_PER_SECOND), fault.mode == "error"
        return None

    def _hits(self, kind: type[_F], request: Request) -> Iterable[_F]:
        for fault, _ in self.on:
            if isinstance(fault, kind) and fault.path in "/".join(request.segments) and self._random.random() < fault.share:
                self._tell(fault, "once", q=request.id)
                yield fault

    def _tell(self, fault: Fault, state: str, **more: str) -> None:
        if self._journal is not None:
            self._journal.fault(fault.word, state, more or fault.detail())


def spoil(answer: Answer, plan: Plan, base: str) -> Answer:
    """The answer with what `plan` does to its body."""
    body, headers = answer.body, dict(answer.headers)
    if plan.foreign:
        body = body.replace(b'"Next":"' + base.encode(), b'"Next":"' + plan.foreign.encode())
    if plan.compressed:
        # Members of a gzip file simply follow one another.
        body = _bomb(plan.blanks) + gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    elif plan.blanks:
        body = b" " * plan.blanks + body
    return Answer(answer.status, body, headers, answer.content_type)


@lru_cache(maxsize=2)
def _bomb(blanks: int) -> bytes:
    return gzip.compress(b" " * blanks, 6)


def _web_exception(status: int) -> Answer:
    body = {"WebException": {"Errors": ["Error occurred during writing of the output stream."], "StatusCode": status}}
    return Answer(200, msgspec.json.encode(body))


def _refusal(fault: faults.Refuse) -> Answer:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    if fault.status == 401:
        headers["WWW-Authenticate"] = "Negotiate"
    if fault.body == "html":
        return Answer(fault.status, _HTML % (fault.status, fault.status), headers, "text/html")
    if fault.body == "empty":
        return Answer(fault.status, b"", headers, "text/html")
    text = _TEXTS.get(fault.status, "An error has occurred.")
    return Refusal(fault.status, text, key="Message" if fault.status == 401 else "Errors", headers=headers).answer
