"""Keeps secrets out of everything the bridge says: log lines, findings of `check`, tracebacks."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, SecretStr

MASKED = "*****"
_SHORTEST_LINE = 8
"""A secret of several lines, such as a PEM key, is masked line by line too; shorter lines say nothing."""


class Mask:
    """Knows the secrets of this process: those of the configuration, and tokens that were fetched later."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Masks these too from now on, in every form in which they may occur."""
        forms = {form for secret in secrets for form in _forms(secret)}
        if forms <= self._forms:
            return
        self._forms |= forms
        longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """The text with every secret replaced."""
        return text if self._pattern is None else self._pattern.sub(MASKED, text)

    def value(self, value: Any) -> Any:
        """The value with every secret replaced, in containers of any depth; what JSON does not know becomes its masked `repr`."""
        match value:
            case None | bool():
                return value
            case int() | float():
                return value if self.text(repr(value)) == repr(value) else MASKED
            case str():
                return self.text(value)
            case Mapping():
                return {self.value(key): self.value(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(item) for item in value]
            case _:
                return self.text(repr(value))

    def processor(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """A processor of structlog: stands before the renderer, for JSON writes quotes and umlauts in another way."""
        return {key: self.value(value) for key, value in event.items()}


def secrets_of(config: BaseModel) -> list[str]:
    """Every secret value of a configuration, the credentials of Basic authentication as they are sent among them."""
    return list(_found(config))


def _found(node: Any) -> Iterator[str]:
    match node:
        case SecretStr():
            yield node.get_secret_value()
        case BaseModel():
            for name in type(node).model_fields:
                yield from _found(getattr(node, name))
            if getattr(node, "kind", None) == "basic":
                pair = f"{node.username}:{node.password.get_secret_value()}"  # type: ignore[attr-defined]
                yield base64.b64encode(pair.encode()).decode("ascii")
        case Mapping():
            for item in node.values():
                yield from _found(item)
        case list() | tuple():
            for item in node:
                yield from _found(item)


def _forms(secret: str) -> set[str]:
    """The secret as itself, in an address, in JSON, in a Python literal of text or bytes, and line by line."""
    lines = secret.splitlines()
    forms = {form for form in (secret, *lines) if form == secret or len(form) >= _SHORTEST_LINE}
    for form in tuple(forms):
        forms |= {quote(form, safe=""), quote(form), quote_plus(form), repr(form)[1:-1], repr(form.encode())[2:-1]}
        forms |= {repr(form + "\"'")[1:-4], repr(form.encode() + b"\"'")[2:-4]}  # beside both kinds of quotes
        forms |= {json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1]}
    return {form for form in forms if form}
