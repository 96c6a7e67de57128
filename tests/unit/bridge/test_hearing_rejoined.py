"""Channels that were split share one again, when all has been calm for a while."""

from bridge.hearing import Ear
from bridge.incarnation import Incarnation
from bridge.pitime import Moment
from tests.unit.bridge.world import config, covered, incarnation, moment

REJOIN_SECONDS = config().pi.channels.rejoin_seconds
HEARTBEAT = b'{"Items":[]}'


def later(seconds: float, begin: str = "10:00") -> Moment:
    now = moment(begin)
    return Moment(now.seconds + seconds, now.ticks + int(seconds * 10_000_000), now.micros + int(seconds * 1_000_000))


def split(*numbers: int) -> tuple[Incarnation, list[Ear]]:
    """A channel that was split to the last stream, of which each is heard since 10:00."""
    owner = incarnation(*numbers)
    for key in owner.points:
        owner.coverage[key] = covered("00:00", "09:00")
        owner.coverage[key].point_key = key
    waiting = owner.hearing.new_ears(moment("10:00"))
    while waiting:
        ear = waiting.pop()
        if len(ear.points) > 1:
            ear.lost("status 404", moment("10:00"), 404)
            owner.hearing.refused(ear, moment("10:00"))
            waiting += owner.hearing.new_ears(moment("10:00"))
    for ear in owner.hearing.ears:
        ear.opened(moment("10:00"))
        ear.message(HEARTBEAT, moment("10:00"))
    return owner, list(owner.hearing.ears)


def speak(owner: Incarnation, now: Moment) -> None:
    for ear in owner.hearing.ears:
        ear.message(HEARTBEAT, now)


def test_good_streams_of_a_channel_that_was_split_share_one_again_and_nothing_is_lost_meanwhile() -> None:
    owner, apart = split(1, 2, 3, 4)
    assert len(apart) == 4
    calm = later(REJOIN_SECONDS)
    speak(owner, later(REJOIN_SECONDS - 1))
    (joined,) = owner.hearing.new_ears(calm)
    assert {point.point_key for point in joined.points} == set(owner.points)
    assert owner.hearing.ears == [joined]
    assert all(ear.why_close(calm) for ear in apart)
    assert owner.hearing.heard_until(calm) == calm.ticks, "an incident says since when nobody hears"
    (told,) = owner.incidents.take_changed()
    assert (told["kind"], told["state"], told["from_time"] * 10) == ("CHANNELS_JOINED", "OPENED", later(REJOIN_SECONDS - 1).ticks)
    assert set(told["point_keys"]) == set(owner.points)
    for ear in apart:
        assert ear.lost("closed", calm)
        owner.hearing.refused(ear, calm)
    assert owner.hearing.ears == [joined]
    assert owner.incidents.take_changed() == []
    for coverage in owner.coverage.values():
        coverage.dirty.clear()
        coverage.blind = None
    joined.opened(calm)
    for coverage in owner.coverage.values():
        assert coverage.blind is not None
        assert coverage.dirty, "what came in between is read again"
        assert coverage.owes(told["incident_id"])
    assert [version["state"] for version in owner.incidents.take_changed()] == ["REPAIRED"]
    assert owner.hearing.new_ears(later(REJOIN_SECONDS + 1)) == []


def test_channels_that_were_heard_only_lately_or_do_not_speak_are_left_alone() -> None:
    owner, apart = split(1, 2, 3)
    apart[0].lost("closed", later(1))
    apart[1].lost("closed", later(REJOIN_SECONDS - 60))
    apart[1].opened(later(REJOIN_SECONDS - 30))
    speak(owner, later(REJOIN_SECONDS - 1))
    assert owner.hearing.new_ears(later(REJOIN_SECONDS)) == []
    assert len(owner.hearing.ears) == 3


def test_as_many_share_one_as_its_address_holds() -> None:
    owner = incarnation(*range(1, 41), settings=config(channels={"url_bytes": 512}))
    ears = owner.hearing.new_ears(moment("10:00"))
    for ear in ears:
        ear.opened(moment("10:00"))
        ear.message(HEARTBEAT, moment("10:00"))
    assert owner.hearing.new_ears(later(REJOIN_SECONDS)) == []
    assert owner.hearing.ears == ears, "full channels stay as they are"


def test_where_joining_is_refused_streams_are_split_again_and_it_is_tried_later_and_later() -> None:
    owner, _ = split(1, 2)
    calm = REJOIN_SECONDS
    (joined,) = owner.hearing.new_ears(later(calm))
    joined.lost("status 404", later(calm), 404)
    owner.hearing.refused(joined, later(calm))
    halves = owner.hearing.new_ears(later(calm))
    assert sorted(len(ear.points) for ear in halves) == [1, 1]
    for ear in halves:
        ear.opened(later(calm))
        ear.message(HEARTBEAT, later(calm))
    assert owner.hearing.new_ears(later(2 * calm)) == []
    speak(owner, later(3 * calm - 1))
    assert len(owner.hearing.new_ears(later(3 * calm + REJOIN_SECONDS))) == 1
