"""The configuration file `pibridge.yaml`: one strict model for all processes.

Secrets and whatever differs by place come in by reference: a text that is exactly `${env:NAME}` or `${file:/path}` is replaced by the
variable's or the file's content (one trailing line break removed). A secret written out in the file is refused. Unknown keys are refused.
`load` reports all errors at once.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit
from uuid import UUID

import yaml
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator

from schemas.processors import PI_CLOCK, ClockGroup, Processors
from schemas.references import Referenced, Secret, resolve
from schemas.sections import Count, Monitoring, Seconds, SecondsOrNone, Section

CONFIG_VARIABLE, DEFAULT_CONFIG = "PIBRIDGE_CONFIG", "pibridge.yaml"
"""Where the configuration is looked for if it is not named: what the environment variable says, or this file."""
_DURATION = re.compile(r"(\d+)(d|h|m|s)")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_MAX_FILE_BYTES = 1 << 20


class ConfigError(Exception):
    """A configuration that cannot be used; `problems` holds a sentence for each thing to change."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(
            f"{path}: " + ("; ".join(problems) if len(problems) == 1 else f"{len(problems)} problems\n  " + "\n  ".join(problems))
        )


def _origin(value: object) -> object:
    """An address without user, query or fragment; plain http only to this very machine."""
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("this is not an address such as https://host/path")
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise ValueError("an address here has no user, query or fragment: credentials go into auth")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError(f"plain http to {parts.hostname} would show credentials and data to the network: use https")
    return value.rstrip("/")


def _endpoint(value: object) -> object:
    """An address as `_origin` has it, of which not even the last slash may change."""
    _origin(value)
    return value


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _start(value: object) -> object:
    """A duration back from now such as 30d, or an instant with a zone."""
    if isinstance(value, str):
        try:
            if match := _DURATION.fullmatch(value):
                return timedelta(**{_UNITS[match[2]]: int(match[1])})
            value = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            raise ValueError(f"{value!r} is neither a duration such as 30d nor an instant such as 2024-01-31T00:00:00Z") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone: write 2024-01-31T00:00:00Z")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"{value.isoformat()} lies outside the years 1 to 9999") from None
    return value


def instant_of(text: str, now: datetime) -> datetime:
    """The instant that a text says, or that lies a duration such as 30d before `now`. Raises ValueError with what to write instead."""
    start = _start(text)
    return now - start if isinstance(start, timedelta) else cast(datetime, start)


Address = Annotated[str, BeforeValidator(_origin)]
Endpoint = Annotated[str, BeforeValidator(_endpoint)]
Start = Annotated[timedelta | datetime, BeforeValidator(_start)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
CatalogName = Annotated[str, Field(pattern=r"^[^\s./\x00-\x1f\x7f]{1,255}$")]
"""What Unity Catalog takes for a name: anything but dots, slashes, blanks and control characters."""


class BasicAuth(Section):
    kind: Literal["basic"]
    username: str
    password: Secret


class Anonymous(Section):
    kind: Literal["anonymous"]


class BearerAuth(Section):
    """A token that somebody else renews: its file is read again when PI refuses the one it held."""

    kind: Literal["bearer"]
    token: Secret


class OAuth(Section):
    """OAuth 2 client credentials (RFC 6749, 4.4); PI's own provider knows the scope `system` (pi-web-api.md 7.1)."""

    kind: Literal["oauth"]
    token_url: Endpoint
    client_id: str
    client_secret: Secret
    scope: str = "system"


class PointSelection(Section):
    """Points of one data server by name and point source; a point is in scope if one selection has it and no `exclude` does."""

    server: str
    name_filter: str = "*"
    point_source: str | None = None
    exclude: tuple[str, ...] = ()
    """Names, with * and ?, that stay out."""
    start: Start | None = None
    """How far back these points are filled; without it `coverage.start`."""


class Load(Section):
    """What the bridge may ask of PI."""

    requests_per_second: Seconds = 20.0
    concurrency: Count = 4
    batch_points: Annotated[int, Field(ge=1, le=500)] = 500
    """Sub-requests in one batch call, at most: less is asked for while PI is slow or fails."""
    page_values: Annotated[int, Field(ge=2, le=150_000)] = 10_000
    """maxCount of one read, at most."""
    request_timeout_seconds: Seconds = 60.0
    answer_bytes: Count = 64 << 20
    """Largest decoded answer that is accepted."""


class Channels(Section):
    url_bytes: Annotated[int, Field(ge=512, le=16_384)] = 4096
    """Longest URL of a channel: it limits how many points share one."""
    sockets: Annotated[int, Field(ge=1, le=200)] = 200
    message_bytes: Count = 16 << 20
    heartbeat_polls: Count = 5
    """Empty polls of PI Web API before it sends an empty message (not seconds)."""
    silence_seconds: Seconds = 60.0
    """A channel without any message for so long is taken for dead."""
    open_interval_seconds: SecondsOrNone = 0.05
    """Pause between two openings, so that a restarted PI Web API is not stormed."""
    rejoin_seconds: Seconds = 600.0
    """Channels that have spoken for so long without a loss may share one, where an address holds their points."""
    reconnect_seconds: Seconds = 1.0
    reconnect_max_seconds: Seconds = 60.0


class PI(Section):
    url: Address
    """Base address of PI Web API, such as https://host/piwebapi."""
    auth: Annotated[BasicAuth | BearerAuth | OAuth | Anonymous, Field(discriminator="kind")]
    ca_file: str | None = None
    """Certificates to trust instead of the operating system's, for PI Web API and the token endpoint alike."""
    servers: dict[Name, Annotated[UUID, Field(strict=False)]] = Field(min_length=1)
    """Alias of each data server, and its GUID (`Id` in the answer of /dataservers)."""
    points: tuple[PointSelection, ...] = Field(min_length=1, strict=False)
    inventory_seconds: Seconds = 3600.0
    load: Load = Load()
    channels: Channels = Channels()

    @model_validator(mode="after")
    def _servers_exist(self) -> "PI":
        if unknown := sorted({s.server for s in self.points} - set(self.servers)):
            raise ValueError(f"points name servers that `servers` does not: {', '.join(unknown)}")
        return self


class Coverage(Section):
    """How soon the archive is read, and how far back (design 3.2 and 4)."""

    start: Start = timedelta(days=30)
    settle_seconds: Seconds = 120.0
    """PI needs so long to bring a value from its event queue into the archive."""
    seal_previews: Count = 100
    """A point is read forward when it has so many previews that are not yet covered,"""
    seal_min_seconds: Seconds = 300.0
    """at the earliest after this,"""
    seal_max_seconds: Seconds = 3600.0
    """and at the latest after that, if it has any."""
    quiet_seconds: Seconds = 21_600.0
    """A point without previews is read forward so often."""
    blind_margin_seconds: SecondsOrNone = 7200.0
    """So much before a blind interval is read again too."""
    slice_seconds: Seconds = 86_400.0
    """Longest range of one back-fill request."""
    reread_ages_seconds: tuple[Seconds, ...] = Field((7200.0, 86_400.0, 604_800.0), max_length=8, strict=False)
    """All data is read once more at each of these ages: late values that no channel told of are found then."""
    reread_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of pi.load that re-reads by age may have."""
    away_retry_seconds: Seconds = 86_400.0
    """A range whose archive was not there is asked for again after so long."""
    stuck_previews: Count = 100
    """So many live values of a data server, older than settle, without anything newer in its archive: its event queue is stuck."""


class Delivery(Section):
    """Frames and transactions (design 3.4 to 3.6)."""

    shards: Annotated[int, Field(ge=1, le=1024)] = 12
    """Partitions of the sharded topics, fixed when these are created."""
    frame_seconds: Seconds = 0.1
    frame_samples: Count = 1000
    frame_bytes: Annotated[int, Field(ge=1024, le=900_000)] = 256_000
    commit_seconds: Seconds = 0.2
    commit_bytes: Count = 1_000_000
    waiting_bytes: Count = 64 << 20
    """So much may wait for Kafka; then the channels are closed."""
    transaction_timeout_seconds: Seconds = 120.0
    session_timeout_seconds: Seconds = 10.0
    drain_seconds: Seconds = 10.0
    """A stopping bridge waits so long for its last commits."""


_RESERVED = {
    "acks": "delivery needs all",
    "bootstrap.servers": "written as bootstrap_servers",
    "enable.auto.commit": "offsets are not what progress is kept in",
    "enable.idempotence": "delivery needs it",
    "enable.ssl.certificate.verification": "certificates are always verified",
    "group.id": "written as group_id",
    "isolation.level": "every consumer reads committed records only",
    "metadata.broker.list": "written as bootstrap_servers",
    "partitioner": "the partition is the shard",
    "request.required.acks": "delivery needs all",
    "session.timeout.ms": "written as delivery.session_timeout_seconds",
    "ssl.endpoint.identification.algorithm": "host names are always verified",
    "transaction.timeout.ms": "written as delivery.transaction_timeout_seconds",
    "transactional.id": "one per shard, from transactional_prefix",
}


_SECRET_ENDINGS = (".password", ".passphrase", ".secret", ".pem", "sasl.oauthbearer.config")


class Kafka(Section):
    bootstrap_servers: str
    group_id: str = "pibridge"
    transactional_prefix: str = "pibridge"
    replication: Annotated[int, Field(ge=1, le=32767)] = 3
    min_insync_replicas: Count = 2
    client: dict[str, str | int | bool | SecretStr] = Field(default_factory=dict)
    """Further librdkafka settings, such as security.protocol and sasl.*."""

    @field_validator("client", mode="before")
    @classmethod
    def _client_settings(cls, client: Any) -> Any:
        if not isinstance(client, dict):
            return client
        problems = [f"{key} is not set here ({_RESERVED[key]})" for key in sorted(client.keys() & _RESERVED.keys())]
        problems += [
            f"{key} is a secret: give it by reference, ${{env:NAME}} or ${{file:/path}}"
            for key, value in client.items()
            if str(key).endswith(_SECRET_ENDINGS) and not isinstance(value, Referenced)
        ]
        if problems:
            raise ValueError(", ".join(problems))
        return {key: SecretStr(str(value)) if isinstance(value, Referenced) else value for key, value in client.items()}

    def client_settings(self) -> dict[str, str | int | bool]:
        """Settings for librdkafka, secrets in clear: never print them."""
        plain = {key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in self.client.items()}
        return {"bootstrap.servers": self.bootstrap_servers, **plain}


class Registry(Section):
    url: Address
    """Confluent-compatible schema registry; Apicurio's is below /apis/ccompat/v7."""
    auth: Annotated[BasicAuth | Anonymous, Field(discriminator="kind")] = Anonymous(kind="anonymous")
    ca_file: str | None = None


class Catalog(Section):
    uri: Address
    """Unity Catalog server, without the path of its API."""
    token: Secret | None = None
    ca_file: str | None = None


class Lakehouse(Section):
    warehouse: str | None = None
    """Root directory or URL under which the tables lie; without one they are managed tables of `catalog_name`, written by name."""
    checkpoints: str
    """Directory of the jobs' checkpoints."""
    catalog_name: CatalogName = "pibridge"
    trigger_seconds: Seconds = 1.0
    """Bronze takes what came into Kafka so often,"""
    refine_seconds: Seconds = 30.0
    """silver what came into bronze so often,"""
    measure_seconds: Seconds = 300.0
    """and gold what came into silver."""
    maintain_seconds: Seconds = 86_400.0
    """So often the job that makes silver and gold puts small files together, and removes what no reader needs any more."""
    spark: dict[str, str] = Field(default_factory=dict)
    """Further Spark settings, such as spark.driver.memory; on a laptop also spark.driver.extraClassPath."""
    catalog: Catalog | None = None
    """Unity Catalog server to register the tables in; without one they are only files."""


class Config(Section):
    source: Name
    """Id of this PI Web API in topics and tables."""
    pi: PI
    kafka: Kafka
    registry: Registry
    coverage: Coverage = Coverage()
    delivery: Delivery = Delivery()
    lakehouse: Lakehouse | None = None
    processors: Processors = Processors()
    monitoring: Monitoring | None = None
    """Of the bridge. Absent: no port is opened."""

    @model_validator(mode="after")
    def _servers_of_clocks_exist(self) -> "Config":
        if unknown := sorted({group.server for group in self.processors.skew.groups} - set(self.pi.servers)):
            raise ValueError(f"processors.skew.groups name servers that pi.servers does not: {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _clocks_are_told_apart(self) -> "Config":
        if PI_CLOCK in self.pi.servers:
            raise ValueError(f"pi.servers: the alias {PI_CLOCK} stands for PI Web API's own clock")
        if wrong := sorted({group.name for group in self.processors.skew.groups if self._is_of_another(group)}):
            raise ValueError(f"processors.skew.groups have names that stand for other clocks: {', '.join(wrong)}")
        return self

    def _is_of_another(self, group: ClockGroup) -> bool:
        alias, slash, _ = group.name.partition("/")
        return group.name == PI_CLOCK or (alias in self.pi.servers and not (slash and alias == group.server))


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases (they can be made to explode) and without repeated keys (the last one would win in silence)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not accepted")
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if repeated := sorted({str(key) for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"repeated key {', '.join(repeated)}, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file. Raises ConfigError with everything that is wrong with it."""
    environment = os.environ if environment is None else environment
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise ConfigError(path, ["the file is larger than 1 MiB"])
        document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(path, [" ".join(str(error).split())]) from error
    if not isinstance(document, dict):
        raise ConfigError(path, ["the file does not hold a mapping with `source`, `pi`, `kafka` and `registry`"])
    problems: list[str] = []
    resolved = resolve(document, (), environment, problems)
    try:
        config = Config.model_validate(resolved)
    except ValidationError as error:
        problems += [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
    if problems:
        raise ConfigError(path, problems)
    return config
