"""When a worker should be started anew, and when it does its work."""

from stream_processors.health import LOOP_SECONDS, STUCK_SECONDS, Health


def working() -> Health:
    health = Health()
    health.knows("Kafka")
    health.knows("registry")
    health.assigned = health.loaded = frozenset({0, 1})
    health.beat(1000.0)
    return health


def test_a_worker_that_works_is_alive_and_ready() -> None:
    assert (working().why_dead(1000.0), working().why_not_ready()) == ([], [])


def test_one_that_has_only_begun_is_alive_and_says_what_is_missing() -> None:
    assert Health().why_dead(9e9) == []
    assert Health().why_not_ready() == ["Kafka has not answered yet", "registry has not answered yet", "not a member of the group yet"]


def test_an_event_loop_that_stands_still_is_dead() -> None:
    assert working().why_dead(1000.0 + LOOP_SECONDS) == []
    assert working().why_dead(1012.0) == ["the event loop has stood still for 12 s"]


def test_frames_that_nobody_works_on_are_death_and_progress_is_life() -> None:
    health = working()
    health.waits("frames", 900.0)
    health.beat(900.0 + STUCK_SECONDS + 1)
    assert health.why_dead(900.0 + STUCK_SECONDS) == []
    assert health.why_dead(900.0 + STUCK_SECONDS + 1) == ["frames: nothing was done about it for 181 s"]
    health.waits("frames", 1080.0)
    assert health.why_dead(900.0 + STUCK_SECONDS + 1) == []
    health.waits("frames", None)
    assert health.why_dead(900.0 + STUCK_SECONDS + 1) == []


def test_nobody_is_dead_because_a_server_is_away_but_not_ready_either() -> None:
    health = working()
    health.waits("frames", 0.0)
    health.away["registry"] = "connection refused"
    assert health.why_dead(1000.0) == []
    assert health.why_not_ready() == ["registry does not answer: connection refused"]
    health.knows("registry")
    assert health.why_dead(1000.0) != []
    assert health.why_not_ready() == []


def test_shards_whose_state_was_not_read_yet_are_named() -> None:
    health = working()
    health.loaded = frozenset({1})
    assert health.why_not_ready() == ["state of shards not read yet: 0"]
