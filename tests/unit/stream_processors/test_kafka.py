"""librdkafka's settings as Faust takes them: what has no counterpart is refused."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from schemas.config import Kafka
from stream_processors.errors import NotReady
from stream_processors.kafka import brokers, login


def kafka(**client: Any) -> Kafka:
    return Kafka(bootstrap_servers="k1:9092, k2:9092", client={name.replace("_", "."): value for name, value in client.items()})


def test_every_broker_is_an_address() -> None:
    assert brokers(kafka()) == ["kafka://k1:9092", "kafka://k2:9092"]


def test_without_security_there_is_no_login_and_tuning_is_librdkafkas_own() -> None:
    assert login(kafka(linger_ms=5)) == {}


def test_a_login_with_a_password_over_tls() -> None:
    settings = kafka(security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username="u")
    found = login(settings)
    assert (found["mechanism"], found["username"], found["password"]) == ("SCRAM-SHA-512", "u", "")
    assert isinstance(found["context"], ssl.SSLContext)
    assert found["context"].verify_mode == ssl.CERT_REQUIRED
    assert found["context"].check_hostname


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "asks for GSSAPI"),
        ({"security_protocol": "SASL_SSL"}, "asks for None"),
        ({"security_protocol": "SSL", "ssl_crl_location": "/x"}, r"sets ssl\.crl\.location"),
        ({"ssl_ca_location": "/x"}, r"sets ssl\.ca\.location"),
        ({"security_protocol": "SSL", "ssl_ca_location": "/absent.pem"}, "cannot be used"),
    ],
)
def test_what_has_no_counterpart_is_refused(client: dict[str, Any], problem: str) -> None:
    with pytest.raises(NotReady, match=problem):
        login(kafka(**client))


def test_certificates_that_are_none_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(NotReady, match="cannot be used"):
        login(kafka(security_protocol="SSL", ssl_ca_location=str(tmp_path / "ca.pem")))
