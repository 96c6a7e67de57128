"""Answers of PI with something wrong at any place: nothing may crash, hang, or be stated from what was not understood."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

STEADY = settings(max_examples=300, derandomize=True, deadline=None, database=None)
"""The same examples in every run, here and elsewhere, and no word about how fast the machine is."""

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400]),
    st.floats(),
    st.text(alphabet=st.characters(), max_size=10),
    st.sampled_from(
        ["", "2024-01-01T07:10:00Z", "9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:00Z", "2024-02-30T00:00:00Z", "NaN", "*"]
    ),
)
KEYS = st.sampled_from(
    ["Timestamp", "Value", "Name", "IsSystem", "Good", "Errors", "Items", "WebId", "Annotated", "Status", "Content", "WebException",
     "StatusCode", "Links", "Next", "Id", "x", "0"]
)  # fmt: skip
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=8
)
FAILURES = st.sampled_from(
    [
        {"WebException": {"Errors": ["no"], "StatusCode": 500}},
        {"WebException": {"StatusCode": 400}, "Items": []},
        {"Errors": ["no"]},
        {"Message": "Authorization has been denied for this request."},
        {"Links": {}, "Items": []},
        "<html>",
        "",
    ]
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a document, the document itself first."""
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def changed(node: Any, path: tuple[Any, ...], put: Any, how: str) -> Any:
    """A copy of the document with something put in the place of a value, or beside it, or with the value gone."""
    if not path:
        return put
    copy: Any = dict(node) if isinstance(node, dict) else list(node)
    if path[1:]:
        copy[path[0]] = changed(node[path[0]], path[1:], put, how)
    elif how == "gone":
        del copy[path[0]]
    elif how == "beside" and isinstance(copy, list):
        copy.insert(path[0], put)
    elif how == "twice" and isinstance(copy, list):
        copy.insert(path[0], copy[path[0]])
    else:
        copy[path[0]] = put
    return copy


@st.composite
def spoil(draw: st.DrawFn, document: Any, most: int = 3) -> Any:
    """The document with up to so many values changed, anywhere."""
    for _ in range(draw(st.integers(0, most))):
        path = draw(st.sampled_from(list(places(document))))
        how = draw(st.sampled_from(["put", "put", "gone", "beside", "twice"]))
        document = changed(document, path, draw(st.one_of(ANYTHING, FAILURES)), how)
    return document


@st.composite
def bytes_of(draw: st.DrawFn, document: Any) -> bytes:
    """The document as it comes: mostly whole, sometimes cut, with a byte changed, or with something behind it."""
    body = json.dumps(document).encode()
    match draw(st.sampled_from(["whole", "whole", "whole", "cut", "byte", "behind", "bom"])):
        case "cut":
            return body[: draw(st.integers(0, len(body)))]
        case "byte" if body:
            at = draw(st.integers(0, len(body) - 1))
            return body[:at] + draw(st.binary(min_size=1, max_size=1)) + body[at + 1 :]
        case "behind":
            return body + draw(st.sampled_from([b"}", b" ", b"\x00", body]))
        case "bom":
            return b"\xef\xbb\xbf" + body
    return body


DEPTHS = [50, 500, *range(850, 1010), 5_000, 200_000]
"""How deep documents are nested: around the depth at which some part of Python gives up, and far beyond."""


def nested(depth: int, kind: str) -> bytes:
    """A value that is nested so deep."""
    return b"[" * depth + b"]" * depth if kind == "list" else b'{"Value":' * depth + b"1" + b"}" * depth
