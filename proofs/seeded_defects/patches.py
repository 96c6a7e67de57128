"""Defects, and the accidents of a scene, as functions that change a process before its command line starts. For proofs only."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from confluent_kafka import Producer

from bridge import batch, frame, normalise, pitime, publish, ranges, reads, shard
from bridge.coverage import PointCoverage
from bridge.errors import BridgeError
from bridge.pitime import Moment
from bridge.points import Point
from bridge.publish import Message, Publisher
from bridge.ranges import Page, Range
from bridge.rules import Read, Rules
from bridge.samples import Sample
from schemas.times import TICKS_PER_SECOND

FATAL_COMMITS = 12
"""In the scene of a crash the process dies in the transaction of this number that has statements, counted over its shards."""
TAKE_OVER_SECONDS = 6.0
"""In the scene of a stopped owner so much time passes between a successor's take-over and its first commit."""

Patch = Callable[[], None]
PATCHES: dict[str, Patch] = {}


def patch(function: Patch) -> Patch:
    """Registers a patch under its function's name, in words."""
    PATCHES[function.__name__.replace("_", " ")] = function
    return function


# -- reading -----------------------------------------------------------------------------------------------------------------------


@patch
def next_page_at_plus_one_tick() -> None:
    """A page that is cut counts to its last instant's end, and the next begins behind it (trap 23)."""

    def forward_answered(self: PointCoverage, read: Read, page: Page, sent: int, now: int, rules: Rules) -> list[Range]:
        answered = forward(self, read, page, sent, now, rules)
        if not page.cut or not page.samples or self.high != ranges.ticks_of(page.samples[-1]):
            return answered
        self.high += 1
        return ranges.cut_around(read.begin, self.high, page)

    def reread(self: reads.Reads, task: reads.Task, page: Page, last: int, sent: reads.Sent, now: Moment) -> None:
        again(self, task, page, last + page.cut, sent, now)

    forward, again = PointCoverage.forward_answered, reads.Reads._reread
    _set(PointCoverage, "forward_answered", forward_answered)
    _set(reads.Reads, "_reread", reread)


@patch
def to_is_now() -> None:
    """A forward read covers up to the moment it was sent, not to its newest item (trap 25)."""

    def forward_answered(self: PointCoverage, read: Read, page: Page, sent: int, now: int, rules: Rules) -> list[Range]:
        answered = forward(self, read, page, sent, now, rules)
        if page.cut or self.high is None:
            return answered
        self.high = max(self.high, sent)
        return ranges.cut_around(read.begin, self.high, page)

    forward = PointCoverage.forward_answered
    _set(PointCoverage, "forward_answered", forward_answered)


@patch
def a_reread_ends_at_its_newest_item() -> None:
    """What a range has lost at its end is not seen."""

    def reread_answered(
        self: PointCoverage, read: Read, pages: list[tuple[int, int, Page]], sent: int, rules: Rules, page_values: int
    ) -> list[list[Range]]:
        *whole, (begin, _, page) = pages
        newest = max([*map(ranges.ticks_of, page.samples), *page.unreadable], default=begin)
        return again(self, read, [*whole, (begin, newest + bool(page.samples), page)], sent, rules, page_values)

    again = PointCoverage.reread_answered
    _set(PointCoverage, "reread_answered", reread_answered)


@patch
def as_of_clock_at_the_answer() -> None:
    """A statement overrules what was heard while its answer was on the way."""

    def answered(self: reads.Reads, task: reads.Task, contents: list[Any], sent: reads.Sent, now: Moment) -> None:
        take(self, task, contents, sent._replace(clock=self._owner.state.take_clock()), now)

    take = reads.Reads._answered
    _set(reads.Reads, "_answered", answered)


@patch
def a_clock_used_twice() -> None:
    """A request only looks at the clock, and the next request or frame has the same one."""

    def next_(self: reads.Reads, now: Moment) -> reads.Batch | None:
        count = self._owner.state.count
        asked = take(self, now)
        self._owner.state.count = count
        return asked

    take = reads.Reads.next
    _set(reads.Reads, "next", next_)


@patch
def web_exception_ignored() -> None:
    """200 is taken for a success whatever the body says (trap 6)."""

    def failure_of(status: int, content: Any, what: str, retry_after_seconds: float | None = None) -> BridgeError | None:
        if status == 200 and isinstance(content, dict) and content.pop("WebException", None) is not None:
            content["Items"] = []
        return judge(status, content, what, retry_after_seconds)

    judge = batch.failure_of
    _set(batch, "failure_of", failure_of)


@patch
def item_errors_ignored() -> None:
    """A value that carries `Errors` is taken for a value."""

    def page_of(content: Any, *more: Any) -> tuple[Page, list[normalise.Unreadable]]:
        items = content.get("Items") if isinstance(content, dict) else None
        for item in items or []:
            if isinstance(item, dict):
                item.pop("Errors", None)
        return understand(content, *more)

    understand = batch.page_of
    _set(batch, "page_of", page_of)


# -- values ------------------------------------------------------------------------------------------------------------------------


@patch
def microsecond_truncation() -> None:
    """The last digit of PI's 100 ns stamps is cut off (trap 16)."""

    def parse(text: object) -> int:
        ticks = exact(text)
        return ticks - ticks % 10

    exact = pitime.parse
    _set_parse(parse)


@patch
def identity_without_ordinal() -> None:
    """Of several events at one instant one is kept (trap 20)."""

    def statement(self: frame.FrameBuilder, point: Point, stated: frame.Stated, *more: Any) -> None:
        one = {ranges.ticks_of(sample): sample for sample in reversed(stated.range.samples)}
        kept = sorted(one.values(), key=ranges.ticks_of)
        add(self, point, stated._replace(range=stated.range._replace(samples=kept)), *more)

    add = frame.FrameBuilder.statement
    _set(frame.FrameBuilder, "statement", statement)


@patch
def statement_cut_inside_an_instant() -> None:
    """Where a statement is too long for a frame, it is cut between any two samples."""

    def pieces_of(stated: Range, size_bytes: int) -> Iterator[Range]:
        begin, samples, size = stated.begin, list[Sample](), 0
        for sample in stated.samples:
            more = sample.shape.size_bytes
            if samples and size + more > size_bytes:
                at = ranges.ticks_of(sample)
                yield Range(begin, max(at, ranges.ticks_of(samples[-1]) + 1), samples)
                begin, samples, size = at, [], 0
            samples.append(sample)
            size += more
        yield Range(begin, stated.end, samples)

    _set(frame, "pieces_of", pieces_of)


@patch
def local_time_over_the_end_of_summer_time() -> None:
    """Time strings go through the machine's local time, in which an hour of the year is there twice (trap 28)."""

    def parse(text: object) -> int:
        seconds, rest = divmod(utc(text), TICKS_PER_SECOND)
        local = datetime.fromtimestamp(seconds)  # noqa: DTZ006 - the defect
        return int(local.replace(fold=0).timestamp()) * TICKS_PER_SECOND + rest

    utc = pitime.parse
    _set_parse(parse)


def _set_parse(parse: Callable[[object], int]) -> None:
    _set(pitime, "parse", parse)
    _set(pitime, "parse_all", lambda texts: [parse(text) for text in texts])


# -- transactions ------------------------------------------------------------------------------------------------------------------


@patch
def dies_in_a_transaction() -> None:
    """No defect: the process is killed when its messages are with Kafka and before they are committed."""
    _die(_acknowledged)


@patch
def progress_committed_before_data() -> None:
    """Progress in a transaction of its own, first; then the process dies."""
    _die(lambda producer, messages: _commit_whole(producer, _progress(messages, True)))


@patch
def data_and_progress_in_two_transactions() -> None:
    """Data in a transaction of its own; then the process dies."""
    _die(lambda producer, messages: _commit_whole(producer, _progress(messages, False)))


Step = Callable[[Producer, Sequence[Message]], Any]


def _die(last: Step) -> None:
    """The process ends with `last` in place of a commit."""

    def die(producer: Producer, messages: Sequence[Message]) -> None:
        last(producer, messages)
        os._exit(1)

    _in_one_transaction(die)


def _in_one_transaction(step: Step) -> None:
    """Commits as usual, but for one transaction that has statements, when there were enough before."""
    seen: list[int] = []

    def commit(self: Publisher, messages: Sequence[Message]) -> None:
        producer = self._producer
        assert producer is not None
        stated = any(message.topic.endswith(".recorded") for message in messages)
        if stated:
            seen.append(1)
        if stated and len(seen) == FATAL_COMMITS:
            step(producer, messages)
        else:
            usual(self, messages)

    usual = Publisher._commit
    _set(Publisher, "_commit", commit)


@patch
def stops_in_a_transaction() -> None:
    """No defect: the process stands still when its messages are with Kafka, and commits them when it wakes."""

    def stop(producer: Producer, messages: Sequence[Message]) -> None:
        _acknowledged(producer, messages)
        shard.log.info("stands still")
        os.kill(os.getpid(), signal.SIGSTOP)
        producer.commit_transaction(30)

    _in_one_transaction(stop)


def _acknowledged(producer: Producer, messages: Sequence[Message]) -> None:
    _begin(producer, messages)
    producer.flush(10)


def _progress(messages: Sequence[Message], wanted: bool) -> list[Message]:
    return [message for message in messages if message.topic.endswith(".progress") == wanted]


def _begin(producer: Producer, messages: Sequence[Message]) -> None:
    producer.begin_transaction()
    for message in messages:
        partition = publish.PARTITION_UA if message.partition is None else message.partition
        producer.produce(message.topic, value=message.value, key=message.key, partition=partition)


def _commit_whole(producer: Producer, messages: Sequence[Message]) -> None:
    _begin(producer, messages)
    producer.commit_transaction(30)


@patch
def a_slow_take_over() -> None:
    """No defect: a new owner takes its time between reading progress and its first commit."""

    async def read(self: shard.OwnedShard) -> None:
        await usual(self)
        shard.log.info("progress read", shard=self.tenure.number)
        await asyncio.sleep(TAKE_OVER_SECONDS)

    usual = shard.OwnedShard._read
    _set(shard.OwnedShard, "_read", read)


@patch
def progress_read_before_fencing() -> None:
    """The slow new owner fences the old one when it commits, not before it reads progress."""
    a_slow_take_over()

    async def open_(self: Publisher) -> None:
        self.__dict__["commit"] = _opening(self, opened)

    opened = Publisher.open
    _set(Publisher, "open", open_)


def _opening(
    publisher: Publisher, opened: Callable[[Publisher], Awaitable[None]]
) -> Callable[[Sequence[Message]], Coroutine[Any, Any, None]]:
    async def commit(messages: Sequence[Message]) -> None:
        await opened(publisher)
        del publisher.__dict__["commit"]
        await publisher.commit(messages)

    return commit


# -- the job -----------------------------------------------------------------------------------------------------------------------


@patch
def spark_reads_uncommitted() -> None:
    """The job lands what was never committed, and follows no sequences: what was aborted repeats some."""
    _source_option("kafka.isolation.level", "read_uncommitted")
    the_job_follows_no_sequences()


@patch
def spark_does_not_fail_on_data_loss() -> None:
    """The job goes on where Kafka no longer has what it was to land next, and tells nobody."""
    from spark_jobs import run

    _source_option("failOnDataLoss", "false")
    _set(run, "_pass_losses", lambda *_: False)
    the_job_follows_no_sequences()


@patch
def the_job_follows_no_sequences() -> None:
    """No defect of the bridge: the job lands what it would refuse, so that the verifier can judge it."""
    from spark_jobs import sequences

    follow = sequences.follow
    _set(sequences, "follow", lambda before, seen: sequences.Followed(follow(before, seen).expected))


def _source_option(name: str, value: str) -> None:
    from spark_jobs import kafka

    options = kafka.source_options
    _set(kafka, "source_options", lambda settings: options(settings) | {name: value})


_changed: list[tuple[Any, str, Any]] = []


def _set(owner: Any, name: str, value: Any) -> None:
    assert hasattr(owner, name), f"{owner.__name__} has no {name} any more: the patch changes nothing"
    _changed.append((owner, name, vars(owner)[name]))
    setattr(owner, name, value)


@contextmanager
def applied(change: Patch) -> Iterator[None]:
    """A patch for a while."""
    before = len(_changed)
    try:
        change()
        yield
    finally:
        while len(_changed) > before:
            setattr(*_changed.pop())
