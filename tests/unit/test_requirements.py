"""Each process installs only its own extra: whatever its modules import, of other rooms too, has to be locked for it."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.unit.test_house import ROOMS, ROOT, names_imported, sources

PROCESSES = {
    "bridge": "bridge", "processors": "stream_processors", "spark": "spark_jobs", "simulator": "simulator", "verifier": "verifier",
    "console": "console",
}  # fmt: skip
"""Room of each extra."""
ELSEWHERE = {"faust": "faust-streaming"}
FOR_TESTS = {ROOT / "simulator" / "pytest_plugin.py"}
"""Imported by other projects' tests, which have pytest."""


def file_of(module: str) -> Path | None:
    """Where a module of ours lies."""
    base = ROOT.joinpath(*module.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


def needed(room: str) -> set[str]:
    """Top-level names of others that a room's modules come to import."""
    names, seen, left = set[str](), set(FOR_TESTS), sources(room)
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in names_imported(ast.parse(path.read_text()).body):  # what is imported when it is imported itself
            top = name.split(".")[0]
            if top not in ROOMS:
                names.add(top)
            elif (file := file_of(name)) is not None:
                left.append(file)
    return names - sys.stdlib_module_names


def lacking(names: set[str], lock: str) -> set[str]:
    """Those of the names whose distribution is not in the text of a lock file."""
    locked = {name.replace("_", "-") for name in re.findall(r"^([a-z0-9._-]+)==", lock, re.MULTILINE)}
    found = packages_distributions()

    def is_locked(name: str) -> bool:
        distributions = {ELSEWHERE.get(name, name), *found.get(name, ())}
        return bool({re.sub(r"[-_.]+", "-", one).lower() for one in distributions} & locked)

    return {name for name in names if not is_locked(name)}


@pytest.mark.parametrize(("extra", "room"), PROCESSES.items())
def test_an_extra_has_all_that_its_process_imports(extra: str, room: str) -> None:
    assert lacking(needed(room), (ROOT / "requirements" / f"{extra}.txt").read_text()) == set()


def test_what_is_not_locked_is_seen() -> None:
    lock = (ROOT / "requirements" / "simulator.txt").read_text()
    assert "structlog" in needed("console")
    assert lacking({"structlog", "aiohttp"}, lock) == {"structlog"}
