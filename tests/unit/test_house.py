"""The house's rules (design 2), kept by reading the sources."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS: dict[str, set[str]] = {
    "schemas": set(),
    "runtime": {"schemas"},
    "bridge": {"schemas", "runtime"},
    "stream_processors": {"schemas", "runtime"},
    "spark_jobs": {"schemas"},
    "simulator": set(),
    "verifier": set(),
    "console": {"schemas", "runtime", "bridge", "stream_processors", "spark_jobs", "simulator"},
    "proofs": {"schemas", "runtime", "bridge", "stream_processors", "spark_jobs", "verifier", "console"},
}
"""Each room, and the rooms it may import."""
PURE = {
    "schemas": {"oddities", "wire", "records", "shards", "digest", "topics", "values", "times"},
    "runtime": {"dead_letters", "masking"},
    "bridge": {
        "allowance", "away", "batch", "budget", "census", "commands", "coverage", "digests", "errors", "event_queue", "findings", "frame",
        "frame_encoder", "health", "hearing", "incarnation", "incidents", "normalise", "pitime", "points", "progress", "ranges", "reads",
        "regular", "reports", "rules", "samples", "sizing", "sums", "tenure", "unread", "urgency", "watermarks", "witness", "wording",
    },
    "spark_jobs": {"evolution", "heat_map", "landed", "quoting", "refined", "rescans", "sequences", "tables"},
    "stream_processors": {
        "assess", "clock_skew", "columns", "consensus", "decode", "delays", "errors", "floors", "health", "lateness", "order", "pieces",
        "quality", "rollup", "state", "track",
    },
    "verifier": {
        "archive", "checks", "differences", "digest", "disconnects", "errors", "events", "findings", "frames", "landing", "ledger", "names",
        "order", "overruling", "previews", "report", "shards", "silver", "statements", "truth",
    },
    "console": {"planted", "proof", "screen"},
}  # fmt: skip
WORLD = {
    "asyncio", "threading", "subprocess", "socket", "ssl", "time", "random", "secrets", "os", "sys", "pathlib", "tempfile", "signal",
    "httpx2", "websockets", "confluent_kafka", "pyspark", "aiohttp", "deltalake", "structlog", "prometheus_client", "faust",
    "aiokafka",
}  # fmt: skip
"""What a pure module must not import: network, files, clock, randomness, threads, event loops."""
EMPTY_NAMES = re.compile(r"(Manager|Handler|Helper|Util|Utils|Service|Engine|Base|Impl|Wrapper|Enhanced)$")
MAX_LINES = 400


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    return names_imported(ast.walk(ast.parse(source)))


def names_imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign_rooms(room: str, source: str) -> set[str]:
    """Rooms that a source of `room` imports and may not."""
    return {name.split(".")[0] for name in imported(source)} & (ROOMS.keys() - ROOMS[room] - {room})


def impurities(room: str, source: str) -> set[str]:
    """What a pure module of `room` imports and may not: the world, or a module of its room that is not pure."""
    found = set()
    for name in imported(source):
        parts = name.split(".")
        if parts[0] in WORLD or (
            parts[0] == room and len(parts) > 1 and (ROOT / room / f"{parts[1]}.py").exists() and parts[1] not in PURE[room]
        ):
            found.add(name)
    return found


def test_every_package_of_ours_is_a_room_with_a_rule() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages == ROOMS.keys()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_it_may(room: str) -> None:
    assert {str(path): foreign for path in sources(room) if (foreign := foreign_rooms(room, path.read_text()))} == {}


@pytest.mark.parametrize(("room", "module"), [(room, module) for room, modules in PURE.items() for module in sorted(modules)])
def test_a_pure_module_touches_nothing_of_the_world(room: str, module: str) -> None:
    assert impurities(room, (ROOT / room / f"{module}.py").read_text()) == set()


@pytest.mark.parametrize(
    ("room", "source", "foreign"),
    [
        ("simulator", "from schemas.times import ticks_of", {"schemas"}),
        ("bridge", "import spark_jobs.bronze", {"spark_jobs"}),
        ("schemas", "def f():\n    from bridge import frame", {"bridge"}),
        ("bridge", "from schemas import wire", set()),
    ],
)
def test_the_import_rule_sees_a_breach(room: str, source: str, foreign: set[str]) -> None:
    assert foreign_rooms(room, source) == foreign


@pytest.mark.parametrize(
    "source", ["import time", "from time import monotonic", "from bridge import publish", "from bridge.publish import Message"]
)
def test_the_purity_rule_sees_a_breach(source: str) -> None:
    assert impurities("bridge", source)


@pytest.mark.parametrize("room", ROOMS)
def test_no_class_has_a_name_that_says_nothing(room: str) -> None:
    classes = [node.name for path in sources(room) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    assert [name for name in classes if EMPTY_NAMES.search(name)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_grows_beyond_what_one_can_read(room: str) -> None:
    assert {str(path): lines for path in sources(room) if (lines := len(path.read_text().splitlines())) > MAX_LINES} == {}


def test_lock_files_hold_hashes_and_no_address() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert {lock.stem for lock in locks} >= {"bridge", "processors", "spark", "simulator", "console", "runtime", "dev", "build", "uv"}
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text, lock
        pins = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
        assert pins, lock
        assert all(line.endswith("\\") for line in pins), lock
