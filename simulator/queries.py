"""AFSearch text such as `Name:=Pump* Template:="Heat exchanger"`: the filters that are modelled, 400 for others (pi-web-api.md 5, 6.1)."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import NamedTuple, TypeVar

from simulator.api import Refusal, Request
from simulator.catalogue import wildcard
from simulator.pitime import BadTime, parse_time

# Conditions on something else stand in braces, which need no operator.
_NAME = r"(?P<name>[A-Za-z]+):(?:(?P<operator>=|<>|<=|>=|<|>)|(?=\{))"
_VALUE = r"""(?P<value>"[^"]*"|'[^']*'|\{[^{}]*\}|[^\s"'{}:]+)"""
_TOKEN = re.compile(rf"\s*(?:{_NAME})?{_VALUE}(?=\s|$)")
_T = TypeVar("_T")
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}


class Filter(NamedTuple):
    """One condition. A bare word is the name."""

    name: str
    operator: str
    value: str


def parse_query(text: str) -> list[Filter]:
    """The conditions, which all must hold. Refuses what is not of the form."""
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise Refusal(400, f"The query '{text[:300]}' is not valid at '{text[place : place + 40].strip()}'.")
        value = match["value"]
        found.append(Filter(match["name"] or "Name", match["operator"] or "=", value[1:-1] if value[0] in "\"'{" else value))
        place = match.end()
    return found


Test = Callable[[_T], bool]
Tests = Mapping[str, Callable[[Filter], Test[_T]]]
"""What makes a test of a condition, by the name of its filter."""


def matching(found: list[_T], query: str, tests: Tests[_T]) -> list[_T]:
    """Those for which every condition of the query holds. A filter that has no test is refused."""
    by_name = {name.lower(): make for name, make in tests.items()}
    for condition in parse_query(query):
        make = by_name.get(condition.name.lower())
        if make is None:
            known = ", ".join(tests)
            raise Refusal(400, f"The search filter '{condition.name}' is not supported here. Supported filters: {known}.")
        holds = make(condition)
        found = [item for item in found if holds(item)]
    return found


def text_test(text_of: Callable[[_T], list[str]]) -> Callable[[Filter], Test[_T]]:
    """A filter by a text with wildcards: one of an item's texts must match, or with `<>` none."""

    def make(condition: Filter) -> Test[_T]:
        wanted = wildcard(condition.value)
        if condition.operator not in ("=", "<>"):
            raise _wrong_operator(condition)
        return lambda item: any(wanted is None or bool(wanted.match(text)) for text in text_of(item)) == (condition.operator == "=")

    return make


def yes_or_no(is_so: Callable[[_T], bool]) -> Callable[[Filter], Test[_T]]:
    def make(condition: Filter) -> Test[_T]:
        if condition.operator != "=":
            raise _wrong_operator(condition)
        if condition.value.lower() not in ("true", "false"):
            raise Refusal(400, f"The search filter '{condition.name}' must be True or False, not '{condition.value}'.")
        return lambda item: is_so(item) == (condition.value.lower() == "true")

    return make


def compared(request: Request, ticks_of: Callable[[_T], int]) -> Callable[[Filter], Test[_T]]:
    """A filter by a time."""

    def make(condition: Filter) -> Test[_T]:
        compare = _COMPARED.get(condition.operator)
        if compare is None:
            raise _wrong_operator(condition)
        try:
            ticks = parse_time(condition.value, request.now, UTC)
        except BadTime as error:
            raise Refusal(400, str(error)) from None
        return lambda item: compare(ticks_of(item), ticks)

    return make


def _wrong_operator(condition: Filter) -> Refusal:
    return Refusal(400, f"The search filter '{condition.name}' does not support the operator '{condition.operator}'.")
