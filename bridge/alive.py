"""`python -m bridge.alive`: asks /livez of a bridge on this machine; the image's health check. Loads no more than it needs."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from schemas.config import CONFIG_VARIABLE, DEFAULT_CONFIG
from schemas.references import resolve
from schemas.sections import Monitoring

_SECONDS = 5.0
_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a server listens on, turned into what one can ask


def main() -> int:
    """0 if the bridge lives, or has no port to ask; 1 if not, with a sentence on stdout, where `docker inspect` shows it."""
    try:
        monitoring = _configured(Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG)))
    except (OSError, ValueError, yaml.YAMLError) as error:
        return _say(1, f"the configuration cannot be read: {error}")
    if monitoring is None or monitoring.port == 0:
        return _say(0, "no port to ask: the configuration has no `monitoring`, or leaves the port open")
    host = _THIS_MACHINE.get(monitoring.host, monitoring.host)
    host = f"[{host}]" if ":" in host else host
    # The empty proxy map: a proxy for plant and internet has no business between a process and itself.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{host}:{monitoring.port}/livez", timeout=_SECONDS) as answer:
            return _say(0, answer.read(1000).decode(errors="replace").strip())
    except urllib.error.HTTPError as error:
        with error:
            return _say(1, error.read(1000).decode(errors="replace").strip())
    except OSError as error:
        return _say(1, f"{host}:{monitoring.port} does not answer: {error}")


def _configured(path: Path) -> Monitoring | None:
    """Only this section: secrets that are just being rotated must not make the process look dead."""
    document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    section = document.get("monitoring") if isinstance(document, dict) else None
    if section is None:
        return None
    problems: list[str] = []
    resolved = resolve(section, ("monitoring",), os.environ, problems)
    if problems:
        raise ValueError("; ".join(problems))
    try:
        return Monitoring.model_validate(resolved)
    except ValidationError as error:
        raise ValueError(f"monitoring: {error.error_count()} problems") from error


def _say(code: int, sentence: str) -> int:
    sys.stdout.write(sentence + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
