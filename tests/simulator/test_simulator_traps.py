"""Every trap of pi-web-api.md 11 that a server sets has tests named after it, and pytest collects them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulator.transcripts.traps import CLIENT_ONLY, COUNT, NAMED, traps_in

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The names of all tests here and of their parameters, as pytest finds them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(FOLDER)]
    environment = os.environ | {"PYTEST_ADDOPTS": ""}
    listing = subprocess.run(command, cwd=FOLDER.parents[1], env=environment, capture_output=True, text=True, check=False).stdout
    names: set[str] = set()
    for line in listing.splitlines():
        function, _, parameter = line.partition("::")[2].partition("[")
        names |= {function, parameter.removesuffix("]")}
    return names - {""}


def test_each_trap_is_a_servers_or_a_clients() -> None:
    assert sorted([*NAMED, *CLIENT_ONLY]) == list(range(1, COUNT + 1))
    assert all(reason.endswith(".") for reason in CLIENT_ONLY.values())


@pytest.mark.parametrize("number", NAMED)
def test_the_tests_of_a_trap_exist_and_say_its_number(number: int, collected: set[str]) -> None:
    assert NAMED[number]
    assert [name for name in NAMED[number] if name not in collected] == []
    assert [name for name in NAMED[number] if number not in traps_in(name)] == []


def test_no_test_is_named_after_a_trap_that_only_clients_have(collected: set[str]) -> None:
    assert {name: traps for name in collected if (traps := traps_in(name) & CLIENT_ONLY.keys())} == {}


@pytest.mark.parametrize(
    ("name", "numbers"),
    [("test_trap_5_a_header", {5}), ("test_section_7_trap_48_x", {48}), ("trap 30, trap 31: x", {30, 31}), ("test_entrapment", set())],
    ids=["at its beginning", "further on", "two of them", "none"],
)
def test_the_number_of_a_trap_is_read_from_a_name(name: str, numbers: set[int]) -> None:
    assert traps_in(name) == numbers
