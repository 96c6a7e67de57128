"""`check` of the schema registry: whether it answers, and whether each subject carries this version's schema (design 3.3)."""

import ssl

import httpx2
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from bridge.findings import Finding, Status
from bridge.tls import distrust
from runtime import registry
from schemas import wire
from schemas.config import Config
from schemas.topics import OF_BRIDGE

COMPATIBILITY = "FULL_TRANSITIVE"
_REGISTER = "run: pibridge schemas register"


def check_registry(config: Config) -> list[Finding]:
    """Every finding about the registry; registers nothing."""
    url = config.registry.url
    try:
        with registry.client(config.registry) as client:
            client.get_subjects()
            found = [finding for topic in OF_BRIDGE for finding in _subject(client, topic.subject(config.source), topic.record)]
    except SchemaRegistryError as error:
        hint = "see registry.auth" if error.http_status_code in (401, 403) else "registry.url is the Confluent-compatible API of a registry"
        status: Status = "problem" if error.http_status_code < 500 else "unreachable"
        return [Finding("registry.reachable", status, f"{url}: {error}", hint), _unasked()]
    except (httpx2.HTTPError, OSError) as error:
        return [_no_answer(url, error), _unasked()]
    if not any(finding.status == "problem" for finding in found):
        found.append(Finding("registry.subjects", "ok", f"{len(OF_BRIDGE)} subjects carry this version's schemas"))
    return [Finding("registry.reachable", "ok", url), *found]


def _no_answer(url: str, error: Exception) -> Finding:
    if (refused := distrust(error, httpx2.URL(url).host)) is not None:
        sentence = refused.replace("pi.ca_file", "registry.ca_file")
        return Finding("registry.reachable", "problem", sentence, "certificates are always verified; there is no switch")
    if isinstance(error, ssl.SSLError | FileNotFoundError):
        return Finding("registry.reachable", "problem", f"{url}: {error}", "see registry.ca_file")
    return Finding("registry.reachable", "unreachable", f"{url}: {error or type(error).__name__}", "is the address right, the registry up?")


def _unasked() -> Finding:
    return Finding("registry.subjects", "not_checked", "the registry could not be asked")


def _subject(client: SchemaRegistryClient, subject: str, record: str) -> list[Finding]:
    try:
        client.lookup_schema(subject, Schema(wire.schema_text(record), "AVRO"))
    except SchemaRegistryError as error:
        if error.http_status_code != 404:
            raise
        return [Finding("registry.subjects", "problem", f"subject {subject} lacks this version's schema", _REGISTER)]
    try:
        level = client.get_compatibility(subject)
    except SchemaRegistryError as error:
        if error.http_status_code != 404:
            raise
        level = "the registry's default"
    if level != COMPATIBILITY:
        return [Finding("registry.subjects", "hint", f"subject {subject} is kept compatible by {level}, not {COMPATIBILITY}", _REGISTER)]
    return []
