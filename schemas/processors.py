"""The section `processors` of the configuration file: late data, clock skew, quality. Thresholds are defaults."""

from typing import Annotated

from pydantic import Field, model_validator

from schemas.sections import Count, Monitoring, Seconds, SecondsOrNone, Section

PI_CLOCK = "pi"
"""Stands for PI Web API's own clock among the clock groups; the alias of a data server for all of its groups together."""


class ConfiguredThreshold(Section):
    """Points whose lateness is not learnt."""

    name_filter: str
    """Names, with * and ?; upper and lower case are the same."""
    threshold_seconds: Seconds


class Lateness(Section):
    """When a live value is late (decision 69): later than its point's threshold, which is learnt unless it is configured."""

    thresholds: tuple[ConfiguredThreshold, ...] = Field((), strict=False)
    """The first that has the point's name holds."""
    default_threshold_seconds: Seconds = 14_400.0
    """While a point has not been heard often enough."""
    warm_up_arrivals: Annotated[int, Field(ge=1, le=250)] = 20
    """Minutes in which a point was heard, before its threshold is learnt; and those of a clock group, before its usual gap is known."""
    least_threshold_seconds: Seconds = 60.0
    """No point learns less."""
    slightly_late_seconds: Seconds = 14_400.0
    late_seconds: Seconds = 86_400.0
    very_late_seconds: Seconds = 604_800.0
    future_seconds: Seconds = 300.0
    """A value so far ahead is from the future."""
    silence_seconds: Seconds = 60.0
    """A clock group that was not heard for so long, and for longer than is usual for it, was silent: what was stamped meanwhile was kept
    back."""

    @model_validator(mode="after")
    def _in_order(self) -> "Lateness":
        if not self.slightly_late_seconds < self.late_seconds < self.very_late_seconds:
            raise ValueError("slightly_late_seconds, late_seconds and very_late_seconds must grow in this order")
        return self


class ClockGroup(Section):
    """Points that share a clock, other than by data server and point source."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    server: str
    point_source: str | None = None
    name_filter: str = "*"
    """Names, with * and ?; upper and lower case are the same."""


class Skew(Section):
    """When a clock is wrong (decision 67)."""

    groups: tuple[ClockGroup, ...] = Field((), strict=False)
    """The first that has a point is its clock group; without one it is <server>/<point source>. Several of one name are one group."""
    limit_seconds: Seconds = 1.0
    """A clock that is off by more is suspect; one that is off by less than half of it is right again."""
    window_periods: Annotated[int, Field(ge=10, le=1440)] = 60
    """Offset and drift are taken from so many periods."""
    path_seconds: SecondsOrNone = 5.0
    """A way to us may take so long; where no other group of the server tells, less than that is not taken for a clock."""

    @model_validator(mode="after")
    def _a_group_has_one_server(self) -> "Skew":
        server_of = dict[str, str]()
        if shared := sorted({group.name for group in self.groups if server_of.setdefault(group.name, group.server) != group.server}):
            raise ValueError(f"groups of two servers have the same name: {', '.join(shared)}")
        return self


class Quality(Section):
    """Limits of the quality checks, by point and complete window (decision 71)."""

    window_seconds: Annotated[int, Field(ge=60, le=86_400, multiple_of=60)] = 3600
    min_samples: Count = 20
    """A share is judged when so many samples have come, over several windows if need be."""
    null_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    good_share: Annotated[float, Field(ge=0, le=1)] = 0.9
    duplicate_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    out_of_span_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    volume_z: Seconds = 3.0
    freshness_seconds: Seconds = 3600.0
    """No point is stale before, while little is known of its own cadence; after that its cadence alone counts."""
    least_freshness_seconds: Seconds = 300.0
    """However quick a point is, it is not stale before."""
    flat_seconds: Seconds = 3600.0
    flat_samples: Annotated[int, Field(ge=2)] = 60
    """A number that came so often and so long without a change is a flat line."""
    rollup_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """When so many points of a source fail, it is one finding"""
    rollup_points: Count = 5
    """if they are so many at least."""


class Processors(Section):
    """Stream processors: late data, clock skew, quality."""

    group_id: str = "pibridge-processors"
    """The group of a source's workers is <group_id>.<source>."""
    period_seconds: Annotated[int, Field(ge=1, le=60)] = 60
    """Clocks and sources are judged so often, and clocks from the least delays of such periods: short ones are for trying things out."""
    state_seconds: Annotated[float, Field(ge=0.1, le=60)] = 10.0
    """What is remembered is written so often; after a kill that much is read again, and nothing is counted twice."""
    session_timeout_seconds: Annotated[float, Field(ge=1, le=300)] = 10.0
    """A worker that the brokers do not hear of for so long loses its shards to the others."""
    monitoring: Monitoring | None = None
    """Of the processors. Absent: no port is opened."""
    lateness: Lateness = Lateness()
    skew: Skew = Skew()
    quality: Quality = Quality()

    @model_validator(mode="after")
    def _windows_are_whole_periods(self) -> "Processors":
        if self.quality.window_seconds % self.period_seconds:
            raise ValueError("quality.window_seconds must be a multiple of period_seconds")
        return self
