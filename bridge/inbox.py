"""The commands of the source as they come, for all shards of the process (design 3.3): read in a thread of its own, from the beginning.

Each shard knows the offset that it has come to, so the consumer keeps none; commands expire after days, so they are few.
"""

import asyncio
import threading
from bisect import bisect_left
from collections.abc import Callable
from typing import cast

import httpx2
import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition
from confluent_kafka.schema_registry.error import SchemaRegistryError

from bridge.kafka import Codec, consumer
from schemas.config import Config
from schemas.records import Command
from schemas.topics import COMMANDS
from schemas.wire import WireError

_NOT_FOUND = 404
_RETRY_SECONDS = 2.0
log = structlog.get_logger("bridge.inbox")


class Inbox:
    """Commands by offset, in order."""

    def __init__(self, config: Config, codec: Codec, failed: Callable[[Exception], None]) -> None:
        """`failed` is told, in the event loop that this is made in, what ended the reading."""
        self._config, self._codec, self._failed = config, codec, failed
        self._loop = asyncio.get_running_loop()
        self._commands: list[tuple[int, Command]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, soon."""
        self._stopping.set()

    def since(self, offset: int) -> list[tuple[int, Command]]:
        """The commands from an offset on, each with its own."""
        return self._commands[bisect_left(self._commands, offset, key=lambda entry: entry[0]) :]

    def _run(self) -> None:
        reader = consumer(self._config, f"{self._config.kafka.group_id}-reader", {})
        try:
            reader.assign([TopicPartition(COMMANDS.name(self._config.source), 0, OFFSET_BEGINNING)])
            while not self._stopping.is_set():
                if (message := reader.poll(0.5)) is not None:
                    self._take(message)
        except KafkaException as error:
            self._loop.call_soon_threadsafe(self._failed, error)
        finally:
            reader.close()

    def _take(self, message: Message) -> None:
        if (error := message.error()) is not None:
            if not error.retriable():
                raise KafkaException(error)
            return
        offset = cast(int, message.offset())
        try:
            command = self._decoded(message.value() or b"")
        except WireError as error:
            log.error("command not understood, and left out", offset=offset, reason=str(error))
        else:
            if command is not None:
                self._commands.append((offset, command))

    def _decoded(self, value: bytes) -> Command | None:
        """The command in a message's value, as soon as the registry answers; None if stopped meanwhile. Raises WireError."""
        while True:
            try:
                return cast(Command, self._codec.decode(COMMANDS, value))
            except SchemaRegistryError as error:
                if error.http_status_code == _NOT_FOUND:
                    raise WireError(f"it names a schema that the registry does not have: {error}") from error
                reason: Exception = error
            except httpx2.HTTPError as error:
                reason = error
            log.warning("command waits for the registry", reason=str(reason))
            if self._stopping.wait(_RETRY_SECONDS):
                return None
