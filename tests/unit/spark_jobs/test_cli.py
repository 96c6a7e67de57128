from pathlib import Path

import pytest

from spark_jobs.cli import main


def test_help_teaches_what_is_needed_and_what_exit_codes_mean(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bronze", "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in ("warehouse", "checkpoints", "spark.driver.extraClassPath", "--available-now", "exit codes", "130"):
        assert word in told


@pytest.mark.parametrize("arguments", [[], ["bronze"], ["silver", "--config", "x"]])
def test_a_wrong_command_line_is_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_configuration_that_is_not_there_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bronze", "--config", str(tmp_path / "no.yaml")]) == 2
    assert "no.yaml" in capsys.readouterr().err


def test_a_configuration_without_a_lakehouse_is_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pibridge.yaml"
    file.write_text(
        "source: p\n"
        "pi: {url: 'https://h/piwebapi', auth: {kind: anonymous}, points: [{server: m}],\n"
        "  servers: {m: 6f2f6d5e-0f9b-4a8e-9d3b-6a2f6d5e0f9b}}\n"
        "kafka: {bootstrap_servers: 'k:9092'}\n"
        "registry: {url: 'https://r'}\n"
    )
    assert main(["bronze", "--config", str(file)]) == 2
    assert "no section `lakehouse`" in capsys.readouterr().err
