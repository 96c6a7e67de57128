from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from schemas import config
from spark_jobs import kafka
from spark_jobs.errors import Misconfigured


def settings(**client: Any) -> config.Kafka:
    return config.Kafka.model_construct(bootstrap_servers="k:9092", client=client, group_id="pibridge")


def test_only_committed_records_are_read_and_lost_ones_stop_the_job() -> None:
    options = kafka.source_options(settings())
    assert options["kafka.isolation.level"] == "read_committed"
    assert (options["failOnDataLoss"], options["startingOffsets"], options["kafka.bootstrap.servers"]) == ("true", "earliest", "k:9092")


def test_librdkafkas_security_settings_become_those_of_the_java_client(tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(f"PEM {name}")
    found = kafka.client_settings(
        settings(
            **{
                "security.protocol": "sasl_ssl",
                "sasl.mechanisms": "SCRAM-SHA-512",
                "sasl.username": "pi",
                "sasl.password": SecretStr('a"b\\c'),
                "ssl.ca.location": str(tmp_path / "ca"),
                "ssl.certificate.location": str(tmp_path / "cert"),
                "ssl.key.location": str(tmp_path / "key"),
                "linger.ms": 5,
            }
        )
    )
    login = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="pi" password="a\\"b\\\\c";'
    assert found == {
        **{"bootstrap.servers": "k:9092", "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": login},
        **{"ssl.truststore.type": "PEM", "ssl.truststore.certificates": "PEM ca", "ssl.keystore.type": "PEM"},
        **{"ssl.keystore.certificate.chain": "PEM cert", "ssl.keystore.key": "PEM key"},
    }


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ({"sasl.mechanism": "GSSAPI"}, "asks for GSSAPI"),
        ({"ssl.crl.location": "/x"}, "ssl.crl.location"),
        ({"ssl.key.pem": "x"}, "without its certificate"),
        ({"ssl.ca.location": "/no/such/file"}, "cannot be read"),
    ],
)
def test_a_security_setting_that_cannot_be_kept_is_refused(client: dict[str, str], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        kafka.client_settings(settings(**client))
