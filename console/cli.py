"""The `pibridge` command: what a person touches. It dispatches and starts processes; no data passes through it."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import httpx2
import typer
from confluent_kafka import KafkaException
from confluent_kafka.schema_registry.error import SchemaRegistryError
from rich.table import Table
from typer.core import TyperGroup

from bridge.errors import BridgeError
from bridge.run import stops_it
from console import answers, groups, incidents, lakehouse, reconcile
from console import demo as demonstration
from console import tap as tapping
from console.answers import NoAnswer
from console.options import DEFAULT_CONFIG, ConfigOption, JsonOption, ReasonOption
from console.printing import console_of_width, print_result
from console.stack import StackError
from schemas.config import ConfigError, instant_of, load


class Sentences(TyperGroup):
    """Turns the errors that a person can do something about into a sentence and an exit code; any other is a defect and shows as one."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            self._say("interrupted; everything that was started has been stopped", 130)
        except ConfigError as error:
            self._say(str(error), 2)
        except StackError as error:
            self._say(str(error), error.exit_code)
        except NoAnswer as error:
            raise typer.Exit(error.exit_code) from error
        except incidents.NotAcceptable as error:
            self._say(str(error), 1)
        except BridgeError as error:
            self._say(str(error), stops_it(error))
        except KafkaException as error:
            self._say(f"Kafka does not do what was asked: {error.args[0].str()}", 3)
        except SchemaRegistryError as error:
            self._say(f"the registry does not do what was asked: {error}", 3)
        except httpx2.HTTPError as error:
            self._say(f"the registry, the catalog or the simulator does not answer: {error!r}", 3)

    @staticmethod
    def _say(sentence: str, exit_code: int) -> NoReturn:
        sys.stderr.write(sentence + "\n")
        raise typer.Exit(exit_code)


app = typer.Typer(
    cls=Sentences,
    help="PI to Kafka to Delta, complete and correct.",
    epilog="Exit codes: 0 ok, 1 a check failed, 2 usage or configuration, 3 something it depends on is unavailable, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(groups.topics_app, name="topics")
app.add_typer(groups.incidents_app, name="incidents")
app.add_typer(groups.schemas_app, name="schemas")


@app.command()
def demo(
    seconds: Annotated[float, typer.Option(min=10, help="How long values flow, from the first committed preview.")] = 60.0,
    points: Annotated[int, typer.Option(min=50, max=100_000, help="Points in the simulated plant.")] = 1000,
    rate: Annotated[float, typer.Option(min=10, help="Values per second of all points together.")] = 100.0,
    directory: Annotated[Path | None, typer.Option("--dir", help="Where everything is kept; default: a temporary directory.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Do not remove the temporary directory.")] = False,
    catalog_uri: Annotated[
        str | None, typer.Option(help="A Unity Catalog server to register tables in, such as http://127.0.0.1:8080.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Let the verifier judge the run too: checks V1 to V10.")] = False,
    profile: Annotated[str, typer.Option(help="Load of the plant: steady, bursty, aveva, idle or verify.")] = "steady",
    as_json: JsonOption = False,
) -> None:
    """Start a simulated PI, Kafka, the bridge, the processors and Spark on this machine; let values flow; prove that none is lost.

    One interface's clock is 90 s ahead, another keeps its values back for 30 s; a socket is lost, five values come late, one is malformed.
    At the end the plant stands still, and its archive is compared with the Delta tables, event by event and bit by bit. Exit code 0 only if
    nothing is lost, invented, wrong or doubled, and the processors have found the clock and each value that came late on purpose.
    """
    result = demonstration.run(demonstration.Options(seconds, points, rate, directory, keep, catalog_uri, verify, profile))
    print_result(result.as_json(), as_json)
    raise typer.Exit(0 if result.result == "proved" else 1)


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Look at PI, Kafka and the registry as `run` needs them, and say all that is wrong. The same as `python -m bridge check`.

    Changes nothing. Exit code 0: all is well, 1: something is wrong, 2: the configuration file, 3: something does not answer.
    """
    _dispatch("bridge", "check", "--config", str(config), *(["--json"] if as_json else []))


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the bridge: PI to Kafka. The same as `python -m bridge run`."""
    _dispatch("bridge", "run", "--config", str(config))


@app.command()
def process(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the processors: late data, clock skew and quality in what the bridge publishes. The same as `python -m stream_processors run`."""
    _dispatch("stream_processors", "run", "--config", str(config))


class Finding(StrEnum):
    """What can be tapped."""

    LATE = "late"
    SKEW = "skew"
    QUALITY = "quality"


BeginningOption = Annotated[bool, typer.Option("--from-beginning", help="All that the topic holds first.")]
LinesOption = Annotated[bool, typer.Option("--json", help="One JSON object a line, times in microseconds since 1970.")]
CountOption = Annotated[int | None, typer.Option("--count", min=1, help="End after so many.")]


@app.command()
def tap(
    what: Annotated[Finding, typer.Argument(help="late: values beyond their threshold; skew: clocks; quality: checks that fail or pass.")],
    from_beginning: BeginningOption = False,
    count: CountOption = None,
    as_json: LinesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Print what the processors find, as it comes: a line a finding, until Ctrl-C."""
    try:
        tapping.tap(load(config), what.value, from_beginning, as_json, count)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


PointOption = Annotated[
    list[str] | None, typer.Option("--point", metavar="NAME|KEY", help="A point; may be repeated. Default: all points.")
]
FilterOption = Annotated[list[str] | None, typer.Option("--filter", metavar="GLOB", help="Names with * and ?; may be repeated.")]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Do not follow the job.")]
_JOBS_EPILOG = """Exit codes: 0 done, 1 refused, or no point is concerned, 2 usage or configuration, 3 Kafka or the registry is away,
130 interrupted: the job goes on, and `pibridge jobs ID` follows it again."""


@app.command(epilog=_JOBS_EPILOG)
def rescan(
    begin: Annotated[str, typer.Option("--from", metavar="T", help="An instant such as 2024-01-31T00:00:00Z, or 30d: so long ago.")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="The end, exclusive; whole hours around the range are read.")],
    point: PointOption = None,
    filter_: FilterOption = None,
    reason: ReasonOption = None,
    no_wait: NoWaitOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Have covered hours read again from PI's archive and stated anew, and follow that until it is done."""
    _give("rescan", ["--from", begin, "--to", end], point, filter_, reason, no_wait, as_json, config)


@app.command(epilog=_JOBS_EPILOG)
def backfill(
    to_start: Annotated[str, typer.Option(metavar="T", help="The new start, such as 2020-01-01T00:00:00Z, or 300d: so long ago.")],
    point: PointOption = None,
    filter_: FilterOption = None,
    reason: ReasonOption = None,
    no_wait: NoWaitOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Have points filled back to an earlier start than they were configured with, and follow that until it is done."""
    _give("backfill", ["--to-start", to_start], point, filter_, reason, no_wait, as_json, config)


def _give(
    name: str,
    range_: list[str],
    points: list[str] | None,
    filters: list[str] | None,
    reason: str | None,
    no_wait: bool,
    as_json: bool,
    config: Path,
) -> NoReturn:
    chosen = [f"--point={given}" for given in points or []] + [f"--filter={given}" for given in filters or []]
    more = [f"--reason={reason}"] if reason is not None else []
    _dispatch("bridge", name, *range_, *chosen, *more, *_flags(no_wait, as_json), "--config", str(config))


def _flags(no_wait: bool, as_json: bool) -> list[str]:
    return [*(["--no-wait"] if no_wait else []), *(["--json"] if as_json else [])]


@app.command(epilog=_JOBS_EPILOG)
def jobs(
    job_id: Annotated[str | None, typer.Argument(metavar="ID", help="The job to follow.")] = None,
    no_wait: NoWaitOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """List what became of commands; with an id, follow that job until it is done."""
    _dispatch("bridge", "jobs", *([job_id] if job_id is not None else []), *_flags(no_wait, as_json), "--config", str(config))


@app.command()
def tables(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List the Delta tables below the warehouse: rows, files, bytes and the last commit of each. Needs no Spark and no catalog."""
    print_result({"schema_version": 1, "tables": lakehouse.listed(load(config))}, as_json)


@app.command()
def land(
    config: ConfigOption = DEFAULT_CONFIG,
    available_now: Annotated[bool, typer.Option("--available-now", help="Land what is there, then stop.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Fill tables that are gone again with what Kafka still holds.")] = False,
) -> None:
    """Run the Spark job: Kafka to Delta. The same as `python -m spark_jobs bronze`."""
    flags = [*(["--available-now"] if available_now else []), *(["--rebuild"] if rebuild else [])]
    _dispatch("spark_jobs", "bronze", "--config", str(config), *flags)


@app.command()
def refine(
    config: ConfigOption = DEFAULT_CONFIG,
    available_now: Annotated[bool, typer.Option("--available-now", help="Refine what bronze has, then stop.")] = False,
) -> None:
    """Run the Spark job: bronze to silver and gold. The same as `python -m spark_jobs refine`."""
    _dispatch("spark_jobs", "refine", "--config", str(config), *(["--available-now"] if available_now else []))


@app.command("reconcile", epilog="Exit codes: 0 complete, 1 something is missing or altered, 2 usage, 3 no answer, 130 interrupted.")
def reconcile_(
    begin: Annotated[str, typer.Option("--from", metavar="T", help="An instant such as 2024-01-31T00:00:00Z, or 30d: so long ago.")] = "7d",
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="The end, exclusive; default: now.")] = None,
    pi: Annotated[bool, typer.Option("--pi/--no-pi", help="Ask PI for its own counts too, gently.")] = True,
    repair: Annotated[bool, typer.Option("--repair", help="Have what is not as it should be read again, wait, and look again.")] = False,
    wait: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="After a repair: how long its rescans may take, and landing and refining.")
    ] = 900.0,
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a heat map of points and hours there, as SVG.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Hold the coverage ledger, the tables and PI's own counts against each other, by point and hour.

    Statements are recounted bit by bit, holes in coverage looked for, silver compared with bronze. It all goes to silver.pi_completeness.
    A repair needs bridge, land and refine to be running.
    """
    now = datetime.now(UTC)
    try:
        range_ = instant_of(begin, now), now if end is None else instant_of(end, now)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    answer = reconcile.run(config, load(config), reconcile.Options(*range_, pi, repair, wait, picture))
    print_result(answer.result, as_json)
    raise typer.Exit(answer.exit_code)


@app.command(epilog="Exit codes: 0 answered, 1 the question failed, 2 usage or no question, 3 there are no tables yet, 130 interrupted.")
def query(
    sql: Annotated[str | None, typer.Argument(metavar="SQL", help="The question.")] = None,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A file with the question, or one that comes along: corrections_of_day, gaps, hourly_averages, known_at, last_values, "
            "late_share.",
        ),
    ] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter, :name in the SQL; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 1000,
    as_json: JsonOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask the tables by name, in Spark's SQL; nothing can be changed. pi_timeseries_now has the newest of everything.

    For example: pibridge query --file last_values --param tag=FIC%
    """
    if (sql is None) == (file is None):
        raise typer.BadParameter("give the question itself, or --file")
    asked = ["--", sql] if sql is not None else [f"--file={file}"]  # a question may begin with a comment
    more = [f"--param={given}" for given in param or []]
    answer = answers.answer_of("spark_jobs", "query", "--config", str(config), "--limit", str(limit), *more, *asked)
    if as_json:
        print_result(answer.result, True)
        return
    table = Table(*answer.result["columns"])
    for row in answer.result["rows"]:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in answer.result["columns"]))
    console_of_width().print(table)
    if answer.result["more_rows"]:
        sys.stderr.write(f"there are more rows than {limit}: see --limit\n")


def _dispatch(*module: str) -> NoReturn:
    process = subprocess.Popen([sys.executable, "-m", *module])  # noqa: S603 - our own module, arguments apart
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child too, which decides
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    raise typer.Exit(process.wait())


def main() -> NoReturn:
    """The command's entry point."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    app()
    sys.exit(0)
