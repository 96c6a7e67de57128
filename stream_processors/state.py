"""What the rules remember of a shard: a row a point in columns, a row a clock group; and its form as bytes. Pure.

About 500 bytes a point with its name and key. Blocks of 512 points are written when they changed, each to the other of its two places;
the head, written last, says which places count. Whoever reads the head therefore reads one moment's state, however the writing ended:
frames up to its sequences are in it, once. Checksums tell where somebody else wrote in between.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.processors import Processors
from stream_processors.delays import BINS

Array = NDArray[Any]

BLOCK_POINTS = 512
_SECOND = 1_000_000
NEVER = np.iinfo(np.int64).max
VERSION = 2
"""A state of another version is not read: it is learnt anew."""
CHECKS = 8

FUTURE, STEP, IN_SCOPE, CONFIGURED = 1, 2, 4, 8
"""Bits of `flags`."""

_I8, _F8, _F4, _I4, _U4, _U2, _U1 = np.int64, np.float64, np.float32, np.int32, np.uint32, np.uint16, np.uint8
POINT_FIELDS: dict[str, tuple[Any, int, Any]] = {
    "heard": (_I8, 0, 0),  # arrival of the last sample, microseconds, bridge clock; 0: never
    "first_heard": (_I8, 0, 0),
    "newest": (_I8, 0, 0),  # newest event that was not from the future, ticks
    "gap_from": (_I8, 0, 0),  # the last time that `newest` jumped: from where, ticks
    "gap_to": (_I8, 0, 0),
    "covered": (_I8, 0, 0),  # end of what was stated, ticks
    "last_ticks": (_I8, 0, 0),  # of the sample that came last
    "last_value": (_F8, 0, np.nan),
    "last_kind": (_U1, 0, 0),
    "period_floor": (_I8, 0, NEVER),  # least delay in this period, microseconds
    "period_delay": (_I8, 0, 0),  # sum of delays in this period, microseconds
    "period_samples": (_U4, 0, 0),
    "period_lagging": (_U1, 0, 0),
    "late_period": (_I8, 0, -1),
    "learnt_minute": (_I4, 0, -1),
    "delays": (_U1, BINS, 0),
    "gaps": (_U1, BINS, 0),
    "threshold": (_I8, 0, 0),  # of lateness, microseconds
    "threshold_kind": (_U1, 0, 1),
    "fresh_for": (_I8, 0, NEVER),  # microseconds
    "run": (_U4, 0, 0),  # how many samples in a row had this value
    "run_since": (_I8, 0, 0),
    "longest_run": (_F4, 0, 0),
    "expected_kind": (_U1, 0, 0),
    "count": (_U4, 0, 0),  # since `counted_from`
    "nulls": (_U4, 0, 0),
    "bad": (_U4, 0, 0),
    "duplicates": (_U4, 0, 0),
    "outside": (_U4, 0, 0),
    "counted_from": (_I8, 0, 0),
    "window_count": (_U4, 0, 0),
    "windows": (_U2, 0, 0),  # complete ones
    "volume_mean": (_F4, 0, 0),
    "volume_variance": (_F4, 0, 0),
    "failing": (_U2, 0, 0),  # a bit a check
    "passed": (_U1, CHECKS, 0),  # windows in a row that a failing check was passed
    "zero": (_F8, 0, -np.inf),
    "top": (_F8, 0, np.inf),
    "flags": (_U1, 0, IN_SCOPE),
    "group": (_I4, 0, 0),
}
GROUP_FIELDS: dict[str, tuple[Any, Any]] = {
    "heard": (_I8, 0),
    "on_time": (_I8, 0),  # arrival of the last sample that was not late
    "silent_from": (_I8, 0),  # the last silence
    "silent_to": (_I8, 0),
    "late_points": (_U4, 0),  # in this period
    "skew": (_I8, 0),  # what lateness takes off, microseconds
}


class Gap(NamedTuple):
    """A time in which we did not listen, microseconds."""

    begin: int
    end: int
    points: list[str]
    """Keys of those that were not heard; none: all of the shard."""


class ShardState:
    """Everything remembered of one shard."""

    def __init__(self, shard: int, settings: Processors) -> None:
        lateness, quality = settings.lateness, settings.quality
        self.shard = shard
        self._lengths = settings.period_seconds, quality.window_seconds
        self._defaults = {"threshold": int(lateness.default_threshold_seconds * _SECOND)}
        self.usually_fresh = int(quality.freshness_seconds * _SECOND)
        """For so long a point is fresh at least, while little is known of its cadence, microseconds."""
        self.least_fresh = int(quality.least_freshness_seconds * _SECOND)
        """However quick a point is, it is fresh for so long, microseconds."""
        self.slot_of: dict[str, int] = {}
        self.keys: list[str] = []
        self.tags: list[str] = []
        self.units: list[str | None] = []
        self.sets: list[str | None] = []
        self.point: dict[str, Array] = {name: self._column(name, 0) for name in POINT_FIELDS}
        self.groups: list[tuple[str, str]] = []
        self.group_of: dict[str, int] = {}
        self.group: dict[str, Array] = {name: np.zeros(0, kind) for name, (kind, _) in GROUP_FIELDS.items()}
        self.group_gaps = np.zeros((0, BINS), np.uint8)
        """By group, for how long nothing of it came on time: once a minute, by bins of `delays`."""
        self.changes: list[Any] = []
        """Changes of points in this period (records.PointChange)."""
        self.period = self.window = self.heard_at = self.began = 0
        self.window_whole = False
        self.gaps = np.zeros((1, BINS), _U1)
        """How long the whole shard is silent, a silence a minute."""
        self.listening_since = 0
        """When we began to listen again after we had not, microseconds: silences before it tell nothing of a point."""
        self.server_ahead: int | None = None
        """Most that PI's clock was ahead of ours in this period, microseconds."""
        self.corrections: dict[str, int] = {}
        """What lateness takes off by clock group and by server alias, microseconds."""
        self.sequences: dict[str, int] = {}
        """Last sequence by dataset that is part of this."""
        self.offsets: dict[str, int] = {}
        """Of each dataset, where in Kafka the last message lies that is part of this, as far as that was told."""
        self.unreadable: dict[str, int] = {}
        """Messages behind these frames that could not be read: they may have been the ones that are missed next."""
        self.missing = False
        """Frames of values are missing since the last frame that was used."""
        self.our_gaps: dict[str, Gap] = {}
        """When we did not listen, by what tells of it; the newest few."""
        self._sides: list[int] = []
        self._checksums: list[int] = []
        self._touched: set[int] = set()

    def __len__(self) -> int:
        return len(self.keys)

    def _column(self, name: str, rows: int) -> Array:
        kind, width, default = POINT_FIELDS[name]
        return np.full((rows, width) if width else rows, self._defaults.get(name, default), kind)

    def add(self, point_key: str, tag: str, unit: str | None) -> int:
        """The place of a point that has none yet."""
        slot = self.slot_of[point_key] = len(self.keys)
        self.keys.append(point_key)
        self.tags.append(tag)
        self.units.append(unit)
        self.sets.append(None)
        if slot >= len(self.point["heard"]):
            more = max(BLOCK_POINTS, slot // 2)
            for name, column in self.point.items():
                self.point[name] = np.concatenate([column, self._column(name, more)])
        self.point["group"][slot] = self.group_number(server_of(point_key), f"{server_of(point_key)}/-")
        self.touch(np.array([slot]))
        return slot

    def group_number(self, server: str, name: str) -> int:
        """The row of a clock group, which is added if it is new."""
        number = self.group_of.get(name)
        if number is None:
            number = self.group_of[name] = len(self.groups)
            self.groups.append((server, name))
            for field, (kind, default) in GROUP_FIELDS.items():
                value = self.corrections.get(name, 0) + self.corrections.get(server, 0) if field == "skew" else default
                self.group[field] = np.append(self.group[field], np.array([value], kind))
            self.group_gaps = np.concatenate([self.group_gaps, np.zeros((1, BINS), np.uint8)])
        return number

    def flag(self, slot: int, bit: int, on: bool) -> None:
        """Sets or clears a bit of a point's flags."""
        flags = int(self.point["flags"][slot])
        self.point["flags"][slot] = flags | bit if on else flags & ~bit

    def touch(self, slots: Array) -> None:
        """Says that these rows changed."""
        self._touched.update((slots // BLOCK_POINTS).tolist())

    def nbytes(self) -> int:
        """Bytes of the columns."""
        return sum(column.nbytes for column in self.point.values())

    # -- as bytes ---------------------------------------------------------------------------------------------------------------

    def dump(self) -> Iterator[tuple[str, bytes]]:
        """What has to be written, key and content, in this order: blocks that changed, then the head."""
        blocks = -(-len(self.keys) // BLOCK_POINTS)
        self._sides += [0] * (blocks - len(self._sides))
        self._checksums += [0] * (blocks - len(self._checksums))
        for block in sorted(self._touched):
            self._sides[block] ^= 1
            content = self._block(block)
            self._checksums[block] = zlib.crc32(content)
            yield f"{self.shard}/{block}/{self._sides[block]}", content
        self._touched.clear()
        yield f"{self.shard}", zlib.compress(json.dumps(self._head()).encode(), 1)

    def _head(self) -> dict[str, Any]:
        return {
            "version": VERSION, "points": len(self.keys), "sides": self._sides, "checksums": self._checksums, "groups": self.groups,
            "group": {name: column.tolist() for name, column in self.group.items()}, "group_gaps": self.group_gaps.tolist(),
            "lengths": self._lengths, "period": self.period, "window": self.window,
            "window_whole": self.window_whole, "heard_at": self.heard_at, "began": self.began,
            "gaps": self.gaps[0].tolist(), "listening_since": self.listening_since, "server_ahead": self.server_ahead,
            "corrections": self.corrections, "sequences": self.sequences, "offsets": self.offsets, "unreadable": self.unreadable,
            "missing": self.missing, "our_gaps": self.our_gaps, "changes": self.changes,
        }  # fmt: skip

    def _block(self, block: int) -> bytes:
        begin, end = block * BLOCK_POINTS, min((block + 1) * BLOCK_POINTS, len(self.keys))
        names = [self.keys[begin:end], self.tags[begin:end], self.units[begin:end], self.sets[begin:end]]
        text = json.dumps(names).encode()
        parts = [len(text).to_bytes(4, "big"), text, *(self.point[name][begin:end].tobytes() for name in POINT_FIELDS)]
        return zlib.compress(b"".join(parts), 1)

    def load(self, read: Callable[[str], bytes | None]) -> bool:
        """Takes over what `dump` wrote, by key; False, and all as it was, if there is nothing or it is of another version.

        Where periods or windows had another length then, they begin anew, and with windows what is usual in one.
        Raises LookupError if a block is missing, or is not the one that was written with the head.
        """
        content = read(f"{self.shard}")
        if content is None:
            return False
        head = json.loads(zlib.decompress(content))
        if head["version"] != VERSION:
            return False
        self.period, self.window, self.window_whole = head["period"], head["window"], head["window_whole"]
        self.heard_at, self.began, self.listening_since = head["heard_at"], head["began"], head["listening_since"]
        self.gaps[0] = head["gaps"]
        self.server_ahead, self.corrections = head["server_ahead"], head["corrections"]
        self.sequences, self.offsets, self.unreadable = head["sequences"], head["offsets"], head["unreadable"]
        self.missing, self.changes = head["missing"], head["changes"]
        self.our_gaps = {name: Gap(*gap) for name, gap in head["our_gaps"].items()}
        self.groups = [(server, name) for server, name in head["groups"]]
        self.group_of = {name: number for number, (_, name) in enumerate(self.groups)}
        self.group = {name: np.array(head["group"][name], kind) for name, (kind, _) in GROUP_FIELDS.items()}
        self.group_gaps = np.array(head["group_gaps"], np.uint8).reshape(-1, BINS)
        self._sides, self._checksums = head["sides"], head["checksums"]
        self._read_blocks(read, head["points"])
        if tuple(head["lengths"]) != self._lengths:
            self.period = 0
            self.point["windows"][:] = 0
        return True

    def _read_blocks(self, read: Callable[[str], bytes | None], points: int) -> None:
        names: list[list[Any]] = [[], [], [], []]
        columns: dict[str, list[Array]] = {name: [] for name in POINT_FIELDS}
        for block, side in enumerate(self._sides):
            content = read(f"{self.shard}/{block}/{side}")
            if content is None:
                raise LookupError(f"block {block} of shard {self.shard} is missing")
            if zlib.crc32(content) != self._checksums[block]:
                raise LookupError(f"block {block} of shard {self.shard} is not the one that was written with the head")
            plain = zlib.decompress(content)
            at = 4 + int.from_bytes(plain[:4], "big")
            for known, more in zip(names, json.loads(plain[4:at]), strict=True):
                known += more
            rows = min(BLOCK_POINTS, points - block * BLOCK_POINTS)
            for name, (kind, width, _) in POINT_FIELDS.items():
                size = np.dtype(kind).itemsize * rows * (width or 1)
                part = np.frombuffer(plain[at : at + size], kind)
                columns[name].append(part.reshape(rows, width) if width else part)
                at += size
        self.keys, self.tags, self.units, self.sets = names
        self.slot_of = {key: slot for slot, key in enumerate(self.keys)}
        self.point = {name: np.concatenate([self._column(name, 0), *parts]) for name, parts in columns.items()}


def server_of(point_key: str) -> str:
    """Alias of the point's data server."""
    return point_key.partition(":")[0]
