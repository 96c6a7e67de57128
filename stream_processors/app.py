"""The main path of the processors: a Faust app that hands Kafka's messages to the worker, publishes what it says, and writes what it knows.

Messages are acknowledged when a checkpoint has them: what was said before is in Kafka, and then the state is. Until then they come again
after whatever happens, and the state's sequences tell which are new. The group shares out shards, which are partitions of `live`,
`recorded` and the state's changelog alike; whoever gets the one partition of `assessments` puts the shards together.
"""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError
from faust.types import TP

from runtime.port import Port, PortTaken
from schemas.config import Config
from schemas.topics import ASSESSMENTS, LIVE, OVERVIEW_STATE, RECORDED, SHARD_STATE, Topic
from stream_processors import kafka
from stream_processors.assess import Dataset
from stream_processors.codec import Codec, codec
from stream_processors.committed import CommittedConsumer, CommittedTransport
from stream_processors.context import Context
from stream_processors.errors import NotReady, Unavailable
from stream_processors.monitoring import Monitoring
from stream_processors.worker import TOPICS, Checkpoint, Output, Worker

log = structlog.get_logger("processors.app")
_TURN_SECONDS = 0.05
_FRAMES_A_TURN = 50
"""So many frames are judged before the event loop has its turn."""
_MOST_WAITING_BYTES = 64 << 20
_AGAIN_SECONDS = 2.0
_PRODUCE_SECONDS = 120.0
"""Messages are tried for so long while brokers are away; then the process ends, and what was not written is done again."""
_REQUEST_SECONDS = 40.0
_LARGEST_MESSAGE = 16 << 20
"""Before compression; an assessment in which all points of a shard fail is some megabytes, and a tenth of that compressed."""
_STOP_SECONDS = 20.0
_STOCK_SECONDS = 5.0


class Processors:
    """One process: the app, its worker, and what goes on between them."""

    def __init__(self, config: Config, opened: Codec, monitoring: Monitoring, directory: Path) -> None:
        self._config, self._codec, self._monitoring = config, opened, monitoring
        self._worker = Worker(config, opened, monitoring.metrics)
        self._context = Context(config, opened, self._worker)
        self._app = self._new_app(directory)
        self._shard_table = self._table("shards", SHARD_STATE, config.delivery.shards)
        self._overview_table = self._table("overview", OVERVIEW_STATE, 1)
        self._unsure: list[asyncio.Future[Any]] = []
        """Messages that were sent, and of which Kafka has not said that it has them."""
        self._taken: dict[TP, int] = {}
        """Offset of the last message that the worker has of each partition."""
        self._wake = asyncio.Event()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._revocations = 0
        self._saying, self._checkpointing = asyncio.Lock(), asyncio.Lock()
        """Held while something is judged and what came of it is sent; while a moment's state is written."""
        self._subscribe()

    # -- the app

    def _new_app(self, directory: Path) -> faust.App:
        config, processors = self._config, self._config.processors
        session = processors.session_timeout_seconds
        app = faust.App(
            f"{processors.group_id}.{config.source}",
            broker=kafka.brokers(config.kafka),
            broker_credentials=_credentials(kafka.login(config.kafka)),
            datadir=str(directory),
            store="memory://",
            autodiscover=False,
            web_enabled=False,
            topic_allow_declare=False,  # `pibridge topics apply` creates them
            topic_disable_leader=True,
            topic_partitions=config.delivery.shards,
            broker_session_timeout=session,
            broker_heartbeat_interval=session / 3,
            broker_rebalance_timeout=max(session, 5.0),
            broker_request_timeout=max(_REQUEST_SECONDS, session + 1),
            broker_commit_interval=0.5,
            stream_buffer_maxsize=_FRAMES_A_TURN,  # what waits is held by the worker, which counts its bytes
            table_standby_replicas=0,  # who takes a shard over reads its changelog; nobody keeps a second one of all
            stream_wait_empty=False,  # what was not acknowledged is read again
            stream_recovery_delay=0.0,
            producer_compression_type="lz4",
            producer_max_request_size=_LARGEST_MESSAGE,
            producer_request_timeout=_PRODUCE_SECONDS,
        )
        app.transport = CommittedTransport(app.conf.broker_consumer, app)
        return app

    def _table(self, name: str, topic: Topic, partitions: int) -> Any:
        """What Faust reads back of a changelog at each take-over."""
        changelog = self._app.topic(
            topic.name(self._config.source), key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw",
            partitions=partitions, acks=False, internal=True, allow_empty=True,
        )  # fmt: skip
        return self._app.Table(name, key_type=bytes, value_type=bytes, partitions=partitions, changelog_topic=changelog)

    def _subscribe(self) -> None:
        app, source = self._app, self._config.source
        raw: Any = {"key_type": bytes, "value_type": bytes, "value_serializer": "raw", "allow_empty": True}
        frames = app.topic(*(topic.name(source) for topic in TOPICS.values()), **raw)
        assessments = app.topic(ASSESSMENTS.name(source), **raw)
        app.agent(frames, name="frames")(self._agent(self._read_frames))
        app.agent(assessments, name="assessments")(self._agent(self._read_assessments))
        app.on_partitions_revoked.connect(self._revoked)
        app.on_rebalance_complete.connect(self._assigned)

    @property
    def _consumer(self) -> CommittedConsumer:
        return cast(CommittedConsumer, self._app.consumer)

    # -- shards come and go

    async def _revoked(self, *_: Any, **__: Any) -> None:
        """At each rebalance all shards are given back, and most of them come again: what was not written is judged again then."""
        self._revocations += 1
        try:
            async with asyncio.timeout(self._config.processors.session_timeout_seconds / 2), self._checkpointing:
                self._worker.forget()
        except TimeoutError:
            log.warning("shards are given back while their state is being written: it may have to be learnt anew")
            self._worker.forget()
        self._taken.clear()
        self._consumer.begin_again()
        self._context.follow(frozenset())
        self._monitoring.health.loaded = frozenset()

    async def _assigned(self, *_: Any, **__: Any) -> None:
        """The changelogs were read; streams begin when this returns."""
        source, consumer, revocations = self._config.source, self._consumer, self._revocations
        places = consumer.assignment()
        shards = frozenset(tp.partition for tp in places if tp.topic == LIVE.name(source))
        frames = [TP(topic.name(source), shard) for topic in (LIVE, RECORDED) for shard in sorted(shards)]
        begins = await consumer.earliest_offsets(*frames) if frames else {}
        ends = await consumer.highwaters(*frames) if frames else {}
        if revocations != self._revocations:
            return  # what was given is taken again: whoever has it now writes its state
        self._worker.forget()
        for shard in sorted(shards):
            places_of: dict[Dataset, TP] = {dataset: TP(topic.name(source), shard) for dataset, topic in TOPICS.items()}
            begin, end = ({dataset: offsets[tp] or 0 for dataset, tp in places_of.items()} for offsets in (begins, ends))
            self._worker.load(shard, _reader(self._shard_table), begin, end)
        if TP(ASSESSMENTS.name(source), 0) in places:
            self._worker.load_overview(_reader(self._overview_table))
        self._context.follow(shards)
        metrics, health = self._monitoring.metrics, self._monitoring.health
        metrics.rebalances.inc()
        metrics.shards_assigned.set(len(shards))
        health.assigned = shards
        log.info("shards taken over", shards=sorted(shards), overview=self._worker.oversees)

    # -- messages

    def _agent(self, read: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        """An agent whose end is that of the process: Faust would start another one, behind the message that ended it."""

        async def reading(stream: Any) -> None:
            try:
                await read(stream)
            except Exception as error:
                if not self._failure.done():
                    self._failure.set_exception(error)
                raise

        return reading

    async def _read_frames(self, stream: Any) -> None:
        datasets = {topic.name(self._config.source): dataset for dataset, topic in TOPICS.items()}
        async for event in stream.noack().events():
            message = event.message
            value = message.value or b""
            message.value = event.value = None
            if not await self._prepared(message, value, partial(self._worker.owns, message.partition)):
                continue
            self._worker.take(datasets[message.topic], message.partition, message.offset, value, message, time.monotonic())
            self._taken[message.tp] = message.offset
            self._wake.set()
            while self._worker.waiting_bytes() > _MOST_WAITING_BYTES:  # noqa: ASYNC110 - it changes with each frame
                await asyncio.sleep(_TURN_SECONDS)

    async def _read_assessments(self, stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            value = message.value or b""
            if await self._prepared(message, value, lambda: self._worker.oversees):
                async with self._saying:
                    await self._publish(self._worker.oversee(message.offset, value, message, _now()))

    async def _prepared(self, message: Any, value: bytes, owned: Callable[[], bool]) -> bool:
        """Waits until a message can be decoded; False if it is of an assignment that has ended, and comes again."""
        while message.generation_id == self._app.consumer_generation_id and not self._app.should_stop:
            schema_id = self._codec.lacks(value)
            if schema_id is None and owned():
                return True
            if schema_id is None:
                await asyncio.sleep(_TURN_SECONDS)
                continue
            try:
                await asyncio.to_thread(self._codec.learn, schema_id)
                self._monitoring.health.knows("registry")
            except Unavailable as error:
                self._monitoring.health.away["registry"] = str(error)
                log.warning("waiting for the registry", reason=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
        return False

    async def _work(self) -> None:
        """Judges what has come, turn by turn."""
        worker, more = self._worker, False
        while True:
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _TURN_SECONDS)
            self._wake.clear()
            more = False
            for shard in sorted(worker.shards):
                self._look_for_ends(shard)
                more |= await self._judge(shard)
                await asyncio.sleep(0)
            async with self._saying:
                await self._publish(worker.close_periods(_now(), time.monotonic()))
            self._monitoring.health.loaded = worker.informed_shards
            self._monitoring.health.waits("frames", worker.waiting_since())

    async def _judge(self, shard: int) -> bool:
        """Some frames of a shard; True if there may be more."""
        async with self._saying:
            for judged, outputs in enumerate(self._worker.work(shard, _now(), time.monotonic()), 1):
                await self._publish(outputs)
                if judged == _FRAMES_A_TURN:
                    return True
            return False

    def _look_for_ends(self, shard: int) -> None:
        for dataset, topic in TOPICS.items():
            tp = TP(topic.name(self._config.source), shard)
            ended = not self._app.rebalancing and self._consumer.read_to_end(tp, self._taken.get(tp, -1))
            self._worker.read_to_end(shard, dataset, ended, time.monotonic())

    async def _publish(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            key = None if output.key is None else output.key.encode()
            self._unsure.append(await self._sent(output.topic, key, output.value, output.partition))

    async def _sent(self, topic: Topic, key: bytes | None, value: bytes, partition: int | None) -> "asyncio.Future[Any]":
        """Sends a message; what tells when Kafka has it."""
        try:
            sent = await self._app.producer.send(topic.name(self._config.source), key, value, partition, None, None)
        except ProducerSendError as error:
            raise Unavailable(f"Kafka does not take what was found: {error}") from error
        return cast("asyncio.Future[Any]", sent)

    # -- what is remembered

    async def _write_states(self) -> None:
        while True:
            await asyncio.sleep(self._config.processors.state_seconds)
            await self.checkpoint()

    async def checkpoint(self) -> None:
        """Writes what has changed. Raises Unavailable if Kafka does not take it."""
        async with self._checkpointing:
            began = time.monotonic()
            self._monitoring.health.waits("state", began)
            for shard in sorted(self._worker.shards):
                await self._write(SHARD_STATE, shard, partial(self._worker.checkpoint, shard))
            await self._write(OVERVIEW_STATE, 0, self._worker.checkpoint_overview)
            self._monitoring.health.waits("state", None)
            self._monitoring.metrics.state_seconds.observe(time.monotonic() - began)

    async def _write(self, topic: Topic, partition: int, take: Callable[[], Checkpoint | None]) -> None:
        """What was said first, then the state that has it behind it, then Kafka may forget the messages."""
        async with self._saying:
            taken = take()
            said, self._unsure = self._unsure, []
        await self._delivered(said)
        if taken is None:
            return
        written = []
        for key, content in taken.written:
            written.append(await self._sent(topic, key.encode(), content, partition))
            self._monitoring.metrics.state_bytes.inc(len(content))
        await self._delivered(written)
        for message in taken.taken:
            message.ack(self._app.consumer)

    async def _delivered(self, messages: "list[asyncio.Future[Any]]") -> None:
        try:
            for sent in messages:
                await sent
        except KafkaError as error:
            raise Unavailable(f"Kafka does not take what was found: {error!r}; it is judged again at the next start") from error

    # -- from begin to end

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`, and then writes what it knows. Raises what ended it otherwise."""
        self._context.start()
        starting = asyncio.create_task(self._app.start())
        works = (self._work(), self._write_states(), self._take_stock(), self._app.wait_until_stopped())
        chores = [asyncio.create_task(work) for work in works]
        stopping = asyncio.create_task(stop.wait())
        waited = cast("list[asyncio.Future[Any]]", [stopping, self._failure, self._context.failure, *chores])
        try:
            await _first(waited, starting)
            if stop.is_set():
                await _in_time(self._write_and_commit(), "what is known was not written: it is judged again at the next start")
        finally:
            for task in (stopping, *chores):
                task.cancel()
            await asyncio.gather(stopping, *chores, return_exceptions=True)
            await self._context.stop()
            await _in_time(self._app.stop(), "Faust did not end")
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        if (reason := self._app.crash_reason) is not None:
            raise Unavailable(f"Faust ended: {reason!r}") from reason

    async def _write_and_commit(self) -> None:
        self._worker.rest()  # or what is said from now on is said again at the next start
        await self.checkpoint()
        if self._worker.shards:
            await self._app.consumer.commit()

    async def _take_stock(self) -> None:
        while True:
            self._worker.stock(_now())
            await asyncio.sleep(_STOCK_SECONDS)


async def _first(waited: list["asyncio.Future[Any]"], starting: "asyncio.Task[None]") -> None:
    """Waits for the first of these to end, or for the start to fail; raises its error."""
    pending: set[asyncio.Future[Any]] = {*waited, starting}
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if done - {starting}:
            return


async def _in_time(step: Awaitable[Any], otherwise: str) -> None:
    """A step of the way out, which must not last for ever."""
    try:
        await asyncio.wait_for(step, _STOP_SECONDS)
    except TimeoutError:
        log.warning(otherwise)


def _reader(table: Any) -> Callable[[str], bytes | None]:
    return lambda key: cast("bytes | None", table.data.get(key.encode()))


def _credentials(login: dict[str, Any]) -> Any:
    context = login.get("context")
    if "mechanism" in login:
        return faust.SASLCredentials(
            mechanism=login["mechanism"], username=login["username"], password=login["password"], ssl_context=context
        )
    return None if context is None else faust.SSLCredentials(context)


def _now() -> int:
    return time.time_ns() // 1000


async def run(config: Config, stop: asyncio.Event) -> None:
    """Runs the processors until `stop`. Raises NotReady where a person has to act, Unavailable if something does not answer."""
    monitoring = Monitoring()
    section = config.processors.monitoring
    try:
        port = nullcontext() if section is None else Port(section, monitoring)
    except PortTaken as error:
        raise NotReady(str(error)) from error
    with port, tempfile.TemporaryDirectory(prefix="pibridge-processors-") as directory:
        beating = asyncio.create_task(monitoring.beat())
        try:
            await asyncio.to_thread(kafka.check_topics, config)
            monitoring.health.knows("Kafka")
            opened = await asyncio.to_thread(codec, config)
            monitoring.health.knows("registry")
            with closing(opened):
                await Processors(config, opened, monitoring, Path(directory)).run(stop)
        finally:
            beating.cancel()
