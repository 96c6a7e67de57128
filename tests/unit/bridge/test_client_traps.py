"""Every trap of pi-web-api.md 11 that concerns the bridge has tests named after it, and pytest collects them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.bridge.traps import COUNT, NAMED, NOT_OURS, traps_in

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The names of all tests here, as pytest finds them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(FOLDER)]
    environment = os.environ | {"PYTEST_ADDOPTS": ""}
    listing = subprocess.run(command, cwd=FOLDER.parents[2], env=environment, capture_output=True, text=True, check=True).stdout
    return {line.partition("::")[2].partition("[")[0] for line in listing.splitlines() if "::" in line}


def test_each_trap_has_tests_or_a_reason_why_not() -> None:
    assert sorted([*NAMED, *NOT_OURS]) == list(range(1, COUNT + 1))
    assert all(reason.endswith(".") for reason in NOT_OURS.values())


@pytest.mark.parametrize("number", NAMED)
def test_the_tests_of_a_trap_exist_and_say_its_number(number: int, collected: set[str]) -> None:
    assert NAMED[number]
    assert [name for name in NAMED[number] if name not in collected] == []
    assert [name for name in NAMED[number] if number not in traps_in(name)] == []


def test_no_test_is_named_after_a_trap_that_does_not_concern_the_bridge(collected: set[str]) -> None:
    assert {name for name in collected if traps_in(name) & NOT_OURS.keys()} == set()


@pytest.mark.parametrize(
    ("name", "numbers"), [("test_trap_5_x", {5}), ("test_trap_30_and_trap_31_x", {30, 31}), ("test_of_48_traps", set())]
)
def test_the_number_of_a_trap_is_read_from_a_name(name: str, numbers: set[int]) -> None:
    assert traps_in(name) == numbers
