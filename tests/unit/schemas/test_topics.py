import pytest

from schemas import wire
from schemas.topics import (
    ASSESSMENTS,
    COMMANDS,
    HISTORY,
    INCIDENTS,
    JOBS,
    LATE,
    LIVE,
    OF_BRIDGE,
    OF_PROCESSORS,
    OF_STATE,
    POINTS,
    PROGRESS,
    QUALITY,
    RECORDED,
    SKEW,
    TOPICS,
    Topic,
)

DAY_MS = 86_400_000


def test_names_are_unique_and_every_topic_has_a_record_that_exists() -> None:
    names = [topic.name("plant1") for topic in TOPICS]
    assert len(set(names)) == len(names) == 13
    assert {topic.record for topic in TOPICS} == set(wire.RECORDS)


def test_name_and_subject_follow_source_and_dataset() -> None:
    assert LIVE.name("plant1") == "pi.plant1.live"
    assert LIVE.subject("plant1") == "pi.plant1.live-value"


def test_topics_whose_partition_is_the_shard_have_as_many_partitions_as_shards() -> None:
    assert {topic.dataset for topic in TOPICS if topic.sharded} == {"live", "recorded", "history", "points", "progress", "late"}
    assert all(topic.partition_count(24) == (24 if topic.sharded else topic.partitions) for topic in TOPICS)
    assert INCIDENTS.partition_count(24) == 1


@pytest.mark.parametrize(("topic", "days"), [(LIVE, 3), (RECORDED, 7), (HISTORY, 7)], ids=["live", "recorded", "history"])
def test_values_are_kept_for_days_and_not_compacted(topic: Topic, days: int) -> None:
    assert topic.settings == {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS)}


def test_what_says_how_things_stand_is_compacted_and_never_expires() -> None:
    for topic in (POINTS, INCIDENTS, PROGRESS):
        assert topic.settings["cleanup.policy"] == "compact"
        assert "retention.ms" not in topic.settings
    assert INCIDENTS.settings["min.compaction.lag.ms"] == str(30 * DAY_MS)
    assert PROGRESS.settings["min.cleanable.dirty.ratio"] == "0.1"


def test_an_assessment_in_which_all_points_of_a_shard_fail_finds_room() -> None:
    assert int(ASSESSMENTS.settings["max.message.bytes"]) >= 16 << 20


def test_commands_expire_and_what_became_of_them_does_not() -> None:
    assert COMMANDS.settings == {"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)}
    assert JOBS.settings == {"cleanup.policy": "compact"}
    assert (COMMANDS.partition_count(24), JOBS.partition_count(24)) == (1, 1)


def test_findings_expire_after_a_month_and_what_is_known_of_a_clock_does_not() -> None:
    for topic in (LATE, QUALITY):
        assert topic.settings == {"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS)}
    assert SKEW.settings == {"cleanup.policy": "compact"}
    assert [topic.partition_count(24) for topic in (LATE, SKEW, QUALITY, ASSESSMENTS)] == [24, 1, 3, 1]


def test_what_the_processors_remember_is_compacted_often_and_has_no_schema() -> None:
    assert [(topic.record, topic.partition_count(24)) for topic in OF_STATE] == [("", 24), ("", 1)]
    assert all(topic.settings == PROGRESS.settings for topic in OF_STATE)
    assert not [topic for topic in OF_STATE if topic in TOPICS]


def test_a_topic_is_the_bridges_or_the_processors() -> None:
    assert sorted(topic.dataset for topic in (*OF_BRIDGE, *OF_PROCESSORS)) == sorted(topic.dataset for topic in TOPICS)


def test_no_setting_says_how_a_topic_is_replicated() -> None:
    assert not any("replica" in key for topic in TOPICS for key in topic.settings)
