import json

import pytest

from bridge.findings import Finding, Status, as_json, as_text, exit_code

OK = Finding("pi.tls", "ok", "trusted")


@pytest.mark.parametrize(
    ("statuses", "code", "result"),
    [
        ((), 0, "ok"),
        (("ok", "hint"), 0, "ok"),
        (("ok", "problem"), 1, "problem"),
        (("not_checked",), 1, "problem"),
        (("problem", "unreachable", "not_checked"), 3, "unreachable"),
    ],
)
def test_what_does_not_answer_weighs_more_than_what_is_wrong(statuses: tuple[Status, ...], code: int, result: str) -> None:
    found = [Finding("pi.tls", status, "x") for status in statuses]
    assert exit_code(found) == code
    assert as_json(found)["result"] == result


def test_json_has_every_finding_with_all_its_parts() -> None:
    told = json.loads(json.dumps(as_json([OK, Finding("kafka.topics", "problem", "gone", "run: x")])))
    assert told["schema_version"] == 1
    assert told["checks"][1] == {"check": "kafka.topics", "status": "problem", "detail": "gone", "hint": "run: x"}


def test_a_person_reads_a_line_a_finding_and_what_to_do_below_it() -> None:
    lines = as_text([OK, Finding("kafka.topics", "not_checked", "gone", "run: x")]).splitlines()
    assert lines[0].split() == ["ok", "pi.tls", "trusted"]
    assert lines[1].startswith("not checked")
    assert lines[2].strip() == "-> run: x"
    assert lines[3] == "1 ok, 1 not checked"
