"""The JSONPath that batch requests use: names, quoted names, indexes and `*` (pi-web-api.md 4)."""

import re
from typing import Any

_STEP = re.compile(
    r"\.(?P<name>[^.\[\]'\"*\s]+)|\[\s*(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\"|(?P<index>\d+)|(?P<all>\*))\s*\]|(?P<star>\.\*)"
)

Path = tuple[str | int | None, ...]
"""Names, indexes, and None for `*`."""


class BadPath(ValueError):
    """The text is no JSONPath of this kind. The message is fit for the client."""


def parse(text: str) -> Path:
    """The steps of a path that starts with `$`. Raises `BadPath`."""
    if not text.startswith("$") or len(text) < 2:
        raise BadPath(f"'{text}' is not a JSONPath.")
    steps: list[str | int | None] = []
    at = 1
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise BadPath(f"'{text}' is not a JSONPath this server understands.")
        if match["all"] or match["star"]:
            steps.append(None)
        elif match["index"]:
            steps.append(int(match["index"]))
        else:
            steps.append(next(part for part in (match["name"], match["single"], match["double"]) if part is not None))
        at = match.end()
    return tuple(steps)


def select(steps: Path, document: Any) -> list[Any]:
    """All tokens the path selects, in document order. Nothing found is an empty list."""
    tokens = [document]
    for step in steps:
        found: list[Any] = []
        for token in tokens:
            if step is None:
                found += token.values() if isinstance(token, dict) else token if isinstance(token, list) else []
            elif isinstance(token, list):
                if isinstance(step, int) and step < len(token):
                    found.append(token[step])
            elif isinstance(token, dict) and str(step) in token:
                found.append(token[str(step)])
        tokens = found
    return tokens
