"""Texts that come in by reference: `${env:NAME}` and `${file:/path}`, and the secrets among them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr

_REFERENCE = re.compile(r"\$\{(env|file):([^}]+)\}")


class Referenced(str):
    """Text that came in by reference, so may be a secret; and the file that it stood in, if any."""

    file: Path | None = None


class ReferencedSecret(SecretStr):
    """A secret. Where it stood in a `file`, a newer one may stand there later."""

    file: Path | None = None


def _secret(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not isinstance(value, Referenced):
        raise ValueError("a secret is given by reference only: ${env:NAME} or ${file:/path}")
    secret = ReferencedSecret(str(value))
    secret.file = value.file
    return secret


def read_secret(file: Path) -> str:
    """What a reference to a file stands for: its text without the last line break. Raises OSError, ValueError."""
    return file.read_text(encoding="utf-8").removesuffix("\n")


Secret = Annotated[ReferencedSecret, BeforeValidator(_secret)]


def resolve(node: Any, where: tuple[str, ...], environment: Mapping[str, str], problems: list[str]) -> Any:
    """The document with every reference replaced; what leads nowhere is added to `problems`. Lists become tuples."""
    if isinstance(node, dict):
        return {key: resolve(value, (*where, str(key)), environment, problems) for key, value in node.items()}
    if isinstance(node, list):
        return tuple(resolve(item, (*where, str(at)), environment, problems) for at, item in enumerate(node))
    if not isinstance(node, str) or "${" not in node:
        return node
    name = ".".join(where)
    match = _REFERENCE.fullmatch(node)
    if match is None:
        problems.append(f"{name}: a reference is the whole text, ${{env:NAME}} or ${{file:/path}}")
        return Referenced()
    kind, target = match.groups()
    if kind == "env":
        if target not in environment:
            problems.append(f"{name}: environment variable {target} is not set")
        return Referenced(environment.get(target, ""))
    try:
        text = Referenced(read_secret(Path(target)))
        text.file = Path(target)
        return text
    except (OSError, ValueError) as error:
        problems.append(f"{name}: file {target} cannot be read: {error}")
        return Referenced()
