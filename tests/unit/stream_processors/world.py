"""A shard with a few points, and frames for it, told in seconds after ten o'clock."""

from collections.abc import Iterable
from typing import Any, cast

from schemas.processors import Processors
from schemas.records import Assessment, LateSamples, Point, PointChange, Sample, Series, Statement, ValueFrame
from stream_processors.assess import Assessed, Shard
from tests.unit.schemas.frames import frame as plain_frame
from tests.unit.schemas.frames import sample as plain_sample

TEN = 1_704_103_200
"""2024-01-01T10:00:00Z, seconds since 1970."""
HOUR = 3600.0
AGES = 10**8
"""A clock's reading far ahead of every frame, so that no frame is from the future."""


def micros(second: float) -> int:
    return TEN * 1_000_000 + round(second * 1_000_000)


def value(second: float, number: float = 1.0, **fields: Any) -> Sample:
    """A number stamped at a second."""
    return plain_sample(micros(second), **({"value_type": "DOUBLE", "value_double": number} | fields))


def null(second: float, state: int = 246) -> Sample:
    """A system state in place of a value."""
    return plain_sample(micros(second), system_state=state, good=False)


def series(key: int | str, *samples: Sample, uom: str | None = "°C", statement: Statement | None = None) -> Series:
    name = f"main:{key}"
    return {"point_key": name, "tag": f"T{key}", "uom": uom, "statement": statement, "samples": list(samples)}


def point(key: int | str, **fields: Any) -> Point:
    record: dict[str, Any] = {
        "source": "plant1", "point_key": f"main:{key}", "server": "main", "server_id": "", "point_id": 1, "web_id": "", "tag": f"T{key}",
        "path": "", "descriptor": None, "point_class": None, "point_type": "Float64", "digital_set": None, "engineering_units": "°C",
        "zero": None, "span": None, "step": False, "future": False, "display_digits": None, "in_scope": True, "start_time": 0,
        "received_time": 0, "point_source": "OPC1",
    }  # fmt: skip
    return cast(Point, record | fields)


class Heard:
    """A shard, its sequences, and everything that it said."""

    def __init__(self, points: Iterable[Point] = (), **settings: Any) -> None:
        self.settings = Processors(**settings)
        self.shard = Shard("plant1", 3, self.settings)
        for record in points:
            self.shard.point(record)
        self.sequences = {"live": -1, "recorded": -1}
        self.assessments: list[Assessment] = []
        self.late: list[LateSamples] = []

    def frame(self, at: float, *parts: Series, dataset: str = "live", server: float | None = 0.0, **fields: Any) -> ValueFrame:
        """The next frame of a dataset, received at a second; `server` is how far PI's clock is ahead."""
        self.sequences[dataset] += 1
        made = plain_frame()
        made["series"] = list(parts)
        made["received_time"], made["sequence"] = micros(at), self.sequences[dataset]
        made["server_time"] = None if server is None else micros(at + server)
        if dataset == "recorded":
            made["origin"], made["via"] = "RECORDED", "READ"
        made.update(fields)  # type: ignore[typeddict-item]
        return made

    def give(self, made: ValueFrame, dataset: str = "live", now: float = AGES) -> Assessed:
        assessed = self.shard.frame(cast(Any, dataset), made, micros(now))
        self.assessments += assessed.assessments
        self.late += assessed.late
        return assessed

    def hear(self, at: float, *parts: Series, **fields: Any) -> Assessed:
        """A frame of previews."""
        return self.give(self.frame(at, *parts, **fields))

    def read(self, at: float, *parts: Series) -> Assessed:
        """A frame of statements."""
        return self.give(self.frame(at, *parts, dataset="recorded"), "recorded")

    def advance(self, at: float) -> None:
        self.assessments += self.shard.advance(micros(at))

    @property
    def changes(self) -> list[PointChange]:
        return [change for said in self.assessments for change in said["changes"]]

    def of(self, check: str) -> list[PointChange]:
        return [change for change in self.changes if change["quality_check"] == check]

    def column(self, name: str, key: int | str) -> Any:
        return self.shard.state.point[name][self.shard.state.slot_of[f"main:{key}"]]
