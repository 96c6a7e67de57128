"""The processes that the simulator's benchmark starts: two clients that only count, and the peer."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

MARK = b'"Timestamp"'
"""Each value has one, and nothing else has."""
MAX_URL_BYTES = 16_000
HEADERS = {"Content-Type": "application/json", "X-Requested-With": "XmlHttpRequest"}
Json = dict[str, Any]


def call(url: str, order: Any = None) -> bytes:
    """The body of an answer. Raises RuntimeError for any status but 200 and 207."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=300)
    try:
        body = None if order is None else json.dumps(order)
        connection.request("GET" if order is None else "POST", url.removeprefix(f"http://{parts.netloc}"), body, HEADERS)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status not in (200, 207):
        raise RuntimeError(f"{url[:200]} answered {answer.status}: {text[:200]!r}")
    return text


async def count_channels() -> None:
    """The client: subscribes what the first line of its input names; answers each further line with the number of values so far."""
    import aiohttp

    lines = asyncio.Queue[str]()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: [loop.call_soon_threadsafe(lines.put_nowait, line) for line in sys.stdin], daemon=True).start()
    order = json.loads(await lines.get())
    values = 0

    async def listen(channel: aiohttp.ClientWebSocketResponse) -> None:
        nonlocal values
        async for message in channel:
            values += message.data.count(MARK.decode())

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
        urls = list(channel_urls(order["url"], order["web_ids"]))
        for url in urls:
            group.create_task(listen(await session.ws_connect(url, max_msg_size=0)))
        print(json.dumps({"channels": len(urls)}), flush=True)
        while True:
            await lines.get()
            print(json.dumps({"values": values}), flush=True)


def channel_urls(url: str, web_ids: Sequence[str]) -> Iterator[str]:
    """Channels for all points, each URL as long as http.sys lets it be (pi-web-api.md 3.5)."""
    start = f"{url}/streamsets/channel?heartbeatRate=10"
    most = (MAX_URL_BYTES - len(start)) // (len(web_ids[0]) + len("&webId="))
    for at in range(0, len(web_ids), most):
        yield start + "".join(f"&webId={web_id}" for web_id in web_ids[at : at + most])


def count_batches() -> None:
    """The client: posts the bodies of each order over two connections, and answers how many values came."""
    for line in sys.stdin:
        order = json.loads(line)
        waiting, counts = iter(order["bodies"]), list[int]()
        began = time.monotonic()

        def work(url: str = order["url"], waiting: Iterator[Json] = waiting, counts: list[int] = counts) -> None:
            counts.extend(call(url + "/batch", body).count(MARK) for body in waiting)

        threads = [threading.Thread(target=work) for _ in range(min(2, len(order["bodies"])))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(json.dumps({"values": sum(counts), "seconds": time.monotonic() - began}), flush=True)


def serve_with_json_dumps(options: list[str]) -> int:
    """The peer: a simulator that encodes recorded values as one would do it first."""
    from simulator import api, cli, streams
    from simulator.events import Event, State
    from simulator.pitime import format_ticks

    def plain(event: Event) -> Json:
        value = event.value
        return {
            "Timestamp": format_ticks(event.ticks),
            "Value": {"Name": value.name, "Value": value.value, "IsSystem": value.is_system} if isinstance(value, State) else value,
            "UnitsAbbreviation": "",
            "Good": event.good,
            "Questionable": event.questionable,
            "Substituted": event.substituted,
            "Annotated": event.annotated,
        }

    msgspec_encode: Callable[[Any], bytes] = vars(api)["_encode"]

    def encode(item: Any) -> bytes:
        try:
            return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
        except TypeError:
            return msgspec_encode(item)  # an answer with JSON in it that somebody else has written

    vars(streams)["values_json"] = lambda events, *_: [plain(event) for event in events]
    vars(api)["_encode"] = encode
    return cli.main(options)


def main(arguments: list[str]) -> int:
    match arguments[:1]:
        case ["serve-with-json-dumps"]:
            return serve_with_json_dumps(arguments[1:])
        case ["count-batches"]:
            count_batches()
            return 0
        case ["count-channels"]:
            asyncio.run(count_channels())
            return 0
    print("these are for benchmarks.simulator to start", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
