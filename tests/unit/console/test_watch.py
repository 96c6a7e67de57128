"""What a demo sees of Kafka: an error that lasts ends the watch, one that passes does not."""

import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from console import watch
from console.watch import KafkaWatch
from tests.unit.stream_processors.test_worker import CONFIG


class Reader:
    """A consumer that is told of one error after the other."""

    def __init__(self, *codes: int) -> None:
        self._codes = [*codes]
        self.closed = False

    def assign(self, places: Any) -> None: ...

    def poll(self, _: float) -> Any:
        if not self._codes:
            time.sleep(0.01)
            return None
        error = KafkaError(self._codes.pop(0))
        return type("Message", (), {"error": lambda _: error})()

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("code", "ends"), [(KafkaError.UNKNOWN_TOPIC_OR_PART, True), (KafkaError.LEADER_NOT_AVAILABLE, False)], ids=["lasts", "passes"]
)
def test_an_error_that_lasts_ends_the_watch_and_is_told(code: int, ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, codec = Reader(code), None
    monkeypatch.setattr(watch, "consumer", lambda *_: reader)
    watching = KafkaWatch(CONFIG, codec, 1.0)  # type: ignore[arg-type]
    watching.start()
    time.sleep(0.2)
    watching.stop()
    assert isinstance(watching.error, KafkaException) == ends
    assert reader.closed
