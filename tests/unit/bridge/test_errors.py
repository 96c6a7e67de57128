from bridge.errors import BridgeError, NotReady, PIRefused, PIUnavailable, PIUnreadable, ShardLost, Unreachable


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
