"""What a value costs on its way through the bridge, step by step, beside the obvious way to do the same.

`python -m benchmarks.fast_path [--json] [--output FILE] [--repetitions N]` prints microseconds of CPU per value, and values per second:
median and range over the repetitions, in each of which both ways run one after the other. What both make is compared first: a step that
makes something else has no figure, and the exit code is 1. The live path is from a channel message to encoded frames, the read path from a
batch answer to encoded frames of statements with their digests.

The values are those of `benchmarks.plant`.
"""

import argparse
import gc
import io
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, cast

import fastavro
import msgspec
import xxhash

from benchmarks.plant import BEGIN, END, POINTS, batch_answer, messages, senders
from bridge import batch, digests, normalise, regular
from bridge.frame import Frame, FrameBuilder, Limits, Stated, plain
from bridge.frame_encoder import FrameEncoder
from bridge.points import Point
from bridge.progress import ShardState
from bridge.ranges import Range
from bridge.samples import Sample, record_of
from schemas import digest, records, wire
from schemas.records import Series, ValueFrame

READ_VALUES, LIVE_VALUES = 1000, 10_000
LIMITS = Limits(0.1, 1000, 256_000)
SCHEMA = wire.schema("value_frame")
Streams = list[tuple[int, Any]]
"""Number of a point, and values of it."""
Shape = tuple[int, int]
"""Streams in a channel message, and values of each."""
Take = Callable[[int, list[Sample]], None]
"""Takes the samples of the point with this number."""


class Figures(NamedTuple):
    """Microseconds per value."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, micros: list[float]) -> "Figures":
        return cls(statistics.median(micros), min(micros), max(micros))


class Step(NamedTuple):
    """The same work done in two ways, and how to tell that it is the same."""

    name: str
    shape: str
    values: int
    ours: Callable[[], Any]
    peer: Callable[[], Any]
    peer_name: str
    same: Callable[[Any, Any], bool]


class Result(NamedTuple):
    step: Step
    ours: Figures
    peer: Figures
    times_faster: float


# -- the obvious way


def avro(frame: ValueFrame) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, SCHEMA, cast(dict[str, Any], frame))
    return out.getvalue()


def digest_by_sample(samples: Iterable[records.Sample]) -> int:
    total = digest.EMPTY
    for sample in samples:
        h = digest.hash_of(sample)
        total = digest.add(total, h & 0xFFFFFFFF | h >> 33 << 32)
    return total


def items_of_batch(body: bytes) -> Streams:
    return [(int(key), answer["Content"]["Items"]) for key, answer in json.loads(body).items()]


# -- the steps


def _records(samples: list[Sample]) -> list[records.Sample]:
    return list(map(record_of, samples))


class Bench:
    """Inputs of all steps, made once, and the steps."""

    def __init__(self) -> None:
        chance = random.Random(5)
        of = senders()
        self.points = [sender.point for sender in of]
        self.by_web_id = {point.web_id: number for number, point in enumerate(self.points)}
        self.body = batch_answer(of, chance, READ_VALUES)
        self.resources = {str(n): batch.recorded("https://pi/piwebapi", p.web_id, BEGIN, END, 5000) for n, p in enumerate(self.points)}
        self.messages = {shape: messages(of, *shape, chance, LIVE_VALUES) for shape in ((100, 1), (100, 10), (1, 1))}
        self.encoder = FrameEncoder(SCHEMA)

    def hear(self, shape: Shape, take: Take) -> None:
        """Message by message, as they come."""
        for body in self.messages[shape]:
            for web_id, values in regular.heard(body):
                number = self.by_web_id[web_id]
                take(number, regular.samples_of(values, self.points[number].point_type)[0])

    def hear_plain(self, shape: Shape, take: Take) -> None:
        for body in self.messages[shape]:
            for web_id, items in normalise.channel_message(json.loads(body)):
                number = self.by_web_id[web_id]
                take(number, normalise.samples_of(items, self.points[number].point_type)[0])

    def answered(self) -> Streams:
        return [(int(key), values) for key, values in batch.contents(batch.parse(self.body), self.resources).items()]

    def sampled(self, streams: Streams) -> list[tuple[int, list[Sample]]]:
        return [(number, regular.samples_of(values, self.points[number].point_type)[0]) for number, values in streams]

    def sampled_plain(self, streams: Streams) -> list[tuple[int, list[records.Sample]]]:
        """Value by value, as records."""
        samples = ((number, normalise.samples_of(values, self.points[number].point_type)[0]) for number, values in streams)
        return [(number, _records(some)) for number, some in samples]

    def live_frames(self, hear: Callable[[Shape, Take], None], shape: Shape) -> list[Frame]:
        builder = FrameBuilder(ShardState(5, 12, epoch=3), "plant1", LIMITS)
        hear(shape, lambda number, samples: builder.previews([(self.points[number], samples)], "CHANNEL", 1, 0.0))
        return [frame for _, frame in builder.take(1, everything=True)]

    def read_frames(self, contents: Streams) -> list[Frame]:
        builder = FrameBuilder(ShardState(5, 12, epoch=3), "plant1", LIMITS)
        for number, content in contents:
            page, _ = batch.page_of(content, BEGIN, END, END, 5000, self.points[number].point_type)
            builder.statement(self.points[number], Stated(Range(BEGIN, END, page.samples), END, 1), False, None, 1, 0.0)
        return [frame for _, frame in builder.take(1, everything=True)]

    def read_frames_plain(self, samples: list[tuple[int, list[records.Sample]]]) -> list[ValueFrame]:
        """Frames of one series each, written down without a builder."""
        return [
            {
                "source": "plant1", "shard": 5, "epoch": 3, "sequence": n, "clock": n, "origin": "RECORDED", "via": "READ",
                "received_time": 1, "server_time": 1, "cause": None,
                "series": [_series(self.points[number], some)],
            }
            for n, (number, some) in enumerate(samples)
        ]  # fmt: skip

    def steps(self) -> list[Step]:
        samples, plain_samples = self.sampled(self.answered()), self.sampled_plain(items_of_batch(self.body))
        read = self.read_frames(self.answered())
        plain_read = [plain(frame) for frame in read]
        shape, count = "batch 100 x 1000", POINTS * READ_VALUES
        steps = [
            Step("decode", shape, count, self.decoded_batch, lambda: json.loads(self.body), "json.loads", _same_items),
            Step(
                "normalise too", shape, count, lambda: self.sampled(self.answered()), lambda: self.sampled_plain(items_of_batch(self.body)),
                "json.loads, dicts", _same_samples,
            ),
            Step(
                "digest", shape, count, lambda: [digests.digest_of(some) for _, some in samples],
                lambda: [digest_by_sample(some) for _, some in plain_samples], "per sample", _equal,
            ),
            Step(
                "encode", "statements", count, lambda: self.encoded(read), lambda: [avro(frame) for frame in plain_read], "fastavro",
                _equal,
            ),
            Step(
                "read path", shape, count, lambda: self.encoded(self.read_frames(self.answered())),
                lambda: [avro(frame) for frame in self.read_frames_plain(self.sampled_plain(items_of_batch(self.body)))], "all of these",
                _same_series,
            ),
        ]  # fmt: skip
        return steps + [step for shape in self.messages for step in self.live_steps(shape)]

    def decoded_batch(self) -> dict[str, list[regular.Item]]:
        return {key: regular.decode_range(answer.Content).Items for key, answer in batch.decode_answers(self.body).items()}

    def live_steps(self, shape: Shape) -> list[Step]:
        name, bodies = f"message {shape[0]} x {shape[1]}", self.messages[shape]
        frames = self.live_frames(self.hear, shape)
        plain_frames = [plain(frame) for frame in frames]

        def gathered(hear: Callable[[Shape, Take], None], made: Callable[[list[Sample]], Any]) -> list[tuple[int, Any]]:
            samples: list[tuple[int, Any]] = []
            hear(shape, lambda number, some: samples.append((number, made(some))))
            return samples

        return [
            Step(
                "decode", name, LIVE_VALUES, lambda: [regular.decode_message(body) for body in bodies],
                lambda: [json.loads(body) for body in bodies], "json.loads", _same_messages,
            ),
            Step(
                "normalise too", name, LIVE_VALUES, lambda: gathered(self.hear, list), lambda: gathered(self.hear_plain, _records),
                "json.loads, dicts", _same_samples,
            ),
            Step(
                "encode", "frames of " + name, LIVE_VALUES, lambda: self.encoded(frames), lambda: [avro(frame) for frame in plain_frames],
                "fastavro", _equal,
            ),
            Step(
                "live path", name, LIVE_VALUES, lambda: self.encoded(self.live_frames(self.hear, shape)),
                lambda: [avro(plain(frame)) for frame in self.live_frames(self.hear_plain, shape)], "all of these", _equal,
            ),
        ]  # fmt: skip

    def encoded(self, frames: list[Frame]) -> list[bytes]:
        return [self.encoder.encode(frame) for frame in frames]


def _series(point: Point, samples: list[records.Sample]) -> Series:
    statement: records.Statement = {
        "kind": "STATED", "from_time": BEGIN // 10, "from_ticks": 0, "to_time": END // 10, "to_ticks": 0, "as_of": END // 10,
        "as_of_clock": 1, "count": len(samples), "digest": digest_by_sample(samples),
    }  # fmt: skip
    return {"point_key": point.point_key, "tag": point.tag, "uom": point.uom, "statement": statement, "samples": samples}


def _equal(ours: Any, peer: Any) -> bool:
    return bool(ours == peer)


def _same_samples(ours: list[tuple[int, list[Sample]]], peer: list[tuple[int, list[records.Sample]]]) -> bool:
    return [(number, _records(some)) for number, some in ours] == peer


def _plain(items: list[regular.Item]) -> list[tuple[Any, ...]]:
    return [(i.Timestamp, i.Value, i.Good, i.Questionable, i.Substituted, i.Annotated) for i in items]


def _plain_of(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(i["Timestamp"], i["Value"], i["Good"], i["Questionable"], i["Substituted"], i["Annotated"]) for i in items]


def _same_items(ours: dict[str, list[regular.Item]], peer: dict[str, Any]) -> bool:
    return {key: _plain(items) for key, items in ours.items()} == {key: _plain_of(a["Content"]["Items"]) for key, a in peer.items()}


def _same_messages(ours: list[Any], peer: list[Any]) -> bool:
    return [[(s.WebId, _plain(s.Items)) for s in message.Items] for message in ours] == [
        [(s["WebId"], _plain_of(s["Items"])) for s in message["Items"]] for message in peer
    ]


def _same_series(ours: list[bytes], peer: list[bytes]) -> bool:
    """Whether encoded frames hold the same series, however they are spread over frames."""
    left, right = ([series for body in some for series in cast(list[Series], wire.decode(body, SCHEMA)["series"])] for some in (ours, peer))
    return left == right


# -- figures


def measure(step: Step, repetitions: int) -> Result | None:
    """None if the two ways do not make the same."""
    if not step.same(step.ours(), step.peer()):
        return None
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(repetitions):
        for way, into in ((step.ours, ours), (step.peer, peer)):
            gc.collect()
            begin = time.thread_time()
            way()
            into.append((time.thread_time() - begin) / step.values * 1e6)
    return Result(step, Figures.of(ours), Figures.of(peer), statistics.median(p / o for o, p in zip(ours, peer, strict=True)))


def as_json(results: list[Result]) -> dict[str, Any]:
    def way(figures: Figures) -> dict[str, float]:
        rounded = {f"{name}_us_per_value": round(value, 3) for name, value in figures._asdict().items()}
        return rounded | {"values_per_second": round(1e6 / figures.median)}

    versions = {
        "python": platform.python_version(),
        "msgspec": msgspec.__version__,
        "fastavro": fastavro.__version__,
        "xxhash": xxhash.VERSION,
    }
    rows = [
        {"step": r.step.name, "shape": r.step.shape, "values": r.step.values, "ours": way(r.ours),
         "peer": way(r.peer) | {"name": r.step.peer_name}, "times_faster": round(r.times_faster, 2)}
        for r in results
    ]  # fmt: skip
    return {"schema_version": 1, "versions": versions, "results": rows}


def as_text(results: list[Result]) -> str:
    lines = [f"{'step':14}{'shape':28}{'values/s':>10}{'us per value (range)':>26}{'the obvious way':>44}{'times':>7}"]
    for r in results:
        ours, peer = (f"{f.median:.2f} ({f.least:.2f} to {f.most:.2f})" for f in (r.ours, r.peer))
        peer = f"{r.step.peer_name} {peer}"
        lines.append(f"{r.step.name:14}{r.step.shape:28}{1e6 / r.ours.median:>10,.0f}{ours:>26}{peer:>44}{r.times_faster:>7.1f}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fast_path", description="What a value costs on its way through the bridge.")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--output", type=Path, help="write the JSON object into this file too")
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args(arguments)
    results, failed = [], []
    for step in Bench().steps():
        print(f"{step.name}, {step.shape}", file=sys.stderr)
        if (result := measure(step, options.repetitions)) is None:
            failed.append(f"{step.name}, {step.shape}: the two ways do not make the same")
        else:
            results.append(result)
    document = as_json(results) | {"failed": failed}
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document) if options.json else "\n".join([as_text(results), *failed]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
