"""The benchmark of the bridge: what it takes for the same values, and what it makes of its goals."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plant
from benchmarks.bridge import __main__ as command
from benchmarks.bridge import archive, channels, events
from benchmarks.bridge.children import batch_body, channel_messages
from benchmarks.bridge.ground import Void, milliseconds, spread
from bridge.frame import FrameBuilder, Limits, Stated, plain
from bridge.points import Point
from bridge.progress import ShardState
from bridge.ranges import Range
from bridge.regular import heard, samples_of
from proofs.evidence import Evidence
from schemas import records
from schemas.topics import TOPICS

LIMITS = Limits(0.1, 1000, 256_000)


def frames_of(messages: list[str]) -> list[Any]:
    """What the bridge makes of channel messages."""
    builder = FrameBuilder(ShardState(0, 1, epoch=1), "plant1", LIMITS)
    known = {sender.point.web_id: sender.point for sender in plant.senders()}
    for message in messages:
        for web_id, values in heard(message):
            point = known[web_id]
            builder.previews([(point, samples_of(values, point.point_type)[0])], "CHANNEL", 1, 0.0)
    return [plain(frame) for _, frame in builder.take(1, everything=True)]


@pytest.mark.parametrize("shape", [(100, 1), (100, 10), (1, 1)])
def test_the_values_of_frames_are_those_of_the_messages(shape: tuple[int, int]) -> None:
    messages = channel_messages(*shape, 3000)
    expected = events.of_messages(messages)
    assert expected.total() == 3000
    events.must_be(events.of_frames(frames_of(messages)), expected, "frames")


def test_messages_are_the_same_in_every_process_and_no_event_comes_twice() -> None:
    assert channel_messages(100, 1, 500) == channel_messages(100, 1, 500)
    assert max(events.of_messages(channel_messages(1, 1, 500)).values()) == 1


@pytest.mark.parametrize("field", ["event_time", "ticks", "value_double", "good", None])
def test_a_value_that_is_lost_doubled_or_changed_leaves_no_figure(field: str | None) -> None:
    messages = channel_messages(100, 1, 300)
    frames = frames_of(messages)
    samples = next(s["samples"] for s in frames[0]["series"] if s["samples"][0]["value_double"] is not None)
    if field is None:
        samples.append(samples[0])
    else:
        samples[0] = samples[0] | {field: not samples[0][field] if field == "good" else samples[0][field] + 1}
    with pytest.raises(Void, match="1 are too many"):
        events.must_be(events.of_frames(frames), events.of_messages(messages), "frames")
    with pytest.raises(Void, match="are missing"):
        events.must_be(Counter(), events.of_messages(messages), "frames")


def statements(of: list[records.Point], begin: int = plant.BEGIN) -> list[Any]:
    builder = FrameBuilder(ShardState(0, 1, epoch=1), "plant1", LIMITS)
    for record in of:
        builder.statement(Point.of(record), Stated(Range(begin, plant.END, []), plant.END, 1), True, None, 1, 0.0)
    return [plain(frame) for _, frame in builder.take(1, everything=True)]


def test_statements_have_to_cover_the_whole_range_with_the_digest_of_their_samples() -> None:
    of = channels.points(2)
    archive.must_be_stated(statements(of), of)
    with pytest.raises(Void, match="not stated from begin to end"):
        archive.must_be_stated(statements(of, plant.BEGIN + 1), of)
    with pytest.raises(Void, match="not stated from begin to end"):
        archive.must_be_stated(statements(of[:1]), of)
    wrong = statements(of)
    wrong[0]["series"][1]["statement"]["digest"] = 1
    with pytest.raises(Void, match="another digest"):
        archive.must_be_stated(wrong, of)


def test_a_canned_batch_holds_as_many_values_as_were_ordered() -> None:
    keys = [point["point_key"] for point in channels.points(200)]
    assert events.of_batch(batch_body(3), keys).total() == 600


def test_points_repeat_their_kinds_and_not_their_keys() -> None:
    of = channels.points(250)
    assert len({point["point_key"] for point in of}) == len({point["web_id"] for point in of}) == 250
    assert of[7]["point_type"] == of[207]["point_type"]
    assert {topic.dataset for topic in TOPICS} >= {"live", "history"}


def test_delays_are_told_in_milliseconds_and_none_at_all_is_no_figure() -> None:
    assert milliseconds(n / 1000 for n in range(1, 101)) == {"p50_ms": 51.0, "p99_ms": 100.0, "max_ms": 100.0}
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}
    with pytest.raises(Void):
        milliseconds([])


def test_a_goal_is_judged_where_its_part_has_a_result() -> None:
    calls = {"20 ms a call": {"seconds": {"median": 0.4, "min": 0.3, "max": 0.6}}}
    judged = command.BENCHMARK.judged({"calls": calls})
    assert judged == {"calls 20 ms a call seconds median": {"measured": 0.4, "goal": "at most 0.5", "met": True}}
    calls["20 ms a call"]["seconds"]["median"] = 0.6
    assert [goal["met"] for goal in command.BENCHMARK.judged({"calls": calls}).values()] == [False]
    assert command.BENCHMARK.judged({"calls": {"void": "lost"}}) == {}
    assert "NOT MET" in command.BENCHMARK.text_of({"calls": calls})


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["nonsense"])
    assert "no part nonsense" in capsys.readouterr().err


def test_a_part_that_has_a_result_for_the_commit_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = {"20 ms a call": {"seconds": {"median": 0.4, "min": 0.3, "max": 0.6}}}
    monkeypatch.setattr(command, "commit", lambda: "a" * 40)
    Evidence("bridge", "a" * 40, tmp_path).add("calls", calls)
    assert command.main(["calls", "--missing", "--json", "--output", str(tmp_path / "bridge.json")]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == calls
