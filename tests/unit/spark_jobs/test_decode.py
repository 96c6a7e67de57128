"""What a decoder asks of the registry before anything is decoded."""

from typing import cast

import pytest

from schemas import topics, wire
from spark_jobs.decode import Decoder
from spark_jobs.errors import Misconfigured
from spark_jobs.registry import Definition, Registry


class Registered:
    """A registry that has some subjects."""

    def __init__(self, subjects: dict[str, str]) -> None:
        self._subjects = subjects

    def newest(self, subject: str) -> Definition | None:
        record = self._subjects.get(subject)
        return None if record is None else Definition(len(subject), wire.RECORDS[record], wire.schema_text(record))


def decoder(*without: topics.Topic) -> Decoder:
    subjects = {topic.subject("p"): topic.record for topic in topics.TOPICS if topic not in without}
    return Decoder(cast(Registry, Registered(subjects)), "p")


def test_a_registry_that_lost_the_schema_of_frames_ends_the_job_before_all_of_them_are_set_aside() -> None:
    for topic in (topics.LIVE, topics.RECORDED, topics.HISTORY):
        with pytest.raises(Misconfigured, match=rf"no schema under {topic.subject('p')}: if it had, .* run: pibridge schemas register"):
            decoder(topic)


def test_other_records_may_come_later() -> None:
    assert decoder(topics.SKEW).definitions["skew"] == wire.raw_schema("skew")
