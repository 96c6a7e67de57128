"""`pibridge demo`: all of it on this machine, with a proof at the end (design 8)."""

import json
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bridge import kafka
from console import demo_config, planted, proof, subjects, topics
from console.demo_config import CSV_FILE, CSV_POINT, LATE_SECONDS, PASSWORD, SERVER
from console.gauges import Gauges
from console.lakehouse import Bronze, silver_rows
from console.plant import Plant, PlantPoint
from console.planted import Findings, Planted
from console.result import Result
from console.screen import FLOWING
from console.stack import Stack, StackError, running
from console.stack.child import Child
from console.story import AHEAD_SECONDS, Story, covered_ends
from console.telling import Teller, telling
from console.watch import DeltaWatch, KafkaWatch
from schemas.config import Config, load
from schemas.shards import shard_of

_START_SECONDS = 180.0
_FIND_SECONDS = 90.0
"""So much longer than asked for values flow while the processors have not found what was planted."""
_SETTLED_SECONDS = 240.0
"""What is stamped ahead of PI's clock can be stated when its time has come."""
_MAX_LAG_SECONDS = 30.0
_REFINE_SECONDS = 600.0
_VERIFIER_SECONDS = 600.0


@dataclass(frozen=True)
class Options:
    """What the user chose."""

    seconds: float = 60.0
    points: int = 1000
    rate: float = 100.0
    directory: Path | None = None
    keep: bool = False
    catalog_uri: str | None = None
    verify: bool = False
    """Let the verifier judge the whole run too, by the simulator's journal."""
    profile: str = "steady"
    """The simulator's profile of load."""


def run(options: Options) -> Result:
    """Runs the demo. Raises StackError if something it needs is not to be had; KeyboardInterrupt passes through, with all stopped."""
    began = time.monotonic()
    with (
        telling(began) as tell,
        _directory(options) as directory,
        running(directory, say=tell, catalog_uri=options.catalog_uri) as stack,
        closing(Demo(options, stack, tell, began)) as demo,
    ):
        return demo.run()


@contextmanager
def _directory(options: Options) -> Iterator[Path]:
    if options.directory is not None:
        options.directory.mkdir(parents=True, exist_ok=True)
        yield options.directory
    elif options.keep:
        yield Path(tempfile.mkdtemp(prefix="pibridge-demo-"))
    else:
        with tempfile.TemporaryDirectory(prefix="pibridge-demo-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)


class Demo:
    """One run, on a stack that is up."""

    def __init__(self, options: Options, stack: Stack, tell: Teller, began: float) -> None:
        self._options, self._stack, self._tell, self._began = options, stack, tell, began
        self.bronze = Bronze(stack.warehouse)
        self._open = ExitStack()
        self.environment = {**os.environ, PASSWORD: secrets.token_urlsafe(16), "JAVA_HOME": str(stack.java_home)}
        """What processes that use the demo's configuration need."""

    def run(self) -> Result:
        """Starts the rest, lets values flow, proves."""
        self._plant = self._open.enter_context(closing(Plant(self._start_simulator())))
        path = demo_config.write(self._stack, self._plant, self._options.profile)
        self._config = config = load(path, self.environment)
        topics.apply(config)
        subjects.register(config)
        self._tell(f"topics pi.{config.source}.* and their subjects exist; configuration {path}")
        self._landing = self._start("spark", "spark_jobs", "bronze", "--config", str(path))
        self._start("processors", "stream_processors", "run", "--config", str(path))
        self._story = Story(self._plant, self._tell, lambda: covered_ends(self.bronze.statements()), self._ready, self._key_of)
        self._story.begin()
        self._start("bridge", "bridge", "run", "--config", str(path))
        codec = self._open.enter_context(closing(kafka.codec(config)))
        self._kafka, self._delta = KafkaWatch(config, codec, LATE_SECONDS), DeltaWatch(self._stack.warehouse)
        self._gauges = Gauges(self._plant, self._kafka, self._delta, self._places(path))
        self._kafka.start()
        self._delta.start()
        try:
            self._show("waiting for the first value")
            self._wait_for_preview()
            self._flow()
            self._plant.stop_load()
            self._tell(f"the plant stands still; waiting until every active point is covered, up to {AHEAD_SECONDS:g} s ahead")
            unsettled = self._settle()
        finally:
            self._kafka.stop()
            self._delta.stop()
        self._show("comparing with the archive")
        result = self.prove(self.bronze, unsettled)
        self._show("making silver and gold")
        result.rows_silver = self._refine(path)
        if self._options.verify:
            self._show("letting the verifier judge")
            self._verify(result)
        return result

    def close(self) -> None:
        """Closes what the demo holds open; the stack ends by itself."""
        self._open.close()

    # -- starting -----------------------------------------------------------------------------------------------------------------

    def _start(self, name: str, *module: str) -> Child:
        log_path = self._stack.directory / "logs" / f"{name}.log"
        child = self._stack.children.start(
            name, [sys.executable, "-m", *module], log_path=log_path, environment=self.environment, grace_seconds=10
        )
        self._tell(f"{name} starts, process {child.pid}, log {log_path}")
        return child

    def _start_simulator(self) -> str:
        options = self._options
        child = self._start(
            "simulator", "simulator", "--json", "--points", str(options.points), "--rate", str(options.rate), "--history", "9000",
            "--user", "pibridge", "--password-env", PASSWORD, "--replay-csv", f"{CSV_POINT}={CSV_FILE}", "--profile", options.profile,
            *(["--journal", str(self._journal)] if options.verify else []),
        )  # fmt: skip
        ready: list[str] = []

        def answered() -> bool:
            ready.extend(line for line in child.log().splitlines() if line.startswith('{"url"'))
            return bool(ready)

        self._stack.children.wait_until(answered, child, "the simulator", 60)
        return ready[0]

    def _places(self, config: Path) -> list[tuple[str, str]]:
        stack = self._stack
        places = [("Kafka", stack.bootstrap_servers), ("registry", stack.registry_url), ("tables", str(stack.warehouse))]
        catalog = [] if stack.catalog_uri is None else [("catalog", stack.catalog_uri)]
        return [*places, *catalog, ("settings", str(config))]

    # -- flowing ------------------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        self._stack.check()
        for error in (self._kafka.error, self._delta.error):
            if error is not None:
                raise StackError(f"A watcher of the demo failed: {error!r}.", f"Logs are in {self._stack.directory / 'logs'}.")

    def _wait_for_preview(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self._kafka.first_preview is None:
            self._check()
            if time.monotonic() > deadline:
                raise StackError(
                    f"No preview came into Kafka within {_START_SECONDS:g} s.", f"Logs are in {self._stack.directory / 'logs'}."
                )
            time.sleep(0.1)
        self._tell(f"first preview in Kafka, seen by a consumer of committed records at {self._stack.bootstrap_servers}")

    def _flow(self) -> None:
        """The time asked for, from the first committed preview; longer only if the story or the processors need it."""
        began, seconds, patience = time.monotonic(), self._options.seconds, None
        committed, told = False, Findings()
        while True:
            time.sleep(1.0)
            self._check()
            lasted = time.monotonic() - began
            if self._delta.first_commit is not None and not committed:
                committed = True
                self._tell(f"first commit of bronze.pi_timeseries, {self._delta.rows} rows, below {self._stack.warehouse}")
            self._story.play(lasted / seconds)
            told = self._tell_news(told)
            self._show(FLOWING, lasted / seconds)
            if self._story.over and lasted >= seconds:
                patience = patience or lasted + _FIND_SECONDS
                if not self._complaints(told) or lasted > patience:
                    return
            elif lasted > seconds + _START_SECONDS:
                raise StackError(
                    f"The demo's story could not be played: scene {self._story.played + 1} is still to come.",
                    f"Logs are in {self._stack.directory / 'logs'}.",
                )

    def findings(self) -> Findings:
        """What the processors have found until now."""
        return self._kafka.findings()

    def _tell_news(self, told: Findings) -> Findings:
        found = self.findings()
        for sentence in planted.news(told, found):
            self._tell(f"found: {sentence}")
        return found

    def _show(self, phase: str, share: float | None = None) -> None:
        self._tell.show(self._gauges.read(phase, share))

    # -- what the processors have to find -----------------------------------------------------------------------------------------

    def _ready(self, interface: str) -> bool:
        shards = {shard_of(key, self._config.delivery.shards) for key in self._story.keys(interface)}
        states = [incident["state"] for incident in self._kafka.incidents()]
        return bool(states) and "OPENED" not in states and self._kafka.has_heard(_group(interface), shards)

    def _planted(self) -> list[Planted]:
        story = self._story
        inserted = [Planted(late.point_key, late.ticks // 10, "BEHIND_COVERAGE") for late in story.inserted]
        if story.held is None:
            return inserted
        kept = planted.kept_back(self._kafka.delayed(), story.keys(story.cast.buffered), *story.held, self._kafka.incidents())
        return inserted + [Planted(preview.point_key, preview.event_time, "BUFFERED_INTERFACE") for preview in kept]

    @property
    def _clocks(self) -> dict[str, float]:
        """By clock group, what has to be added to its timestamps."""
        return {_group(self._story.cast.ahead): -AHEAD_SECONDS}

    def _complaints(self, findings: Findings) -> list[str]:
        # Where the plant corrects values all the time, an interface that keeps its own back is never silent.
        return planted.complaints(self._planted(), self._clocks, findings, any_cause=self._options.profile == "verify")

    # -- proving ------------------------------------------------------------------------------------------------------------------

    def _key_of(self, point: PlantPoint) -> str:
        return f"{SERVER}:{point.point_id}"

    def _settle(self) -> str | None:
        """Waits until bronze covers all that happened; answers what it still lacks when patience ends."""
        deadline, told = time.monotonic() + _SETTLED_SECONDS, None
        while True:
            self._check()
            lacking = self._lacking()
            if lacking is None or time.monotonic() > deadline:
                return lacking
            if lacking != told:
                self._tell(f"waiting: {lacking}")
                told = lacking
            self._show("waiting for the archive")
            time.sleep(2.0)

    def _lacking(self) -> str | None:
        statements = self.bronze.statements()
        lag = self._lag_seconds(covered_ends(statements))
        if lag > _MAX_LAG_SECONDS:
            return f"the oldest coverage lag is {lag:.0f} s"
        if waiting := [incident for incident, (_, state) in self.bronze.incidents().items() if state != "CLOSED"]:
            return f"{len(waiting)} incidents are not closed, {waiting[0]} among them"
        rows, _, _ = self.bronze.samples()
        if (found := self._late_found(rows, statements)) < len(self._story.inserted):
            return f"{found} of {len(self._story.inserted)} late values are stated"
        return None

    def _lag_seconds(self, covered: dict[str, int]) -> float:
        lags = [
            p.newest_archived - covered.get(self._key_of(p), 0) for p in self._plant.points() if p.live and p.newest_archived is not None
        ]
        return max([*lags, 0]) / 10_000_000

    def _late_found(self, rows: dict[tuple[str, int, int, int], list[proof.Row]], statements: dict[str, list[proof.Statement]]) -> int:
        found = 0
        for late in self._story.inserted:
            span = next((h for h in proof.holding(statements.get(late.point_key, [])) if h.begin <= late.ticks < h.end), None)
            event = proof.archived("Float64", late.value, (True, False, False, False))
            found += span is not None and any(t == late.ticks and e.value == event.value for t, _, e in rows.get(span.statement.place, []))
        return found

    def prove(self, bronze: Bronze, unsettled: str | None = None, findings: Findings | None = None) -> Result:
        """Compares the plant's archive with what bronze holds, and what was planted with what was found. The plant must stand still."""
        self._tell("comparing the archive of every point in its covered range with the newest statements in bronze")
        statements = bronze.statements()
        rows, previews, rows_bronze = bronze.samples()
        verdict, csv = proof.Verdict(), proof.Verdict()
        covered = 0
        points = self._plant.points()
        for point in points:
            stated = statements.get(self._key_of(point), [])
            covered += bool(stated)
            if held := proof.holding(stated):
                truth = self._plant.archive(point, held[0].begin, held[-1].end)
                proof.compare(self._key_of(point), held, rows, truth, csv if point.name == CSV_POINT else verdict)
        incidents = bronze.incidents()
        findings = self.findings() if findings is None else findings
        result = Result(
            points=len(points),
            points_covered=covered,
            oldest_coverage_lag_seconds=round(self._lag_seconds(covered_ends(statements)), 3),
            previews=previews,
            statements=sum(map(len, statements.values())),
            rows_bronze=rows_bronze,
            archived_in_scope=verdict.compared,
            csv_rows=csv.compared,
            lost=verdict.lost + csv.lost,
            invented=verdict.invented + csv.invented,
            wrong=verdict.wrong + csv.wrong,
            duplicates=verdict.duplicates + csv.duplicates,
            sockets_lost=sum(kind == "CHANNEL_LOST" for kind, _ in incidents.values()),
            late_inserted_found=self._late_found(rows, statements),
            dead_letters=bronze.dead_letters(),
            late_planted=dict(Counter(value.cause for value in self._planted())),
            late_found=findings.late_found(),
            skew_planted_seconds=self._clocks,
            skew_seconds=findings.skew_seconds(),
            skewed=tuple(findings.skewed()),
            not_found=tuple(self._complaints(findings)),
            seconds_to_first_preview_in_kafka=self._since(self._kafka.first_preview),
            seconds_to_first_bronze_commit=self._since(self._delta.first_commit),
            catalog_tables=self._catalog_tables(self._config),
            examples=csv.examples | verdict.examples,
            unsettled=unsettled,
            versions=self._stack.versions(),
        )
        complete = covered == len(points) and verdict.compared and csv.compared
        if verdict.clean and csv.clean and complete and unsettled is None and not result.not_found:
            result.result = "proved"
        return result

    def _refine(self, config: Path) -> int:
        """Makes silver and gold of what bronze has; answers the number of events. Bronze stands still from then on."""
        stack = self._stack
        stack.children.stop_one(self._landing)
        child = self._start("refine", "spark_jobs", "refine", "--available-now", "--config", str(config))
        if (exit_code := stack.children.finish(child, _REFINE_SECONDS, stack.check)) != 0:
            raise StackError(f"The job that makes silver and gold ended with exit code {exit_code}.", f"Its log is {child.log_path}.")
        return silver_rows(stack.warehouse)

    @property
    def _journal(self) -> Path:
        return self._stack.directory / "journal.jsonl"

    def _verify(self, result: Result) -> None:
        """Adds the verifier's counts to the result; its whole report is `verifier.log`."""
        stack = self._stack
        self._tell("the verifier reads the simulator's journal, Kafka and the tables")
        command = [
            sys.executable, "-m", "verifier", "--journal", str(self._journal), "--bootstrap-servers", stack.bootstrap_servers,
            "--registry", stack.registry_url, "--source", self._config.source, "--alias", f"{SERVER}={self._plant.server_id}",
            "--warehouse", str(stack.warehouse), "--json",
        ]  # fmt: skip
        log_path = stack.directory / "logs" / "verifier.log"
        child = stack.children.start("verifier", command, log_path=log_path, environment=self.environment)
        exit_code = stack.children.finish(child, _VERIFIER_SECONDS, self._stack.check)
        report = next((json.loads(line) for line in log_path.read_text().splitlines() if line.startswith("{")), None)
        if report is None:
            raise StackError(f"The verifier ended with exit code {exit_code} and no result.", f"Its log is {log_path}.")
        result.verifier = {check["check"]: check["count"] for check in report["checks"]}
        result.examples |= {check["check"]: check["example"] for check in report["checks"] if check["count"]}
        if exit_code != 0:
            result.result = "failed"

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else round(moment - self._began, 1)

    def _catalog_tables(self, config: Config) -> int | None:
        if self._stack.catalog_uri is None or config.lakehouse is None:
            return None
        query = {"catalog_name": config.lakehouse.catalog_name, "schema_name": "bronze"}
        answer = httpx2.get(f"{self._stack.catalog_uri}/api/2.1/unity-catalog/tables", params=query, timeout=20, trust_env=False)
        return len(answer.raise_for_status().json().get("tables", []))


def _group(interface: str) -> str:
    """The clock group of an interface's points."""
    return f"{SERVER}/{interface}"
