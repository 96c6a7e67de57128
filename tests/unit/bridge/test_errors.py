import pytest

from bridge.errors import BridgeError, NotReady, PIRefused, PITooLarge, PIUnavailable, PIUnreadable, ShardLost, Unreachable
from bridge.wording import shown, written


def test_every_failure_is_one_of_the_bridge_and_none_is_another() -> None:
    kinds = (PIUnavailable, PIRefused, PIUnreadable, ShardLost, NotReady, Unreachable)
    for kind in kinds:
        assert issubclass(kind, BridgeError)
        assert not any(issubclass(kind, other) for other in kinds if other is not kind)


def test_what_a_caller_needs_beside_the_words_is_kept() -> None:
    assert PIUnavailable("busy", 7.0).retry_after_seconds == 7.0
    assert PIRefused("no", 404).status == 404
    assert PIUnreadable("odd", 5).ticks == 5
    assert ShardLost("gone", fenced=True).fenced
    assert not ShardLost("gone").fenced
    assert str(NotReady("topic x does not exist")) == "topic x does not exist"


LARGE_OR_ODD = {
    "list": list(range(10**6)),
    "text": "x" * 10**7,
    "object": {str(n): n for n in range(10**5)},
    "number": 10**5000,
    "bytes": b"\xff",
    "surrogate": "\ud800",
    "not a number": float("nan"),
}


@pytest.mark.parametrize("kind", LARGE_OR_ODD)
def test_whatever_pi_sent_is_shown_in_a_few_words(kind: str) -> None:
    words = shown(LARGE_OR_ODD[kind], 200)
    assert 0 < len(words) <= 200
    assert words.encode()


def test_what_is_nested_too_deep_to_be_written_is_told_of_in_a_few_bytes() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    assert written([1, {"a": None}]) == b'[1, {"a": null}]'
    assert b"too deep" in written(deep)
    assert 0 < len(shown(deep, 50)) <= 50


def test_what_is_too_large_is_unavailable_as_it_was_asked_for() -> None:
    assert issubclass(PITooLarge, PIUnavailable)
