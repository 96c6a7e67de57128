"""Kafka settings for the Java client inside Spark, from the librdkafka settings in the configuration.

A security setting without a counterpart is refused rather than left out: dropped in silence it would be worse than a job that does not
start. Everything else in `kafka.client` tunes librdkafka and has no meaning here.
"""

from pathlib import Path

from schemas import config
from spark_jobs.errors import Misconfigured

_SECURITY = ("ssl.", "sasl.", "security.")
_LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


def client_settings(kafka: config.Kafka) -> dict[str, str]:
    """Settings of a Java consumer or admin client, secrets in clear: never print them. Raises Misconfigured."""
    given = {key: str(value) for key, value in kafka.client_settings().items()}
    wanted = {"bootstrap.servers": given.pop("bootstrap.servers")}
    if (protocol := given.pop("security.protocol", None)) is not None:
        wanted["security.protocol"] = protocol.upper()
    wanted |= _sasl(given) | _trust(given) | _identity(given)
    if left := sorted(key for key in given if key.startswith(_SECURITY)):
        raise Misconfigured(f"kafka.client sets {', '.join(left)}, which the Java client of the Spark job has no counterpart for")
    return wanted


def source_options(kafka: config.Kafka) -> dict[str, str]:
    """Options of Spark's Kafka source: committed records only, and never a range left out in silence."""
    settings = {f"kafka.{key}": value for key, value in client_settings(kafka).items()}
    return settings | {
        "kafka.isolation.level": "read_committed",
        # Spark asks for a partition's ends after each fetch, and the broker answers that only when the fetch sent ahead has ended, which
        # waits for so long: with Kafka's 500 ms a batch of 24 partitions took 4 s whatever its size.
        "kafka.fetch.max.wait.ms": "10",
        "failOnDataLoss": "true",
        "startingOffsets": "earliest",
        "groupIdPrefix": f"{kafka.group_id}-bronze",
    }


def _sasl(given: dict[str, str]) -> dict[str, str]:
    mechanism = given.pop("sasl.mechanism", None) or given.pop("sasl.mechanisms", None)
    given.pop("sasl.mechanisms", None)
    if mechanism is None:
        return {}
    if mechanism not in _LOGIN_MODULES:
        raise Misconfigured(f"the Spark job knows the SASL mechanisms {', '.join(_LOGIN_MODULES)}, and kafka.client asks for {mechanism}")
    login = f"username={_quoted(given.pop('sasl.username', ''))} password={_quoted(given.pop('sasl.password', ''))}"
    return {"sasl.mechanism": mechanism, "sasl.jaas.config": f"{_LOGIN_MODULES[mechanism]} required {login};"}


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _trust(given: dict[str, str]) -> dict[str, str]:
    certificates = _pem(given, "ssl.ca.pem", "ssl.ca.location")
    return {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": certificates} if certificates else {}


def _identity(given: dict[str, str]) -> dict[str, str]:
    chain, key = _pem(given, "ssl.certificate.pem", "ssl.certificate.location"), _pem(given, "ssl.key.pem", "ssl.key.location")
    password = given.pop("ssl.key.password", None)
    if chain is None and key is None:
        return {}
    if chain is None or key is None:
        raise Misconfigured("kafka.client gives a client certificate without its key, or a key without its certificate")
    identity = {"ssl.keystore.type": "PEM", "ssl.keystore.certificate.chain": chain, "ssl.keystore.key": key}
    return identity | ({"ssl.key.password": password} if password else {})


def _pem(given: dict[str, str], text: str, location: str) -> str | None:
    path = given.pop(location, None)
    if text in given:
        return given.pop(text)
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"kafka.client names the file {path} as {location}, which cannot be read: {error}") from error
