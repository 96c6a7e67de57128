"""Kafka's settings for Faust and aiokafka, from the librdkafka settings in the configuration.

A security setting without a counterpart is refused rather than left out: dropped in silence it would be worse than a process that does not
start. Everything else in `kafka.client` tunes librdkafka and has no meaning here.
"""

import ssl
from typing import Any

from confluent_kafka import KafkaException

from runtime.topics import described
from schemas.config import Config, Kafka
from schemas.topics import DEAD_LETTERS, INCIDENTS, LIVE, OF_PROCESSORS, OF_STATE, POINTS, RECORDED
from stream_processors.errors import NotReady, Unavailable

_SECURITY = ("ssl.", "sasl.", "security.")
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def brokers(kafka: Kafka) -> list[str]:
    """The addresses as Faust takes them."""
    return [f"kafka://{address.strip()}" for address in kafka.bootstrap_servers.split(",")]


def login(kafka: Kafka) -> dict[str, Any]:
    """How the brokers are spoken to: mechanism, username and password, and a TLS context, as far as there are such. Raises NotReady."""
    given = {key: str(value) for key, value in kafka.client_settings().items() if key.startswith(_SECURITY)}
    protocol = given.pop("security.protocol", "plaintext").lower()
    found: dict[str, Any] = {}
    if protocol.startswith("sasl"):
        mechanism = given.pop("sasl.mechanism", None) or given.pop("sasl.mechanisms", None)
        given.pop("sasl.mechanisms", None)
        if mechanism not in _MECHANISMS:
            raise NotReady(f"the processors know the SASL mechanisms {', '.join(_MECHANISMS)}, and kafka.client asks for {mechanism}")
        found |= {"mechanism": mechanism, "username": given.pop("sasl.username", ""), "password": given.pop("sasl.password", "")}
    if protocol.endswith("ssl"):
        found["context"] = _context(given)
    if given:
        raise NotReady(f"kafka.client sets {', '.join(sorted(given))}, which the processors have no counterpart for")
    return found


def check_topics(config: Config) -> None:
    """Raises NotReady if a topic is missing or misshapen, Unavailable if no broker answers."""
    try:
        _, problems = described(config, (LIVE, RECORDED, POINTS, INCIDENTS, DEAD_LETTERS, *OF_PROCESSORS, *OF_STATE))
    except KafkaException as error:
        raise Unavailable(f"Kafka at {config.kafka.bootstrap_servers} does not answer: {error.args[0].str()}") from error
    if problems:
        raise NotReady("; ".join(problems))


def _context(given: dict[str, str]) -> ssl.SSLContext:
    authorities, file = given.pop("ssl.ca.pem", None), given.pop("ssl.ca.location", None)
    certificate, key, password = (given.pop(f"ssl.{name}", None) for name in ("certificate.location", "key.location", "key.password"))
    try:
        context = ssl.create_default_context(cafile=file, cadata=authorities)
        if certificate is not None:
            context.load_cert_chain(certificate, key, password)
    except (OSError, ssl.SSLError) as error:
        raise NotReady(f"kafka.client names certificates that cannot be used: {error}") from error
    return context
