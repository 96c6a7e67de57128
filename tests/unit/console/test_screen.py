"""The demo's screen, rendered to text from a plain state."""

import io
import json

import pytest
from rich.console import Console

from console.printing import print_result
from console.result import Result
from console.screen import Clock, Happened, Rate, Stage, State, line_of, screen_of

FULL = State(
    phase="values flow",
    seconds=45.7,
    share=0.5,
    stages=(
        Stage("PI, simulated", (Rate("sent", 100.4, 8_123),)),
        Stage("bridge → Kafka", (Rate("previews", 99.0, 8_001), Rate("stated", 412.0, 61_353))),
        Stage("processors", (Rate("late", 0.0, 120),), "values judged up to 2 s ago"),
        Stage("Spark → Delta", (Rate("bronze", 0.0, 84_285),)),
    ),
    to_kafka_seconds=0.17,
    to_delta_seconds=9.24,
    points=1001,
    points_covered=998,
    oldest_lag_seconds=12.4,
    incidents=3,
    incidents_open=1,
    late={"BEHIND_COVERAGE": 5, "BUFFERED_INTERFACE": 115},
    clocks=(Clock("main/LAB", "SKEWED", -89.87), Clock("main/OPC1", "OK", 0.01), Clock("main/OPC2", "UNKNOWN", None)),
    failing=2,
    places=(("Kafka", "127.0.0.1:20360"), ("tables", "/tmp/pibridge-demo-x1/warehouse")),
    happened=tuple(Happened(float(n), f"line {n}") for n in range(40)),
)


def shown(state: State, height: int = 40, width: int = 120, colour: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=colour, color_system="standard" if colour else None)
    console.print(screen_of(state, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def line_with(text: str, words: str) -> str:
    (line,) = [line for line in text.splitlines() if words in line]
    return " ".join(line.split())


def test_each_stage_has_its_rates_and_totals() -> None:
    text = shown(FULL)
    assert line_with(text, "PI, simulated") == "PI, simulated sent 100/s 8,123"
    assert line_with(text, "bridge → Kafka") == "bridge → Kafka previews 99/s 8,001"
    assert line_with(text, "stated") == "stated 412/s 61,353"
    assert line_with(text, "processors") == "processors late 0/s 120 values judged up to 2 s ago"
    assert line_with(text, "Spark → Delta") == "Spark → Delta bronze 0/s 84,285"


def test_latency_coverage_incidents_and_findings_are_on_the_screen() -> None:
    text = shown(FULL)
    assert line_with(text, "latency") == "latency PI → Kafka 0.17 s → Delta 9.2 s"
    assert line_with(text, "coverage  ") == "coverage 998 of 1,001 points, oldest lag 12 s"
    assert line_with(text, "incidents") == "incidents 1 open of 3"
    assert line_with(text, "BUFFERED") == "late 120 (BEHIND_COVERAGE 5, BUFFERED_INTERFACE 115)"
    assert line_with(text, "clocks") == "clocks main/LAB -89.87 s SKEWED main/OPC1 +0.01 s OK main/OPC2 – UNKNOWN"
    assert line_with(text, "quality") == "quality 2 checks fail"
    assert line_with(text, ":20360") == "Kafka 127.0.0.1:20360"


def test_the_head_says_what_goes_on_and_for_how_long() -> None:
    head = shown(FULL).splitlines()[0]
    assert head.startswith("pibridge demo · values flow")
    assert head.rstrip().endswith("46 s")


@pytest.mark.parametrize("height", [24, 30, 50])
def test_the_screen_is_filled_with_what_happened_last_and_never_taller_than_the_terminal(height: int) -> None:
    lines = shown(FULL, height).rstrip("\n").splitlines()
    assert len(lines) == height - 1, "the last line is the cursor's"
    assert lines[-1].split() == ["39.0", "s", "line", "39"]


def test_on_a_very_small_terminal_three_lines_of_what_happened_are_left() -> None:
    lines = shown(FULL, 5).rstrip("\n").splitlines()
    assert [line.split()[-1] for line in lines[-3:]] == ["37", "38", "39"]
    assert "36.0 s" not in "\n".join(lines)


def test_long_lines_are_cut_and_not_wrapped() -> None:
    long = State(happened=(Happened(1.0, "x" * 300),), places=(("tables", "/" + "y" * 300),))
    lines = shown(long, width=80).rstrip("\n").splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("xxx" in line for line in lines) == sum("yyy" in line for line in lines) == 1


def test_a_state_of_which_nothing_is_known_can_be_shown() -> None:
    text = shown(State())
    assert line_with(text, "latency") == "latency PI → Kafka – → Delta –"
    assert line_with(text, "clocks") == "clocks –"


def test_a_wrong_clock_stands_out() -> None:
    assert "\x1b[31mmain/LAB -89.87 s SKEWED" in shown(FULL, colour=True)
    assert "\x1b[32mmain/OPC1 +0.01 s OK" in shown(FULL, colour=True)


def test_without_a_terminal_the_state_is_one_line() -> None:
    assert line_of(FULL) == (
        "sent 100/s, previews 99/s, stated 412/s, late 0/s, bronze 0/s | PI to Kafka 0.17 s, to Delta 9.2 s | oldest coverage lag 12 s | "
        "incidents 1 open of 3 | late 120 (BEHIND_COVERAGE 5, BUFFERED_INTERFACE 115) | "
        "clocks main/LAB -89.87 s SKEWED, main/OPC2 – UNKNOWN, 1 OK"
    )


def test_the_result_is_printed_as_figures_and_as_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    result = Result(result="failed", skewed=("main/LAB",), late_found={"BEHIND_COVERAGE": 5}, not_found=("the clock was not judged",))
    print_result(result.as_json(), as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["skewed"], printed["late_found"]) == (["main/LAB"], {"BEHIND_COVERAGE": 5})
    print_result(result.as_json(), as_json=False)
    text = capsys.readouterr().out
    assert line_with(text, "skewed") == 'skewed ["main/LAB"]'
    assert line_with(text, "not_found") == 'not_found ["the clock was not judged"]'
    assert line_with(text, "late_found") == 'late_found {"BEHIND_COVERAGE": 5}'
