"""Commands of `pibridge` where a server is away or there."""

from pathlib import Path

import pytest
import yaml

from tests.unit.console.test_cli import pibridge

pytestmark = pytest.mark.integration


def test_kafka_that_does_not_answer_is_a_sentence_and_exit_code_3(tmp_path: Path) -> None:
    path = tmp_path / "pibridge.yaml"
    document = {
        "source": "away",
        "pi": {
            "url": "http://127.0.0.1:1/piwebapi",
            "auth": {"kind": "anonymous"},
            "servers": {"main": "85bb49d6-f101-4807-baf9-57c2fbd33000"},
            "points": [{"server": "main"}],
        },
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "registry": {"url": "http://127.0.0.1:1"},
    }
    path.write_text(yaml.safe_dump(document))
    for command in (("topics", "plan"), ("schemas", "plan"), ("run",), ("process",), ("tap", "late")):
        done = pibridge(*command, "--config", str(path))
        assert done.returncode == 3, command
        assert done.stderr
        assert "Traceback" not in done.stderr
