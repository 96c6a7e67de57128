"""The client of the schema registry, as the configuration has it."""

from typing import Any

from confluent_kafka.schema_registry import SchemaRegistryClient

from schemas.config import Registry

_SECONDS = 15.0


def client(config: Registry) -> SchemaRegistryClient:
    """A client of the schema registry; to be closed after use."""
    settings: dict[str, Any] = {"url": config.url, "timeout": _SECONDS}
    if config.auth.kind == "basic":
        settings["basic.auth.user.info"] = f"{config.auth.username}:{config.auth.password.get_secret_value()}"
    if config.ca_file is not None:
        settings["ssl.ca.location"] = config.ca_file
    return SchemaRegistryClient(settings)
