"""The order of a shard's steps, whatever fails between them."""

import pytest

from bridge import progress
from bridge.errors import NotReady
from bridge.pitime import Moment
from bridge.tenure import Act, Fencings, Patience, Tenure
from schemas.records import Progress
from tests.unit.bridge.world import at, config, moment, point_record, setting

NOW = moment("10:00")


def later(seconds: float) -> Moment:
    return NOW._replace(seconds=NOW.seconds + seconds)


def tenure() -> Tenure:
    made = Tenure(setting(config(session_timeout_seconds=10.0)), Fencings())
    made.point("main:1", point_record(1))
    made.points_known()
    return made


def acts(shard: Tenure, count: int, now: Moment = NOW) -> list[Act]:
    """So many steps, each of which succeeds at once."""
    done = []
    for _ in range(count):
        step = shard.next(now)
        done.append(step.act)
        match step.act:
            case Act.OPEN:
                shard.opened()
            case Act.READ:
                shard.progress_read(progress.left([], ()), now)
            case Act.COMMIT:
                shard.committed(now)
    return done


def test_fence_then_read_then_commit_the_epoch_then_work() -> None:
    assert acts(tenure(), 6) == [Act.OPEN, Act.READ, Act.COMMIT, Act.WORK, Act.WAIT, Act.WAIT]


def test_nothing_begins_before_all_points_are_known() -> None:
    shard = Tenure(setting(), Fencings())
    assert acts(shard, 2) == [Act.WAIT, Act.WAIT]
    shard.points_known()
    assert shard.next(NOW).act is Act.OPEN


def test_the_first_commit_holds_the_next_epoch() -> None:
    shard = tenure()
    acts(shard, 2)
    (record,) = shard.next(NOW).records
    assert record.value["shard"]["epoch"] == 1


def test_a_revoked_shard_rests_commits_what_was_gathered_closes_and_ends() -> None:
    shard = tenure()
    acts(shard, 4)
    shard.revoked()
    assert acts(shard, 5) == [Act.REST, Act.COMMIT, Act.CLOSE, Act.END, Act.END]
    assert shard.ended


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_lost_shard_commits_nothing_more_wherever_it_stands(steps: int) -> None:
    shard = tenure()
    acts(shard, steps)
    shard.lost()
    rest = acts(shard, 4)
    assert Act.COMMIT not in rest
    assert rest[-1] is Act.END


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_shard_that_is_revoked_before_it_was_taken_over_ends_without_a_commit(steps: int) -> None:
    shard = tenure()
    acts(shard, steps)
    shard.revoked()
    rest = acts(shard, 3)
    assert Act.COMMIT not in rest
    assert rest[-1] is Act.END


def test_after_an_unknown_outcome_it_closes_and_takes_over_anew_from_what_kafka_has() -> None:
    shard = tenure()
    acts(shard, 4)
    left: list[tuple[str, Progress | None]] = [("shard", shard.incarnation.state.record())] if shard.incarnation else []
    shard.failed(False, NOW)
    assert acts(shard, 3) == [Act.REST, Act.CLOSE, Act.WAIT]
    assert shard.incarnation is None
    assert shard.next(later(2.1)).act is Act.OPEN
    shard.opened()
    assert shard.next(later(2.2)).act is Act.READ
    shard.progress_read(progress.left(left, ()), later(2.3))
    assert shard.incarnation is not None
    assert shard.incarnation.state.epoch == 2


def test_one_that_was_fenced_waits_until_the_group_would_have_told_it_that_the_shard_is_lost() -> None:
    shard = tenure()
    acts(shard, 4)
    shard.failed(True, NOW)
    assert acts(shard, 2) == [Act.REST, Act.CLOSE]
    assert shard.next(later(9.9)).act is Act.WAIT
    assert shard.next(later(11.1)).act is Act.OPEN


def fenced_at(shard: Tenure, seconds: float) -> None:
    shard.failed(True, later(seconds))
    acts(shard, 2, later(seconds))


def test_a_shard_that_is_fenced_three_times_in_ten_minutes_while_the_group_gives_it_to_us_stops_the_process() -> None:
    shard = tenure()
    for round_ in range(2):
        acts(shard, 4, later(20.0 * round_))
        fenced_at(shard, 20.0 * round_ + 5)
    acts(shard, 4, later(40.0))
    fenced_at(shard, 45.0)
    with pytest.raises(NotReady, match="another deployment"):
        acts(shard, 2, later(60.0))


def test_a_process_that_lost_all_its_shards_at_once_may_go_on() -> None:
    fencings = Fencings()
    for number in range(12):
        fencings.add(number, 0.0)


def test_a_fencing_that_the_group_explains_does_not_count() -> None:
    shard = tenure()
    for _ in range(3):
        acts(shard, 4)
        shard.failed(True, NOW)
        shard.lost()
        assert acts(shard, 3)[-1] is Act.END
        shard = Tenure(setting(), shard._fencings)
        shard.points_known()
    assert shard.next(NOW).act is Act.OPEN


def test_every_owner_has_the_same_transactional_id() -> None:
    assert tenure().transactional_id == tenure().transactional_id == "pibridge.plant1.0"


def test_a_call_is_repeated_while_its_outcome_is_still_to_be_had_and_patience_lasts() -> None:
    patience = Patience(20.0, 100.0)
    assert patience.again(True, 119.0)
    assert not patience.again(False, 101.0)
    assert not patience.again(True, 121.0)


def test_the_points_of_the_inventory_are_those_in_scope() -> None:
    shard = tenure()
    acts(shard, 4)
    shard.point("main:2", point_record(2))
    shard.point("main:1", point_record(1, in_scope=False))
    shard.point("main:3", None)
    assert set(shard.points) == {"main:2"}
    assert shard.incarnation is not None
    assert shard.incarnation.points is shard.points


def test_a_sign_of_life_is_committed_although_nothing_else_happened() -> None:
    shard = tenure()
    acts(shard, 5)
    assert shard.next(later(9.0)).act is Act.WAIT
    step = shard.next(later(10.5)._replace(ticks=at("10:05")))
    assert step.act is Act.COMMIT
