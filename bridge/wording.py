"""What PI sent, in words for a reason and in bytes for a dead letter, however large or deep it is. Pure."""

import json
import reprlib
from typing import Any

_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxdict, _short.maxstring, _short.maxlong, _short.maxother = 4, 6, 8, 300, 40, 100


def shown(value: Any, most_characters: int) -> str:
    """The value in at most so many characters. Its cost does not grow with the value: an answer may hold 64 MB, or a thousand levels."""
    try:
        return _short.repr(value)[:most_characters]
    except (ValueError, RecursionError):  # a number of thousands of digits; objects that do not say how deep they are
        return f"a {type(value).__name__} that cannot be shown"


def written(value: Any) -> bytes:
    """The value as JSON, for a dead letter."""
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        # Parsers and writers give up at some depth of nesting (Python's is about 1,000), a writer perhaps one level sooner.
        return b'"nested too deep to be written: ' + shown(value, 200).encode(errors="backslashreplace") + b'"'
