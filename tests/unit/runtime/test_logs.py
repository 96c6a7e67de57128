"""Whatever a process says on stderr is JSON, and no secret is in it."""

import json
import subprocess
import sys
from typing import Any

import pytest

SECRET = 'hun"ter2 ö'
_BEGIN = f"""
import asyncio, logging, warnings
import structlog
from runtime.logs import log_as_json
from runtime.masking import Mask
secret = {SECRET!r}
log_as_json(Mask([secret]))
log = structlog.get_logger("test")
"""


def said(script: str) -> list[dict[str, Any]]:
    """The lines that a process with our logs says while it runs a script."""
    done = subprocess.run([sys.executable, "-c", _BEGIN + script], capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout == ""
    for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(json.dumps(SECRET))[1:-1], repr(SECRET)[1:-1], "ter2"):
        assert form not in done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize(
    "statement",
    [
        "log.warning('refused', reason=f'the password {secret} is wrong')",
        "log.warning(secret)",
        "log.warning('x', deep=[{'a': (secret, {secret: 1})}])",
        "log.warning('x', error=ValueError(secret))",
        "log.warning('x', body=f'token={secret}'.encode())",
        "log.warning('x', body=json.dumps({'password': secret}))",
        "logging.getLogger('websockets.client').warning('header %s', secret)",
        "warnings.warn(secret)",
    ],
)
def test_a_secret_is_masked_wherever_it_stands(statement: str) -> None:
    (line,) = said("import json\n" + statement)
    assert line["level"] == "warning"
    assert line["time"].endswith("Z")
    assert "*****" in json.dumps(line)


def test_the_trace_of_a_defect_is_one_line_without_the_secret() -> None:
    (line,) = said("raise RuntimeError(f'{secret} leaked')")
    assert line["event"] == "a defect: please report it"
    assert "RuntimeError: ***** leaked" in line["exception"]


_FORGOTTEN = """
async def fail():
    raise RuntimeError(secret)
async def main():
    asyncio.create_task(fail())
    await asyncio.sleep(0.1)
asyncio.run(main())
"""


def test_an_error_that_a_library_logs_with_its_trace_is_one_line_without_the_secret() -> None:
    (line,) = said(_FORGOTTEN)
    assert line["logger"] == "asyncio"
    assert "RuntimeError: *****" in line["exception"]


def test_what_is_no_secret_stays_as_it_is() -> None:
    (line,) = said("log.warning('shard lost', shard=3, share=0.5, fenced=True, cause=None)")
    assert {key: line[key] for key in ("event", "shard", "share", "fenced", "cause")} == {
        "event": "shard lost", "shard": 3, "share": 0.5, "fenced": True, "cause": None
    }  # fmt: skip


def test_debug_lines_of_libraries_are_left_out() -> None:
    assert said("logging.getLogger('websockets.client').info('GET /'); logging.getLogger('httpx2').debug(secret)") == []
