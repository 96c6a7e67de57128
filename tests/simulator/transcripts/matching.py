"""Compares an answer with what was recorded: exact keys, types and values, placeholders for what differs from server to server.

A placeholder is a text such as `<webid>`. `<webid as mine>` also keeps what stood there, under a name; a name that is already kept
must be met again. `<begins Some text>` is any text with that beginning. In an object the key `<more>` says what other keys may hold.
Lists are compared in order, unless the recorded side is an object of list words: `<unordered>` the same items in any order, `<each>`
at least one item and all alike, `<contains>` at least these items.
"""

import re
from collections.abc import Callable
from typing import Any

_PLACEHOLDER = re.compile(r"<(?P<kind>[a-z0-9]+)(?: as (?P<name>[a-z_.]+))?>")
_BEGINNING = re.compile(r"<begins (?P<text>.+)>", re.DOTALL)


def _text(pattern: str) -> Callable[[Any], bool]:
    compiled = re.compile(pattern)
    return lambda actual: isinstance(actual, str) and compiled.fullmatch(actual) is not None


# The forms: pi-web-api.md 1.4 (WebIDs), 2.4 (timestamps: UTC, 0 to 7 digits, no trailing zeros), 3.7 (markers), 7.5 (HTML).
_KINDS: dict[str, Callable[[Any], bool]] = {
    "any": lambda actual: True,
    "boolean": lambda actual: isinstance(actual, bool),
    "integer": lambda actual: type(actual) is int,
    "number": lambda actual: type(actual) in (int, float),
    "float": lambda actual: type(actual) is float,
    "text": lambda actual: isinstance(actual, str),
    "nonempty": lambda actual: isinstance(actual, str) and actual != "",
    "guid": _text(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "timestamp": _text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,6}[1-9])?Z"),
    "webid": _text(r"[FIPLD]1[A-Z][A-Za-z][A-Za-z0-9_-]+"),
    "marker": _text(r"[0-9a-f]{32}_\d+"),
    "version": _text(r"\d+(?:\.\d+)+"),
    "url": _text(r"https?://[^/\s]+/piwebapi(?:/\S*)?"),
    "html": _text(r"(?is)\s*<(?:!doctype )?html.*"),
}
_MORE = "<more>"
_LIST_WORDS = ("<unordered>", "<each>", "<contains>")
Kept = dict[str, Any]


def differences(recorded: Any, actual: Any, kept: Kept | None = None, where: str = "body") -> list[str]:
    """What is not as recorded, one sentence for each place; empty if the two agree. Adds to `kept` what placeholders name."""
    kept = {} if kept is None else kept
    if isinstance(recorded, dict):
        if any(word in recorded for word in _LIST_WORDS):
            return _listed(recorded, actual, kept, where)
        return _object(recorded, actual, kept, where)
    if isinstance(recorded, list):
        return _ordered(recorded, actual, kept, where)
    if isinstance(recorded, str) and (beginning := _BEGINNING.fullmatch(recorded)):
        fits = isinstance(actual, str) and actual.startswith(beginning["text"])
        return [] if fits else [_told(where, recorded, actual)]
    if isinstance(recorded, str) and (placeholder := _PLACEHOLDER.fullmatch(recorded)):
        return _placed(placeholder, actual, kept, where)
    # Python finds 1, 1.0 and True equal; JSON does not.
    alike = type(recorded) is type(actual) and recorded == actual
    return [] if alike else [_told(where, recorded, actual)]


def _object(recorded: dict[str, Any], actual: Any, kept: Kept, where: str) -> list[str]:
    if not isinstance(actual, dict):
        return [_told(where, recorded, actual)]
    found = [f"{where}.{key} is missing" for key in recorded if key not in actual and key != _MORE]
    for key in actual:
        if key not in recorded and _MORE not in recorded:
            found.append(f"{where}.{key} was not recorded, and is {actual[key]!r}")
        elif key not in recorded:
            found += differences(recorded[_MORE], actual[key], kept, f"{where}.{key}")
    for key in recorded:
        if key in actual:
            found += differences(recorded[key], actual[key], kept, f"{where}.{key}")
    return found


def _ordered(recorded: list[Any], actual: Any, kept: Kept, where: str) -> list[str]:
    if not isinstance(actual, list):
        return [_told(where, recorded, actual)]
    if len(recorded) != len(actual):
        return [f"{where} has {len(actual)} items where {len(recorded)} were recorded: {actual!r}"]
    found: list[str] = []
    for i, (item, other) in enumerate(zip(recorded, actual, strict=True)):
        found += differences(item, other, kept, f"{where}[{i}]")
    return found


def _listed(recorded: dict[str, Any], actual: Any, kept: Kept, where: str) -> list[str]:
    if unknown := [key for key in recorded if key not in _LIST_WORDS]:
        raise ValueError(f"{where}: {', '.join(unknown)} cannot stand beside the words of a list")
    if not isinstance(actual, list):
        return [_told(where, recorded, actual)]
    found: list[str] = []
    if "<each>" in recorded:
        found += [] if actual else [f"{where} is empty"]
        for i, item in enumerate(actual):
            found += differences(recorded["<each>"], item, kept, f"{where}[{i}]")
    for word in ("<unordered>", "<contains>"):
        if word in recorded:
            if word == "<unordered>" and len(recorded[word]) != len(actual):
                found.append(f"{where} has {len(actual)} items where {len(recorded[word])} were recorded: {actual!r}")
            elif (met := _pair(recorded[word], actual, kept)) is None:
                found.append(f"{where} does not hold, in any order, {recorded[word]!r}, but {actual!r}")
            else:
                kept.update(met)
    return found


def _pair(recorded: list[Any], actual: list[Any], kept: Kept) -> Kept | None:
    """What is kept once every recorded item has found an item of its own, or None if that cannot be."""
    if not recorded:
        return kept
    for i, item in enumerate(actual):
        tried = dict(kept)
        if not differences(recorded[0], item, tried):
            rest = _pair(recorded[1:], actual[:i] + actual[i + 1 :], tried)
            if rest is not None:
                return rest
    return None


def _placed(placeholder: re.Match[str], actual: Any, kept: Kept, where: str) -> list[str]:
    fits = _KINDS.get(placeholder["kind"])
    if fits is None:
        raise ValueError(f"{where}: there is no placeholder {placeholder[0]}")
    if not fits(actual):
        return [_told(where, placeholder[0], actual)]
    name = placeholder["name"]
    if name is not None and name in kept and kept[name] != actual:
        return [f"{where}: {name} was {kept[name]!r} before, and is {actual!r}"]
    if name is not None:
        kept[name] = actual
    return []


def _told(where: str, recorded: Any, actual: Any) -> str:
    return f"{where}: {recorded!r} was recorded, and it is {actual!r}"
