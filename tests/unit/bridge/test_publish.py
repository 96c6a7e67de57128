"""What a publisher says of a Kafka that is away, and who hears what librdkafka says of it."""

import asyncio
import contextlib
import gc
import threading

import pytest

from bridge import publish
from bridge.errors import ShardLost
from bridge.publish import Publisher
from schemas.config import Config
from tests.unit.bridge.world import config


def away() -> Config:
    settings = config()
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    return settings.model_copy(update={"kafka": kafka})


async def test_what_librdkafka_says_goes_to_our_log_while_a_call_is_tried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(publish, "_TRY_SECONDS", 0.5)
    publisher = Publisher(away(), "pibridge.plant1.0", patience_seconds=0.0)
    with pytest.raises(ShardLost, match="init_transactions failed"):
        await publisher.open()
    await publisher.close()
    assert any(record.name == "librdkafka" and "127.0.0.1:1" in record.getMessage() for record in caplog.records)
    assert capfd.readouterr().err == ""


async def test_a_failure_that_nobody_waits_for_any_more_is_not_logged_as_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    publisher, go = Publisher(away(), "pibridge.plant1.0", patience_seconds=0.0), threading.Event()

    def fails(_: object) -> None:
        go.wait(10)
        raise ShardLost("fenced", fenced=True)

    monkeypatch.setattr(publisher, "_commit", fails)
    commit = asyncio.create_task(publisher.commit([]))
    await asyncio.sleep(0)
    commit.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await commit
    go.set()
    await publisher.close()
    await asyncio.sleep(0)
    gc.collect()
    assert told == []
