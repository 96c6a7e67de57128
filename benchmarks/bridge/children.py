"""The processes that this benchmark starts: a PI that sends canned bytes as fast as they are taken, and the naive bridge."""

import asyncio
import json
import random
import sys
import threading
from typing import Any

import msgspec
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve

from benchmarks import plant
from benchmarks.bridge import naive, probe

SEED = 5
MOST_MESSAGE_BYTES = 1 << 26
_WEB_ID_LENGTH = len(plant.senders()[0].point.web_id)


def channel_messages(streams: int, values: int, total: int) -> list[str]:
    """The messages of a shape, the same in every process."""
    return plant.messages(plant.senders(), streams, values, random.Random(SEED), total)


def batch_body(values: int) -> bytes:
    """The answer to a batch of 100 reads, the same in every process."""
    return plant.batch_answer(plant.senders(), random.Random(SEED), values)


def kind_of(resource: str) -> str:
    """The WebID of the first point of the kind that a read is about: those of further ones begin with it."""
    return resource.partition("/streams/")[2][:_WEB_ID_LENGTH]


def say(line: Any) -> None:
    print(json.dumps(line), flush=True)


def orders() -> "asyncio.Queue[Any]":
    """Lines of the standard input, as JSON, as they come."""
    lines = asyncio.Queue[Any]()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, json.loads(line))

    threading.Thread(target=read, daemon=True).start()
    return lines


async def feed_channels() -> None:
    """Serves channels. Each order is a shape: it is answered when the messages are made, and once more when every channel has got them."""
    sockets: set[ServerConnection] = set()

    async def keep(socket: ServerConnection) -> None:
        sockets.add(socket)
        await socket.wait_closed()
        sockets.discard(socket)

    async def send(socket: ServerConnection, messages: list[str]) -> None:
        for message in messages:
            await socket.send(message)

    made: dict[tuple[int, ...], list[str]] = {}
    async with serve(keep, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        say({"port": server.sockets[0].getsockname()[1]})
        lines = orders()
        while True:
            shape = tuple(await lines.get())
            if shape not in made:
                made = {shape: channel_messages(*shape)}
            say({"messages": len(made[shape]), "bytes": sum(map(len, made[shape]))})
            await lines.get()
            await asyncio.gather(*(send(socket, made[shape]) for socket in sockets))
            say({"channels": len(sockets)})


async def answer_batches() -> None:
    """Answers each read of a batch with the same bytes for points of the same kind.

    An order is the number of values a series; answers are held back until the next order.
    """
    answers, may_answer = dict[str, bytes](), asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        await may_answer.wait()
        parts = (b'"%s":%s' % (key.encode(), answers[kind_of(one["Resource"])]) for key, one in asked.items())
        return web.Response(status=207, body=b"{" + b",".join(parts) + b"}", content_type="application/json")

    application = web.Application(client_max_size=MOST_MESSAGE_BYTES)
    application.router.add_post("/piwebapi/batch", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    say({"port": runner.addresses[0][1]})
    lines = orders()
    while True:
        order = await lines.get()
        may_answer.clear()
        body = batch_body(order)
        by_number = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        answers.update((sender.point.web_id, bytes(by_number[str(sender.number)])) for sender in plant.senders())
        say({"bytes": len(body)})
        await lines.get()
        may_answer.set()
        say({"answers": True})


async def bridge_naively(settings: dict[str, Any]) -> None:
    """The naive bridge against a simulator, until its input ends."""
    listening = asyncio.create_task(naive.Bridge(**settings).listen_all())
    lines = orders()
    await asyncio.wait([listening, asyncio.create_task(lines.get())], return_when=asyncio.FIRST_COMPLETED)


def tell_delays(bootstrap_servers: str, topic: str, partitions: int) -> None:
    """Reads what is committed; each line of its input is answered with the delays since the last one."""
    asked = list[str]()
    threading.Thread(target=lambda: asked.extend(sys.stdin), daemon=True).start()
    say({"reads": topic})
    seen: list[float] = []
    for delays in probe.stamps(bootstrap_servers, topic, partitions):
        seen += delays
        if asked:
            asked.pop()
            say(seen)
            seen = []


def main(arguments: list[str]) -> int:
    match arguments[:1]:
        case ["feed-channels"]:
            asyncio.run(feed_channels())
        case ["answer-batches"]:
            asyncio.run(answer_batches())
        case ["tell-delays"]:
            tell_delays(arguments[1], arguments[2], int(arguments[3]))
        case ["bridge-naively"]:
            asyncio.run(bridge_naively(json.loads(arguments[1])))
        case _:
            print("these are for benchmarks.bridge to start", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
