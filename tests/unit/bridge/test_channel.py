"""A channel's socket against a server that sends what it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve

from bridge.channel import Channel
from bridge.piwebapi import PIWebAPI
from tests.unit.bridge import world
from tests.unit.bridge.plant import config_of
from tests.unit.bridge.test_auth import Attentive, present, until

HEARTBEAT = '{"Links":{},"Items":[]}'
Behaviour = Callable[[ServerConnection], Awaitable[None]]
SERVER_ID = "85bb49d6-f101-4807-baf9-57c2fbd33000"


@contextlib.asynccontextmanager
async def listening(
    directory: Path, behave: Callable[[ServerConnection], Awaitable[None]], silence_seconds: float
) -> AsyncIterator[Attentive]:
    """A channel to a server that behaves like this on each connection."""
    async with serve(behave, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        config = config_of(directory, f"http://127.0.0.1:{port}/piwebapi", SERVER_ID).pi
        pi, ear = PIWebAPI(config), Attentive(f"ws://127.0.0.1:{port}/piwebapi/streamsets/channel")
        ear._incarnation.config = world.config(channels={"silence_seconds": silence_seconds})
        keeping = asyncio.create_task(Channel(pi, config, ear, present).run())
        try:
            yield ear
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await pi.close()


async def test_a_channel_that_speaks_now_and_then_outlives_its_silence_many_times(tmp_path: Path) -> None:
    async def speak(socket: ServerConnection) -> None:
        while True:
            await asyncio.sleep(0.25)
            await socket.send(HEARTBEAT)

    async with listening(tmp_path, speak, 1.0) as ear:
        await until(lambda: ear.messages == 12)
        assert (ear.openings, ear.reasons) == (1, [])


async def test_a_channel_that_spoke_and_falls_silent_is_lost(tmp_path: Path) -> None:
    async def speak_once(socket: ServerConnection) -> None:
        await asyncio.sleep(0.3)
        await socket.send(HEARTBEAT)
        await socket.wait_closed()

    async with listening(tmp_path, speak_once, 0.5) as ear:
        await until(lambda: bool(ear.reasons))
        assert ear.messages == 1
        assert ear.reasons == ["no message and no heartbeat for 0.5 s"]


async def test_a_message_that_is_no_utf_8_is_a_dead_letter_and_the_channel_goes_on(tmp_path: Path) -> None:
    async def spoil_one(socket: ServerConnection) -> None:
        await socket.send(b'{"Items":[{"WebId":"\xff","Items":[]}]}', text=True)
        await socket.send(HEARTBEAT)
        await socket.wait_closed()

    async with listening(tmp_path, spoil_one, 30.0) as ear:
        await until(lambda: ear.messages == 2)
        assert (ear.openings, ear.reasons) == (1, [])
        (letter,) = ear._incarnation.dead_letters.take()
        assert b"\xff" in letter["content"]
