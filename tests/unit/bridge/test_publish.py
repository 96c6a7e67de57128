"""What a publisher says of a Kafka that is away, and who hears what librdkafka says of it."""

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
