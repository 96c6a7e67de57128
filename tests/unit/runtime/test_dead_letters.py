from typing import Any, cast

import pytest

from runtime.dead_letters import MAX_CONTENT_BYTES, MAX_REASON_BYTES, DeadLetters
from schemas import wire
from schemas.records import DeadLetter


@pytest.fixture
def letters() -> DeadLetters:
    return DeadLetters("plant1")


def sent(letter: DeadLetter) -> dict[str, Any]:
    """The letter as its reader gets it."""
    _, body = wire.split(wire.encode(1, wire.schema("dead_letter"), cast(dict[str, Any], letter)))
    return wire.decode(body, wire.schema("dead_letter"))


def test_a_letter_tells_what_where_and_why(letters: DeadLetters) -> None:
    assert letters.add("READ", "a boolean", b"true", 7, "main:1", 123)
    (letter,) = letters.take()
    assert (letter["stage"], letter["reason"], letter["content"], letter["point_key"]) == ("READ", "a boolean", b"true", "main:1")
    assert (letter["event_time"], letter["received_time"], letter["content_bytes"]) == (12, 7, 4)
    assert sent(letter) == letter


def test_what_came_out_of_kafka_says_where_it_lies(letters: DeadLetters) -> None:
    letters.add("PROCESS", "garbage", b"x", 7, place=("pi.plant1.live", 3, 4711))
    (letter,) = letters.take()
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("pi.plant1.live", 3, 4711)
    assert sent(letter) == letter


def test_the_same_content_of_the_same_point_is_set_aside_once(letters: DeadLetters) -> None:
    assert letters.add("READ", "why", b"x", 1, "main:1")
    assert not letters.add("READ", "why", b"x", 2, "main:1")
    assert letters.add("READ", "why", b"x", 3, "main:2")
    assert letters.add("READ", "why", b"y", 4, "main:1")
    assert [letter["received_time"] for letter in letters.take()] == [1, 3, 4]
    assert not letters.add("READ", "why", b"x", 5, "main:1")
    assert letters.empty


def test_a_long_content_is_cut_and_its_length_and_hash_are_of_the_whole(letters: DeadLetters) -> None:
    one, other = b"a" * (MAX_CONTENT_BYTES + 1), b"a" * (MAX_CONTENT_BYTES + 2)
    assert letters.add("CHANNEL", "why", one, 1)
    assert letters.add("CHANNEL", "why", other, 1)
    first, second = letters.take()
    assert len(first["content"]) == len(second["content"]) == MAX_CONTENT_BYTES
    assert (first["content_bytes"], second["content_bytes"]) == (MAX_CONTENT_BYTES + 1, MAX_CONTENT_BYTES + 2)
    assert first["content_hash"] != second["content_hash"]


@pytest.mark.parametrize("reason", ["\ud800", "x" * 10**6, "ä" * 10**6, "\ud800" * 10**5], ids=["surrogate", "long", "wide", "both"])
def test_a_reason_that_quotes_what_was_refused_can_still_be_written(letters: DeadLetters, reason: str) -> None:
    letters.add("CHANNEL", f'stream "{reason}" is unknown', b"x", 1)
    (letter,) = letters.take()
    assert letter["reason"].startswith('stream "')
    assert len(sent(letter)["reason"].encode()) <= MAX_REASON_BYTES


def test_memory_of_what_was_set_aside_is_bounded_and_forgets_the_oldest(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.dead_letters._REMEMBERED", 3)
    for content in (b"1", b"2", b"3"):
        assert letters.add("READ", "why", content, 1)
    assert not letters.add("READ", "why", b"1", 1)  # asked again: it is the youngest now
    assert letters.add("READ", "why", b"4", 1)
    assert not letters.add("READ", "why", b"1", 1)
    assert letters.add("READ", "why", b"2", 1)
