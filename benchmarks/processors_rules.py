"""`python -m benchmarks.processors_rules`: what the rules of the stream processors cost, and how much they remember.

Frames of 100 values are made beforehand, encoded, and given to one shard: decoding and rules are charged apart, in CPU time; decoding by
fastavro, value by value, beside it. Shapes: 100 points with a value each, the same of a plant in which 13 of 100 are no floating-point
numbers, 10 points with 10, one point with 100; and a shard of 100,000 points whose state is measured, written down and read again. No
Kafka, no Faust: those are benchmarks of their own.
"""

import argparse
import gc
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass

from proofs.accuracy.clocks import point
from proofs.accuracy.plant import frame, micros, sample
from schemas import wire
from schemas.processors import Processors
from schemas.records import Series, ValueFrame
from schemas.values import read_frame
from stream_processors.assess import Shard
from stream_processors.decode import Decoder

_BEGIN = 1_767_225_600
_SCHEMA, _DEFINITION = wire.schema("value_frame"), wire.raw_schema("value_frame")
GOAL_VALUES_PER_SECOND = 100_000
GOAL_STATE_BYTES = 300 << 20


_ODD: list[dict[str, object]] = [
    {"value_type": "LONG", "value_long": 4711},
    {"value_type": "DIGITAL", "digital_code": 2, "value_string": "Manual"},
    {"value_type": "STRING", "value_string": "batch 47110815: filling"},
]


@dataclass
class Speed:
    """One shape of frames."""

    shape: str
    values: int
    rules_values_per_second: float
    decoded_values_per_second: float
    fastavro_values_per_second: float
    both_values_per_second: float
    late: int


@dataclass
class Memory:
    """The state of many points."""

    points: int
    columns_bytes: int
    resident_bytes: int
    dump_bytes: int
    dump_seconds: float
    load_seconds: float


def speed(points_a_frame: int, values_a_point: int, frames: int, points: int, late_in: int = 0, mixed: bool = False) -> Speed:
    """CPU of frames of one shape; one frame in `late_in` has values that are five hours old, 13 points of 100 are `mixed` kinds."""
    settings = Processors()
    shard = Shard("benchmark", 0, settings)
    keys = [f"main:{number}" for number in range(points)]
    for number, key in enumerate(keys):
        shard.point(point(key, f"OPC{number % 20}"))
    messages = [wire.encode(1, _SCHEMA, dict(_frame(n, keys, points_a_frame, values_a_point, late_in, mixed))) for n in range(frames)]
    gc.collect()
    decoder = Decoder()
    began = time.process_time()
    for message in messages:
        read_frame(message, lambda _: _SCHEMA)
    by_fastavro = time.process_time() - began
    began = time.process_time()
    decoded = [decoder.frame(message, _DEFINITION, _SCHEMA) for message in messages]
    decoding = time.process_time() - began
    late = 0
    began = time.process_time()
    for each in decoded:
        late += len(shard.frame("live", each.frame, each.frame["received_time"], each.samples).late)
    judging = time.process_time() - began
    values = frames * points_a_frame * values_a_point
    name = f"{points_a_frame} x {values_a_point}" + (f", 1 frame in {late_in} late" if late_in else "") + (", mixed" if mixed else "")
    return Speed(name, values, values / judging, values / decoding, values / by_fastavro, values / (judging + decoding), late)


def _frame(number: int, keys: list[str], points: int, values: int, late_in: int, mixed: bool) -> ValueFrame:
    at = _BEGIN + number * 0.05
    stamp = at - 0.2 - (18_000 if late_in and number % late_in == late_in - 1 else 0)
    series: list[Series] = []
    for offset in range(points):
        key = keys[(number * points + offset) % len(keys)]
        own = [sample(micros(stamp - 0.001 * (values - n)), float((number * 7 + n) % 1013)) for n in range(values)]
        if mixed and offset % 100 >= 87:
            for one in own:
                one |= _ODD[offset % len(_ODD)] | {"value_double": None}  # type: ignore[typeddict-item]
        series.append({"point_key": key, "tag": key, "uom": "degC", "statement": None, "samples": own})
    return frame(number, micros(at), micros(at), series)


def memory(points: int) -> Memory:
    """State of one shard with so many points, all of them heard."""
    gc.collect()
    before = _resident()
    shard = Shard("benchmark", 0, Processors())
    for number in range(points):
        shard.point(point(f"main:{number:07}", f"OPC{number % 200}"))
    keys = shard.state.keys
    for number in range(points // 1000):
        at = micros(_BEGIN + number)
        series: list[Series] = [
            {"point_key": key, "tag": key, "uom": "degC", "statement": None, "samples": [sample(at - 200_000, 1.0)]}
            for key in keys[number * 1000 : (number + 1) * 1000]
        ]
        shard.frame("live", frame(number, at, at, series), at)
    gc.collect()
    resident = _resident() - before
    began = time.process_time()
    written = dict(shard.state.dump())
    dumping = time.process_time() - began
    again = Shard("benchmark", 0, Processors())
    began = time.process_time()
    again.state.load(written.get)
    loading = time.process_time() - began
    assert again.state.keys == keys
    return Memory(points, shard.state.nbytes(), resident, sum(map(len, written.values())), dumping, loading)


def _resident() -> int:
    with open("/proc/self/statm") as status:
        return int(status.read().split()[1]) * resource.getpagesize()


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.processors_rules", description=__doc__)
    parser.add_argument("--frames", type=int, default=5000, metavar="N", help="of each shape (default %(default)s)")
    parser.add_argument("--points", type=int, default=100_000, metavar="N", help="whose state is measured (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given = parser.parse_args()
    remembered = memory(given.points)
    speeds = [
        speed(100, 1, given.frames, 10_000),
        speed(100, 1, given.frames, 10_000, mixed=True),
        speed(10, 10, given.frames, 10_000),
        speed(1, 100, given.frames, 10_000),
        speed(100, 1, given.frames, 10_000, late_in=100),
        speed(100, 1, min(given.frames, 1000), 10_000, late_in=1),
    ]
    goals = {
        "values_per_second": min(each.both_values_per_second for each in speeds[:4]) >= GOAL_VALUES_PER_SECOND,
        "state_bytes": remembered.resident_bytes * 100_000 <= GOAL_STATE_BYTES * remembered.points,
    }
    document = {"schema_version": 1, "speed": [asdict(each) for each in speeds], "memory": asdict(remembered), "goals": goals}
    sys.stdout.write((json.dumps(document) if given.json else _table(speeds, remembered)) + "\n")
    return 0 if all(goals.values()) else 1


def _table(speeds: list[Speed], remembered: Memory) -> str:
    lines = [
        "| frames of | values/s, rules | decoding | fastavro | rules and decoding | late records |",
        "|---|---|---|---|---|---|",
    ]
    for each in speeds:
        lines.append(
            f"| {each.shape} | {each.rules_values_per_second:,.0f} | {each.decoded_values_per_second:,.0f} "
            f"| {each.fastavro_values_per_second:,.0f} | {each.both_values_per_second:,.0f} | {each.late:,} |"
        )
    mib = 1 << 20
    lines += [
        "",
        f"{remembered.points:,} points: {remembered.resident_bytes / mib:.0f} MiB resident, of which columns "
        f"{remembered.columns_bytes / mib:.0f}; written in {remembered.dump_seconds:.2f} s as {remembered.dump_bytes / mib:.1f} MiB, "
        f"read in {remembered.load_seconds:.2f} s",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
