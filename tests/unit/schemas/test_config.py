from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.config import Config, ConfigError, load

SECRET = "hunter2-hunter2"
ENVIRONMENT = {"PI_PASSWORD": SECRET, "KAFKA_PASSWORD": SECRET}


def minimal() -> dict[str, Any]:
    return {
        "source": "plant1",
        "pi": {
            "url": "https://pi.example/piwebapi/",
            "auth": {"kind": "basic", "username": "reader", "password": "${env:PI_PASSWORD}"},
            "servers": {"main": "5f6b1c4e-0000-4000-8000-000000000001"},
            "points": [{"server": "main"}],
        },
        "kafka": {"bootstrap_servers": "broker:9092"},
        "registry": {"url": "https://registry.example"},
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """The least configuration with one value changed or added."""
    document: Any = minimal()
    node = document
    *parents, last = path.split("/")
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    node[last] = value
    return document  # type: ignore[no-any-return]


class File:
    """A configuration file in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "pibridge.yaml"

    def load(self, document: dict[str, Any] | str) -> Config:
        self.path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
        return load(self.path, ENVIRONMENT)

    def problems(self, document: dict[str, Any] | str) -> list[str]:
        with pytest.raises(ConfigError) as raised:
            self.load(document)
        assert str(self.path) in str(raised.value)
        assert SECRET not in str(raised.value)
        return raised.value.problems


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def test_the_least_configuration_is_enough(file: File) -> None:
    config = file.load(minimal())
    assert config.pi.url == "https://pi.example/piwebapi"
    assert config.coverage.settle_seconds == 120
    assert config.delivery.shards == 12
    assert config.coverage.start == timedelta(days=30)
    assert config.kafka.client_settings() == {"bootstrap.servers": "broker:9092"}


@pytest.mark.parametrize("path", ["surplus", "pi/surplus", "pi/load/surplus", "kafka/surplus", "coverage/surplus", "pi/auth/surplus"])
def test_an_unknown_key_is_refused_wherever_it_stands(file: File, path: str) -> None:
    (problem,) = file.problems(changed(path, 1))
    assert "surplus" in problem


def test_all_errors_are_told_at_once(file: File) -> None:
    document = changed("coverage/settle_seconds", -1)
    document["pi"]["url"] = "http://pi.example/piwebapi"
    document["pi"]["auth"]["password"] = "${env:ABSENT}"
    document["pi"]["load"] = {"batch_points": 501}
    document["kafka"] = {"client": {"acks": "1", "sasl.password": "open", "ssl.key.password": "open"}}
    document["delivery"] = {"shards": "twelve"}
    document["surplus"] = 1
    problems = "\n".join(file.problems(document))
    for expected in (
        "coverage.settle_seconds",
        "pi.url: plain http",
        "pi.auth.password: environment variable ABSENT",
        "pi.load.batch_points",
        "acks is not set here",
        "sasl.password is a secret",
        "ssl.key.password is a secret",
        "kafka.bootstrap_servers",
        "delivery.shards",
        "surplus",
    ):
        assert expected in problems


def test_points_of_a_server_that_is_not_listed_are_refused(file: File) -> None:
    (problem,) = file.problems(changed("pi/points", [{"server": "other"}]))
    assert "other" in problem


# -- references and secrets


def test_a_reference_to_a_file_gives_its_text_without_the_last_line_break(file: File) -> None:
    secret = file.directory / "secret"
    secret.write_text("two\nlines\n", encoding="utf-8")
    config = file.load(changed("pi/auth/password", f"${{file:{secret}}}"))
    assert config.pi.auth.kind == "basic"
    assert config.pi.auth.password.get_secret_value() == "two\nlines"


def test_a_reference_may_stand_for_what_is_no_secret(file: File) -> None:
    config = file.load(changed("pi/auth/username", "${env:PI_PASSWORD}"))
    assert config.pi.auth.kind == "basic"
    assert config.pi.auth.username == SECRET


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("${env:ABSENT}", "environment variable ABSENT is not set"),
        ("${file:/absent/secret}", "file /absent/secret cannot be read"),
        ("${file:/a\0b}", "cannot be read"),
        ("before ${env:PI_PASSWORD}", "a reference is the whole text"),
        ("${vault:x}", "a reference is the whole text"),
        ("${env:PI_PASSWORD", "a reference is the whole text"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_by_name(file: File, reference: str, expected: str) -> None:
    problems = file.problems(changed("pi/auth/password", reference))
    assert any(problem.startswith("pi.auth.password: ") and expected in problem for problem in problems)


@pytest.mark.parametrize("path", ["pi/auth/password", "lakehouse"])
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(file: File, path: str) -> None:
    lakehouse = {"warehouse": "/w", "checkpoints": "/c", "catalog": {"uri": "https://uc.example", "token": SECRET}}
    (problem,) = file.problems(changed(path, lakehouse if path == "lakehouse" else SECRET))
    assert "by reference only" in problem


@pytest.mark.parametrize(
    "key",
    [
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
    ],
)
def test_a_secret_of_the_kafka_client_is_given_by_reference_only(file: File, key: str) -> None:
    (problem,) = file.problems(changed("kafka/client", {key: SECRET}))
    assert key in problem
    config = file.load(changed("kafka/client", {key: "${env:KAFKA_PASSWORD}"}))
    assert config.kafka.client_settings()[key] == SECRET


def test_secrets_show_in_no_way_of_printing_the_configuration(file: File) -> None:
    config = file.load(changed("kafka/client", {"sasl.username": "u", "sasl.password": "${env:KAFKA_PASSWORD}"}))
    for printed in (repr(config), str(config), config.model_dump_json(), str(config.model_dump()), repr(config.kafka), f"{config.pi.auth}"):
        assert SECRET not in printed
        assert "*****" in printed
    assert config.kafka.client_settings()["sasl.password"] == SECRET


def test_an_address_that_is_wrong_is_not_repeated_for_it_may_hold_a_secret(file: File) -> None:
    (problem,) = file.problems(changed("pi/url", f"htps://reader:{SECRET}@pi.example"))
    assert problem.startswith("pi.url: ")


# -- credentials for PI

BEARER = {"kind": "bearer", "token": "${env:PI_PASSWORD}"}
OAUTH = {"kind": "oauth", "token_url": "https://id.example/token/", "client_id": "bridge", "client_secret": "${env:PI_PASSWORD}"}


@pytest.mark.parametrize("auth", [BEARER, OAUTH])
def test_a_token_and_a_client_secret_are_secrets(file: File, auth: dict[str, str]) -> None:
    config = file.load(changed("pi/auth", auth))
    assert SECRET not in repr(config)
    key = "token" if auth is BEARER else "client_secret"
    (problem,) = file.problems(changed("pi/auth", auth | {key: SECRET}))
    assert "by reference only" in problem


def test_a_token_endpoint_keeps_its_address_to_the_letter_and_pi_knows_the_scope_system(file: File) -> None:
    auth = file.load(changed("pi/auth", OAUTH)).pi.auth
    assert auth.kind == "oauth"
    assert auth.token_url == "https://id.example/token/"
    assert auth.scope == "system"


def test_a_client_secret_goes_to_https_or_to_this_machine_only(file: File) -> None:
    file.load(changed("pi/auth", OAUTH | {"token_url": "http://127.0.0.1:8080/token"}))
    (problem,) = file.problems(changed("pi/auth", OAUTH | {"token_url": "http://id.example/token"}))
    assert "plain http" in problem


def test_a_secret_remembers_the_file_it_stood_in_for_there_it_may_be_rotated(file: File) -> None:
    token = file.directory / "token"
    token.write_text("abc\n")
    auth = file.load(changed("pi/auth", BEARER | {"token": f"${{file:{token}}}"})).pi.auth
    assert auth.kind == "bearer"
    assert auth.token.file == token
    assert file.load(changed("pi/auth", BEARER)).pi.auth.token.file is None  # type: ignore[union-attr]


# -- monitoring


def test_no_port_is_opened_unless_asked_for_and_then_on_this_machine(file: File) -> None:
    assert file.load(minimal()).monitoring is None
    asked = file.load(changed("monitoring", {})).monitoring
    assert asked is not None
    assert (asked.host, asked.port) == ("127.0.0.1", 9464)


@pytest.mark.parametrize("port", [-1, 65_536, "9464", True])
def test_a_port_that_is_none_is_refused(file: File, port: object) -> None:
    (problem,) = file.problems(changed("monitoring", {"port": port}))
    assert problem.startswith("monitoring.port")


# -- addresses


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"])
def test_plain_http_is_for_this_machine_only(file: File, host: str) -> None:
    assert file.load(changed("pi/url", f"http://{host}:8080/piwebapi")).pi.url == f"http://{host}:8080/piwebapi"


@pytest.mark.parametrize("host", ["pi.example", "0.0.0.0", "10.0.0.1", "localhost.example", "127.0.0.1.example", "[::2]"])
@pytest.mark.parametrize("path", ["pi/url", "registry/url"])
def test_plain_http_to_another_machine_is_refused(file: File, host: str, path: str) -> None:
    (problem,) = file.problems(changed(path, f"http://{host}/piwebapi"))
    assert "plain http" in problem


@pytest.mark.parametrize(
    "url",
    [
        "pi.example",
        "ftp://pi.example",
        "https://",
        "https://u@h/p",
        "https://:p@h/p",
        "https://h/p?a=1",
        "https://h/p?",
        "https://h/p#x",
        "https://[h",
    ],
)
def test_what_is_no_bare_address_is_refused(file: File, url: str) -> None:
    (problem,) = file.problems(changed("pi/url", url))
    assert problem.startswith("pi.url: ")


# -- the Kafka client


@pytest.mark.parametrize(
    "key",
    ["acks", "request.required.acks", "bootstrap.servers", "metadata.broker.list", "transactional.id", "isolation.level", "partitioner"],
)
def test_a_client_setting_that_delivery_depends_on_is_refused(file: File, key: str) -> None:
    (problem,) = file.problems(changed("kafka/client", {key: "x"}))
    assert f"{key} is not set here" in problem


def test_tls_to_kafka_cannot_be_left_unverified(file: File) -> None:
    unverified = {"enable.ssl.certificate.verification": False, "ssl.endpoint.identification.algorithm": "none"}
    (problem,) = file.problems(changed("kafka/client", unverified))
    assert "certificates are always verified" in problem
    assert "host names are always verified" in problem


def test_further_client_settings_are_passed_on(file: File) -> None:
    client = {"security.protocol": "SASL_SSL", "socket.keepalive.enable": True, "metadata.max.age.ms": 60000}
    assert file.load(changed("kafka/client", client)).kafka.client_settings() == {"bootstrap.servers": "broker:9092", **client}


def test_client_settings_whose_key_is_no_text_are_refused(file: File) -> None:
    (problem,) = file.problems(changed("kafka/client", {1: "x"}))
    assert problem.startswith("kafka.client")


# -- times


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("30d", timedelta(days=30)),
        ("90s", timedelta(seconds=90)),
        ("12h", timedelta(hours=12)),
        ("5m", timedelta(minutes=5)),
        ("2024-01-31T00:00:00Z", datetime(2024, 1, 31, tzinfo=UTC)),
        ("2024-01-31T02:00:00+02:00", datetime(2024, 1, 31, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("path", ["coverage/start", "pi/points/0/start"])
def test_a_start_is_a_duration_or_an_instant_with_a_zone(file: File, path: str, text: str, start: object) -> None:
    config = file.load(changed(path, text))
    assert (config.coverage.start if path.startswith("coverage") else config.pi.points[0].start) == start


def test_a_start_that_yaml_itself_takes_for_a_time_is_accepted_with_a_zone(file: File) -> None:
    config = file.load(yaml.safe_dump(minimal()) + "\ncoverage: {start: 2024-01-31T02:00:00+02:00}\n")
    assert config.coverage.start == datetime(2024, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2024-01-31T00:00:00", "'2024-01-31'", "2024-01-31", "0001-01-01T00:00:00+05:00"])
def test_a_start_without_a_zone_or_before_the_year_1_is_refused(file: File, text: str) -> None:
    problems = file.problems(yaml.safe_dump(minimal()) + f"\ncoverage: {{start: {text}}}\n")
    assert all(problem.startswith("coverage.start") for problem in problems)


@pytest.mark.parametrize("text", ["30", "30 d", "-30d", "1w", "yesterday", "*-1d", "99999999999d", "0001-01-01T00:00:00+05:00"])
def test_other_starts_are_refused(file: File, text: str) -> None:
    (problem,) = file.problems(changed("coverage/start", text))
    assert problem.startswith("coverage.start")


@pytest.mark.parametrize("seconds", [0, -1, ".inf", ".nan", "'5'", "5s"])
def test_a_duration_in_seconds_is_a_finite_number_above_zero(file: File, seconds: object) -> None:
    problems = file.problems(yaml.safe_dump(minimal()) + f"\ncoverage: {{settle_seconds: {seconds}}}\n")
    assert all(problem.startswith("coverage.settle_seconds") for problem in problems)


# -- YAML


def test_aliases_are_refused(file: File) -> None:
    (problem,) = file.problems("a: &x [1]\nb: *x\n")
    assert "aliases" in problem


@pytest.mark.parametrize("text", ["source: a\nsource: b\n", "pi: {url: a, url: b}\n"])
def test_a_repeated_key_is_refused(file: File, text: str) -> None:
    (problem,) = file.problems(text)
    assert "repeated key" in problem


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list",
        "source: [",
        "!!python/object/apply:os.getcwd []",
        "coverage: {start: 2024-13-45}",
        "x: " + "[" * 20_000,
        "x: \udc80",
        "? [a]\n: b",
    ],
    ids=["empty", "list", "open", "tag", "month 13", "deep", "not UTF-8", "odd key"],
)
def test_a_file_that_is_no_such_mapping_is_one_clear_problem(file: File, text: str) -> None:
    file.path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as raised:
        load(file.path, {})
    assert len(raised.value.problems) == 1
    assert raised.value.problems[0]


def test_a_file_that_is_absent_or_too_large_is_one_clear_problem(file: File) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(file.directory / "absent.yaml", {})
    file.path.write_text("#" * (1 << 20) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load(file.path, {})
