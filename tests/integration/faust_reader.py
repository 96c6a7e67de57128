"""`python -m tests.integration.faust_reader BOOTSTRAP TOPIC GROUP MENDS`: a Faust app that reads a topic until it says "end".

Prints what it read, as a JSON list. MENDS: `all`, or the name of one that is left out, `isolation` or `gaps`.
"""

import asyncio
import json
import sys
import tempfile
from typing import Any

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from stream_processors.committed import CommittedConsumer, CommittedTransport

COMMIT_SECONDS = 0.2


class WithoutIsolation(CommittedConsumer):
    def _new_consumer_thread(self) -> Any:
        return AIOKafkaConsumerThread(self, loop=self.loop, beacon=self.beacon)


class WithoutGaps(CommittedConsumer):
    _add_gap = Consumer._add_gap


def transport_of(mends: str) -> type[Transport]:
    consumer = {"all": CommittedConsumer, "isolation": WithoutIsolation, "gaps": WithoutGaps}[mends]
    return type("Chosen", (CommittedTransport,), {"Consumer": consumer})


async def read(bootstrap: str, topic: str, group: str, mends: str, directory: str) -> list[str]:
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        datadir=directory,
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_commit_interval=COMMIT_SECONDS,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
    )
    app.transport = transport_of(mends)(app.conf.broker_consumer, app)
    seen, ended = list[str](), asyncio.Event()

    @app.agent(app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="raw"))
    async def agent(stream: Any) -> None:
        async for value in stream:
            seen.append(value.decode())
            if value == b"end":
                ended.set()

    await app.start()
    async with asyncio.timeout(120):
        await ended.wait()
    await asyncio.sleep(10 * COMMIT_SECONDS)
    await app.stop()
    return seen


def main() -> int:
    bootstrap, topic, group, mends = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        seen = asyncio.run(read(bootstrap, topic, group, mends, directory))
    sys.stdout.write(json.dumps(seen) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
