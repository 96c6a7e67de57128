"""A benchmark in parts: each has servers of its own, results are kept one by one, and goals judge them."""

import argparse
import asyncio
import inspect
import json
import operator
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.bridge.ground import Ground, Json, Void, as_table, say
from console.stack import StackError, running
from proofs.evidence import Evidence

Test = tuple[Callable[[float, float], bool], str]
LEAST: Test = (operator.ge, "at least")
MOST: Test = (operator.le, "at most")
Goal = tuple[str, Sequence[str], float, Test]
"""Part, place in its result, goal, how it is compared."""


@dataclass(frozen=True)
class Benchmark:
    """Its parts by name, and its goals."""

    parts: Mapping[str, Callable[[Ground, Any], Any]]
    goals: Sequence[Goal]

    def judged(self, results: Json) -> Json:
        """Each goal whose part has a result, with what was measured and whether it is met."""
        found: Json = {}
        for part, path, goal, (meets, word) in self.goals:
            if part not in results or "void" in results[part]:
                continue
            measured: Any = results[part]
            for name in path:
                measured = measured[name]
            found[" ".join((part, *path))] = {"measured": measured, "goal": f"{word} {goal:g}", "met": meets(measured, goal)}
        return found

    def text_of(self, results: Json) -> str:
        """The results and the goals for people."""
        lines = [line for name, result in results.items() for line in (name, *as_table(result))]
        lines.append("goals")
        for name, goal in self.judged(results).items():
            lines.append(f"  {name:50} {goal['measured']:>12,}   {goal['goal']:>14}   {'met' if goal['met'] else 'NOT MET'}")
        return "\n".join(lines)

    def parser(self, command: str, description: str | None) -> argparse.ArgumentParser:
        """The options that every such benchmark has."""
        made = argparse.ArgumentParser(command, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        made.epilog = "exit codes: 0 every goal is met, 1 one is not, or an output was wrong, 3 a server could not be started"
        made.add_argument("parts", nargs="*", metavar="PART", help=f"default all: {', '.join(self.parts)}")
        made.add_argument("--directory", type=Path, metavar="DIR", help="keep logs and data there (default: a temporary directory)")
        made.add_argument("--missing", action="store_true", help="only parts that --output has no result for, at this commit")
        made.add_argument("--json", action="store_true", help="one JSON object on stdout")
        made.add_argument(
            "--output", type=Path, metavar="FILE", help="write results there too (FILE.json), beside those of the same commit"
        )
        return made

    def asked(self, parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
        """What the command line asks for; ends with exit code 2 where a part is none."""
        given = parser.parse_args(arguments)
        if unknown := [name for name in given.parts if name not in self.parts]:
            parser.error(f"no part {', '.join(unknown)}; there are {', '.join(self.parts)}")
        return given

    def run(self, given: argparse.Namespace, options: Any, commit: Callable[[], str]) -> int:
        """Measures what is asked for and prints it; answers the exit code."""
        evidence = None if given.output is None else Evidence(given.output.stem, commit(), given.output.parent)
        if evidence is not None:
            evidence.resume()
        known = evidence.results if evidence is not None and given.missing else {}
        parts = [name for name in given.parts or self.parts if name not in known]
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no child is left behind

        def keep(name: str, result: Json) -> None:
            if evidence is not None:
                evidence.add(name, result)

        try:
            with tempfile.TemporaryDirectory(prefix="pibridge-benchmark-", ignore_cleanup_errors=True) as temporary:
                results = known | self._measure(parts, options, given.directory or Path(temporary), keep)
        except StackError as error:
            say(str(error))
            return 3
        goals = self.judged(results)
        print(json.dumps({"schema_version": 1, **results, "goals": goals}) if given.json else self.text_of(results))
        return 0 if all(goal["met"] for goal in goals.values()) and not any("void" in result for result in results.values()) else 1

    def _measure(self, parts: Sequence[str], options: Any, directory: Path, keep: Callable[[str, Json], None]) -> Json:
        """Results of the parts, each kept as soon as it is there; of a part whose output is wrong, what was wrong with it."""
        results: Json = {}
        for name in parts:
            say(f"{name}: {inspect.getdoc(self.parts[name])}")
            # Each part has servers of its own: none finds what another has left in them.
            with running(directory / name, say=say) as stack:
                try:
                    outcome = self.parts[name](Ground(stack, directory / name), options)
                    results[name] = asyncio.run(outcome) if inspect.iscoroutine(outcome) else outcome
                except Void as void:
                    results[name] = {"void": str(void)}
                    say(f"{name}: {void}")
                else:
                    results[name]["load_average"] = round(os.getloadavg()[1], 1)  # of five minutes: what others made the machine do
                    keep(name, results[name])
        return results
