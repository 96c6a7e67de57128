from pathlib import Path

import pytest

from spark_jobs.cli import main

_WITHOUT_LAKEHOUSE = """\
source: p
pi:
  url: https://h/piwebapi
  auth: {kind: anonymous}
  points: [{server: m}]
  servers: {m: 6f2f6d5e-0f9b-4a8e-9d3b-6a2f6d5e0f9b}
kafka: {bootstrap_servers: "k:9092"}
registry: {url: "https://r"}
"""


def test_help_teaches_what_is_needed_and_what_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bronze", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in ("warehouse", "checkpoints", "spark.driver.extraClassPath", "--available-now", "exit codes", "130"):
        assert word in told


@pytest.mark.parametrize(
    "arguments", [[], ["silver", "--config", "x"], ["query", "--config", "x"], ["query", "--config", "x", "--file", "y", "z"]]
)
def test_a_wrong_command_line_is_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_configuration_that_is_not_there_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bronze", "--config", str(tmp_path / "no.yaml")]) == 2
    assert "no.yaml" in capsys.readouterr().err


def test_a_configuration_without_a_lakehouse_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pibridge.yaml"
    file.write_text(_WITHOUT_LAKEHOUSE)
    assert main(["bronze", "--config", str(file)]) == 2
    assert "no section `lakehouse`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("reconcile", ("silver.pi_completeness", "--pi-counts", "--repair", "exit codes", "PI gave no number")),
        ("query", ("last_values", "pi_timeseries_now", "--param", "exit codes")),
    ],
)
def test_help_of_what_answers_teaches_too(job: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([job, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert [word for word in words if word not in told] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("reconcile", "--from", "yesterday"), "neither a duration"),
        (("query", "--file", "no/such/file"), "one of corrections_of_day"),
        (("query", "SELECT 1", "--param", "tag"), "as in tag=FIC%"),
    ],
)
def test_what_makes_no_sense_is_a_sentence_and_code_2(
    arguments: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pibridge.yaml"
    file.write_text(_WITHOUT_LAKEHOUSE + f"lakehouse: {{warehouse: '{tmp_path}', checkpoints: '{tmp_path}'}}\n")
    assert main([*arguments, "--config", str(file)]) == 2
    assert told in capsys.readouterr().err
