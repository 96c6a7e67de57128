"""How a running demo looks: one state, as a screen or as a line. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

FLOWING = "values flow"
"""The phase in which a line is written for each state."""
_FEWEST_LINES = 3
_NOTHING = "–"
_STATE_STYLES = {"OK": "green", "SUSPECT": "yellow", "SKEWED": "red"}


class Rate(NamedTuple):
    """A figure of a stage: what is counted, how many a second just now, how many in all."""

    what: str
    a_second: float
    total: int


class Stage(NamedTuple):
    """A part of the pipeline."""

    name: str
    rates: tuple[Rate, ...]
    note: str = ""


class Clock(NamedTuple):
    """What the processors say of a clock group; the offset is positive if it is behind."""

    group: str
    state: str
    offset_seconds: float | None


class Happened(NamedTuple):
    """A line about what happened, and when: seconds since the start."""

    seconds: float
    line: str


@dataclass(frozen=True)
class State:
    """A demo at one moment. What is not known yet is None."""

    phase: str = "starting"
    seconds: float = 0.0
    """Since the start."""
    share: float | None = None
    """How much of the time in which values flow has passed."""
    stages: tuple[Stage, ...] = ()
    to_kafka_seconds: float | None = None
    to_delta_seconds: float | None = None
    points: int = 0
    points_covered: int = 0
    oldest_lag_seconds: float = 0.0
    incidents: int = 0
    incidents_open: int = 0
    late: Mapping[str, int] = field(default_factory=dict)
    """Late values by cause."""
    clocks: tuple[Clock, ...] = ()
    failing: int = 0
    """Quality checks that fail."""
    places: tuple[tuple[str, str], ...] = ()
    """Where anybody can look: what, and its address."""
    happened: tuple[Happened, ...] = ()
    """The newest last."""


def line_of(state: State) -> str:
    """The state in one line, without the clocks that are right."""
    rates = ", ".join(f"{rate.what} {rate.a_second:.0f}/s" for stage in state.stages for rate in stage.rates)
    return " | ".join([
        rates,
        f"PI to Kafka {_seconds(state.to_kafka_seconds, 2)}, to Delta {_seconds(state.to_delta_seconds, 1)}",
        f"oldest coverage lag {state.oldest_lag_seconds:.0f} s",
        f"incidents {state.incidents_open} open of {state.incidents}",
        f"late {_late(state.late)}",
        f"clocks {_clocks(state.clocks)}",
    ])  # fmt: skip


def screen_of(state: State, height: int) -> RenderableType:
    """The state as a screen of one line less than that; more only if there is not room for three lines of what just happened."""
    upper = [_head(state), *_stages(state), Rule(style="dim"), _facts(state)]
    taken = 4 + sum(max(1, len(stage.rates)) for stage in state.stages) + _FACTS + len(state.places)
    happened = state.happened[-max(_FEWEST_LINES, height - taken) :]
    return Group(*upper, Rule("what just happened", align="left", style="dim"), *(_happened(one) for one in happened))


_FACTS = 6
"""Lines of facts without the places."""


def _head(state: State) -> RenderableType:
    head = Table.grid(padding=(0, 2), expand=True)
    head.add_column(no_wrap=True)
    head.add_column(ratio=1)
    head.add_column(no_wrap=True, justify="right")
    bar = ProgressBar(total=1.0, completed=min(1.0, state.share or 0.0), pulse=False)
    head.add_row(Text(f"pibridge demo · {state.phase}", style="bold"), bar, f"{state.seconds:.0f} s")
    return head


def _stages(state: State) -> list[RenderableType]:
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "right", "right", "left"):
        table.add_column(no_wrap=True, justify=justify)
    for stage in state.stages:
        name, note = Text(stage.name, style="bold cyan"), stage.note
        for rate in stage.rates or (None,):
            cells = ("", "", "") if rate is None else (rate.what, f"{rate.a_second:,.0f}/s", f"{rate.total:,}")
            table.add_row(name, *cells, Text(note, style="dim"))
            name, note = Text(), ""
    return [table] if state.stages else []


def _facts(state: State) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True, overflow="ellipsis")
    to_kafka, to_delta = _seconds(state.to_kafka_seconds, 2), _seconds(state.to_delta_seconds, 1)
    table.add_row("latency", f"PI → Kafka {to_kafka}   → Delta {to_delta}")
    table.add_row("coverage", f"{state.points_covered:,} of {state.points:,} points, oldest lag {state.oldest_lag_seconds:.0f} s")
    open_ = Text(f"{state.incidents_open} open of {state.incidents}", style="yellow" if state.incidents_open else "")
    table.add_row("incidents", open_)
    table.add_row("late", _late(state.late))
    table.add_row("clocks", Text("  ").join(_clock(clock) for clock in state.clocks) if state.clocks else _NOTHING)
    table.add_row("quality", f"{state.failing} checks fail")
    for what, where in state.places:
        table.add_row(what, Text(where, style="dim"))
    return table


def _happened(one: Happened) -> Text:
    return Text.assemble((f"{one.seconds:7.1f} s  ", "dim"), one.line, no_wrap=True, overflow="ellipsis")


def _clock(clock: Clock) -> Text:
    return Text(_clock_text(clock), style=_STATE_STYLES.get(clock.state, "dim"))


def _clock_text(clock: Clock) -> str:
    return f"{clock.group} {_NOTHING if clock.offset_seconds is None else f'{clock.offset_seconds:+.2f} s'} {clock.state}"


def _clocks(clocks: tuple[Clock, ...]) -> str:
    told = [_clock_text(clock) for clock in clocks if clock.state != "OK"]
    right = len(clocks) - len(told)
    return ", ".join([*told, f"{right} OK"])


def _late(late: Mapping[str, int]) -> str:
    causes = ", ".join(f"{cause} {count:,}" for cause, count in late.items())
    return f"{sum(late.values()):,}" + (f" ({causes})" if causes else "")


def _seconds(seconds: float | None, digits: int) -> str:
    return _NOTHING if seconds is None else f"{seconds:.{digits}f} s"
