"""What the simulator costs: a large plant on channels, and recorded values served in batches.

    python -m benchmarks.simulator                       a table on stdout, progress on stderr
    python -m benchmarks.simulator --json                one JSON object in its place
    python -m benchmarks.simulator --output FILE         the result into a file too, with the commit it is about

Live: one simulator with 100,000 points at 5,000 values/s; a client in another process subscribes all of them through as many stream-set
channels as their URLs need, and counts values. `values_lost` is what was written less what it received. Windows follow one another.

Batches: a client that only counts posts batches of 100 `recorded` reads. Warm: always the same ones. Cold: ranges that nobody has read,
so that the history has to be computed. The peer is the same handler in the same rounds, whose encoder is replaced: each value becomes a
dictionary, and the standard library's `json.dumps` writes the answer. The figures are void unless both answer the same.

The machine is mostly shared: read the ratio and the figures by CPU second first. Needs Linux.
"""

import argparse
import atexit
import json
import operator
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.simulator_children import call
from proofs.evidence import Evidence, commit

ROOT = Path(__file__).parents[1]
GOALS = {"cores": 1.0, "peak_rss_bytes": 1 << 30, "values_lost": 0, "values_per_second": 300_000}
BATCH_POINTS, BATCH_MAX_COUNT, BATCH_WINDOW_SECONDS = 100, 1000, 4000
SERVED_POINTS, SERVED_RATE, SERVED_HISTORY_SECONDS = 1000, 1000, 86_400
CHILDREN = "benchmarks.simulator_children"
STOP_SECONDS = 10.0
Json = dict[str, Any]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# Processes


class Process:
    """A child that is spoken to in lines: JSON in, JSON out."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", *(str(argument) for argument in arguments)]
        self._name = " ".join(command[2:4])
        self._child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        atexit.register(self._child.kill)
        self._seen = psutil.Process(self._child.pid)

    def answer(self) -> Any:
        """The next line it says. Raises RuntimeError if it ended."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name} ended with exit code {self._child.wait()}")
        return json.loads(line)

    def ask(self, order: Any) -> Any:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        return self.answer()

    def cpu_seconds(self) -> float:
        times = self._seen.cpu_times()
        return float(times.user + times.system)

    def peak_rss_bytes(self) -> int:
        text = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024

    def stop(self) -> None:
        self._child.terminate()
        try:
            self._child.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:  # one that is behind with its work does not look for signals
            self._child.kill()
            self._child.communicate()


class Simulator(Process):
    """A simulator, or the peer with another encoder."""

    def __init__(self, *options: object, peer: bool = False) -> None:
        program = (CHILDREN, "serve-with-json-dumps") if peer else ("simulator",)
        super().__init__(*program, "--json", "--rate-limit", 0, *options)
        ready = self.answer()
        self.url, self.control_url, self.server_id = str(ready["url"]), str(ready["control_url"]), str(ready["server_id"])

    def control(self, path: str, order: Any = None) -> Any:
        return json.loads(call(self.control_url + path, order))

    def web_ids(self) -> list[str]:
        """The short WebIDs of all points, page by page."""
        [server] = json.loads(call(self.url + "/dataservers"))["Items"]
        path, found = f"/dataservers/{server['WebId']}/points?webIDType=IDOnly&maxCount=10000&selectedFields=Items.WebId", list[str]()
        for start in count(0, 10_000):
            items = json.loads(call(f"{self.url}{path}&startIndex={start}"))["Items"]
            found += [item["WebId"] for item in items]
            if len(items) < 10_000:
                return found
        raise AssertionError


@contextmanager
def ended(*processes: Process) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.stop()


def spread(figures: Sequence[float], digits: int = 0) -> Json:
    """Median and range."""
    low, middle, high = (round(figure, digits) if digits else round(figure) for figure in (min(figures), median(figures), max(figures)))
    return {"median": middle, "min": low, "max": high}


# Live


def measure_live(points: int, rate: float, windows: int, window_seconds: float) -> Json:
    """One large plant on channels."""
    say(f"live: {points:,} points at {rate:,.0f} values/s")
    simulator = Simulator("--points", points, "--rate", rate)
    with ended(simulator):
        simulator.control("/load", {"running": False})
        client = Process(CHILDREN, "count-channels")
        with ended(client):
            opened = client.ask({"url": simulator.url, "web_ids": simulator.web_ids()})
            before = simulator.control("/status")
            simulator.control("/load", {"running": True})
            time.sleep(3)
            cores, rates = [], []
            for number in range(windows):
                cpu, wall, values = simulator.cpu_seconds(), time.monotonic(), client.ask("count")["values"]
                time.sleep(window_seconds)
                cpu, wall = simulator.cpu_seconds() - cpu, time.monotonic() - wall
                cores.append(cpu / wall)
                rates.append((client.ask("count")["values"] - values) / wall)
                say(f"  window {number + 1}: {cores[-1]:.2f} cores, {rates[-1]:,.0f} values/s received")
            simulator.control("/load", {"running": False})
            written, received = drained(simulator, client, before["events_written"])
            return {
                "points": points,
                "channels": opened["channels"],
                "window_seconds": window_seconds,
                "cores": spread(cores, 3),
                "values_per_second": spread(rates),
                "peak_rss_bytes": simulator.peak_rss_bytes(),
                "values_written": written,
                "values_lost": written - received,
            }


def drained(simulator: Simulator, client: Process, before: int) -> tuple[int, int]:
    """Values written since `before`, and values received once no more come."""
    written, received = simulator.control("/status")["events_written"] - before, -1
    deadline = time.monotonic() + 30
    while received != written and time.monotonic() < deadline:
        time.sleep(1)
        received = client.ask("count")["values"]
    return written, received


# Batches


class Batches:
    """Bodies of batches about one plant, the same for every server of its seed: none of `cold` is ever repeated."""

    def __init__(self, url: str, web_ids: Sequence[str], end_seconds: int) -> None:
        self._groups = [web_ids[at : at + BATCH_POINTS] for at in range(0, len(web_ids), BATCH_POINTS)]
        self._url = url
        self._end = end_seconds
        windows = SERVED_HISTORY_SECONDS // BATCH_WINDOW_SECONDS - 2
        self._fresh = ((group, window) for window in range(1, windows) for group in range(len(self._groups)))
        self.warm = self._body(0, 0)

    def cold(self) -> Json:
        try:
            return self._body(*next(self._fresh))
        except StopIteration:
            raise RuntimeError("all history has been read: ask for fewer rounds") from None

    def _body(self, group: int, window: int) -> Json:
        first, last = (moment(self._end - BATCH_WINDOW_SECONDS * (window + part)) for part in (1, 0))
        query = f"startTime={first}&endTime={last}&maxCount={BATCH_MAX_COUNT}"
        paths = (f"{self._url}/streams/{web_id}/recorded?{query}" for web_id in self._groups[group])
        return {str(number): {"Method": "GET", "Resource": path} for number, path in enumerate(paths)}


def moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def measure_batches(rounds: int, requests: int) -> Json:
    """The simulator and its peer, in turn, warm and cold."""
    say(f"batches: {BATCH_POINTS} reads of up to {BATCH_MAX_COUNT} values each, {requests} a round")
    options = ("--points", SERVED_POINTS, "--rate", SERVED_RATE, "--history", SERVED_HISTORY_SECONDS)
    servers = {"simulator": Simulator(*options), "json_dumps": Simulator(*options, peer=True)}
    client = Process(CHILDREN, "count-batches")
    found: dict[tuple[str, str], list[tuple[float, float]]] = {(state, name): [] for state in ("warm", "cold") for name in servers}
    with ended(*servers.values(), client):
        end = int(time.time()) - 600
        batches = {name: Batches(server.url, server.web_ids(), end) for name, server in servers.items()}
        for server in servers.values():
            server.control("/load", {"running": False})
        values = compare(servers, {name: batch.warm for name, batch in batches.items()})
        values = max(values, compare(servers, {name: batch.cold() for name, batch in batches.items()}))
        for number in range(rounds):
            for state in ("warm", "cold"):
                for name, server in servers.items():
                    if state == "warm":
                        client.ask({"url": server.url, "bodies": [batches[name].warm]})
                    bodies = [batches[name].warm if state == "warm" else batches[name].cold() for _ in range(requests)]
                    found[state, name].append(serve(server, client, bodies))
                    by_cpu, by_wall = found[state, name][-1]
                    say(f"  round {number + 1}, {state:4}, {name:10} {by_cpu:12,.0f} values per CPU second, {by_wall:12,.0f} per second")
    return {"values_per_batch": values} | {
        state: compared(found[state, "simulator"], found[state, "json_dumps"]) for state in ("warm", "cold")
    }


def compare(servers: dict[str, Simulator], bodies: dict[str, Json]) -> int:
    """The number of values in a batch. Raises RuntimeError unless all servers answer the same ones."""
    answers = [call(server.url + "/batch", bodies[name]) for name, server in servers.items()]
    contents = [{key: entry["Content"]["Items"] for key, entry in json.loads(text).items()} for text in answers]
    if contents[0] != contents[1] or not any(contents[0].values()):
        raise RuntimeError("the simulator and its peer do not answer the same values: the figures would mean nothing")
    return sum(map(len, contents[0].values()))


def serve(server: Simulator, client: Process, bodies: list[Json]) -> tuple[float, float]:
    """Values per CPU second of the server, and per second."""
    cpu = server.cpu_seconds()
    done = client.ask({"url": server.url, "bodies": bodies})
    return done["values"] / (server.cpu_seconds() - cpu), done["values"] / done["seconds"]


def compared(ours: list[tuple[float, float]], peers: list[tuple[float, float]]) -> Json:
    """`ratio`: by CPU second, round by round."""
    return {
        "values_per_cpu_second": spread([by_cpu for by_cpu, _ in ours]),
        "values_per_second": spread([by_wall for _, by_wall in ours]),
        "json_dumps_values_per_cpu_second": spread([by_cpu for by_cpu, _ in peers]),
        "json_dumps_values_per_second": spread([by_wall for _, by_wall in peers]),
        "ratio": spread([ours_[0] / peer[0] for ours_, peer in zip(ours, peers, strict=True)], 2),
    }


# The result


def judged(live: Json | None, batches: Json | None) -> Json:
    """Each goal with what was measured and whether it is met."""
    measured: list[tuple[str, float, float, Callable[[Any, Any], bool]]] = []
    if live is not None:
        measured.append(("live cores", live["cores"]["median"], GOALS["cores"], operator.le))
        measured.append(("live peak_rss_bytes", live["peak_rss_bytes"], GOALS["peak_rss_bytes"], operator.le))
        measured.append(("live values_lost", live["values_lost"], GOALS["values_lost"], operator.eq))
    if batches is not None:
        goal = GOALS["values_per_second"]
        measured += [
            (f"{state} values_per_second", batches[state]["values_per_second"]["median"], goal, operator.ge) for state in ("warm", "cold")
        ]
    return {name: {"measured": got, "goal": goal, "met": meets(got, goal)} for name, got, goal, meets in measured}


def as_table(result: Json) -> str:
    lines = []
    for part in ("live", "batches"):
        if part in result:
            lines += [part, *rows(result[part], "  ")]
    lines += ["goals"]
    for name, goal in result["goals"].items():
        lines.append(f"  {name:38} {goal['measured']:>14,} of {goal['goal']:>13,}  {'met' if goal['met'] else 'NOT MET'}")
    return "\n".join(lines)


def rows(item: Json, indent: str) -> Iterator[str]:
    for name, part in item.items():
        if isinstance(part, dict) and "median" in part:
            yield f"{indent}{name:{40 - len(indent)}} {part['median']:>14,}   ({part['min']:,} to {part['max']:,})"
        elif isinstance(part, dict):
            yield f"{indent}{name}"
            yield from rows(part, indent + "  ")
        else:
            yield f"{indent}{name:{40 - len(indent)}} {part:>14,}"


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    live = None if given.only == "batches" else measure_live(given.points, given.rate, given.rounds, given.window_seconds)
    batches = None if given.only == "live" else measure_batches(given.rounds, given.requests)
    parts = {name: part for name, part in (("live", live), ("batches", batches)) if part is not None}
    result: Json = {"schema_version": 1, **parts, "goals": judged(live, batches)}
    if given.output is not None:
        evidence = Evidence(given.output.stem, commit(), given.output.parent)
        evidence.resume()
        for name in (*parts, "goals"):
            evidence.add(name, result[name])
    print(json.dumps(result) if given.json else as_table(result))
    return 0 if all(goal["met"] for goal in result["goals"].values()) else 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "python -m benchmarks.simulator", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.epilog = "exit codes: 0 every goal is met, 1 one is not"
    made.add_argument("--only", choices=("live", "batches"), help="one part (default: both)")
    made.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="windows of the live part, rounds of the other (default %(default)s)"
    )
    made.add_argument("--points", type=int, default=100_000, metavar="N", help="points of the live part (default 100,000)")
    made.add_argument("--rate", type=float, default=5_000.0, metavar="R", help="values per second of the live part (default 5,000)")
    made.add_argument("--window-seconds", type=float, default=20.0, metavar="S", help="length of a live window (default %(default)s)")
    made.add_argument("--requests", type=int, default=8, metavar="N", help="batches a round (default %(default)s)")
    made.add_argument("--json", action="store_true", help="one JSON object on stdout")
    made.add_argument("--output", type=Path, metavar="FILE", help="write the result there too (FILE.json), with its commit")
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
