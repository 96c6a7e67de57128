"""`check` of Kafka: brokers, topics with their partitions and settings, rights, transactions (design 3.3, 3.6). Changes nothing."""

import secrets
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from bridge.findings import Finding, Status
from bridge.publish import producer_settings
from schemas.config import Config
from schemas.topics import COMMANDS, OF_BRIDGE, POINTS, PROGRESS, Topic

_SECONDS = 10.0
_AFTER_BROKERS = ("kafka.topics", "kafka.groups", "kafka.transactions")
_READ_BY_US = (POINTS, PROGRESS, COMMANDS)
_AT_LEAST = frozenset({"retention.ms", "min.compaction.lag.ms", "min.insync.replicas", "max.message.bytes"})
"""A topic may have more of these than we ask for, and not less; -1 is without end."""
_LARGEST_MESSAGE_BYTES = 1_000_000
"""A frame stays below it (design 3.4)."""
_DENIED = frozenset(
    {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED,
     KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED}
)  # fmt: skip
_NOT_LET_IN = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED})
_PLAN = "see `pibridge topics plan` for the rights that each process needs"


def check_kafka(config: Config) -> list[Finding]:
    """Every finding about Kafka; returns within about half a minute even if nothing answers."""
    said: list[KafkaError] = []
    quiet: dict[str, Any] = {"log_level": 0, "error_cb": said.append}
    try:
        admin = AdminClient({**config.kafka.client_settings(), **quiet})
    except (KafkaException, ValueError, TypeError) as error:
        return [
            Finding("kafka.brokers", "problem", f"librdkafka does not take the settings: {_text(error)}", "see kafka.client"),
            *_unasked(),
        ]
    try:
        cluster = admin.describe_cluster(request_timeout=_SECONDS).result()
    except KafkaException as error:
        admin.poll(0)
        return [_away(config, said, error), *_unasked()]
    brokers = ", ".join(f"{node.host}:{node.port}" for node in cluster.nodes)
    found = [Finding("kafka.brokers", "ok", f"{len(cluster.nodes)} brokers: {brokers}")]
    if len(cluster.nodes) < config.kafka.replication:
        hint = "fewer brokers than kafka.replication: `pibridge topics apply` cannot create topics"
        found.append(Finding("kafka.brokers", "hint", f"replication {config.kafka.replication} on {len(cluster.nodes)} brokers", hint))
    found += _topics(config, admin)
    found += _sessions(config, admin, cluster.nodes[0].id)
    found += _group(config, admin)
    return [*found, _transactions(config, quiet)]


def _unasked() -> list[Finding]:
    return [Finding(name, "not_checked", "no broker answered") for name in _AFTER_BROKERS]


def _away(config: Config, said: list[KafkaError], error: KafkaException) -> Finding:
    """Why no broker answered: what librdkafka said on the way tells more than the time-out in the end."""
    telling = [one for one in said if one.code() != KafkaError._ALL_BROKERS_DOWN]
    if refused := [one for one in telling if one.code() in _NOT_LET_IN]:
        hint = "see kafka.client: security.protocol, sasl.*, ssl.ca.location"
        return Finding("kafka.brokers", "problem", f"{config.kafka.bootstrap_servers}: {refused[-1].str()}", hint)
    detail = telling[-1].str() if telling else _text(error)
    hint = "are the addresses right, the brokers up? A broker that asks for TLS looks like this too"
    return Finding("kafka.brokers", "unreachable", f"{config.kafka.bootstrap_servers}: {detail}", hint)


def _text(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    return str(cause.str()) if isinstance(cause, KafkaError) else str(cause)


def _failed(name: str, what: str, error: KafkaException) -> Finding:
    code = error.args[0].code()
    if code in _DENIED:
        return Finding(name, "problem", f"{what}: {_text(error)}", _PLAN)
    status: Status = "unreachable" if code == KafkaError._TIMED_OUT or error.args[0].retriable() else "problem"
    return Finding(name, status, f"{what}: {_text(error)}")


# -- topics -----------------------------------------------------------------------------------------------------------------------


def _topics(config: Config, admin: AdminClient) -> list[Finding]:
    names = {topic.name(config.source): topic for topic in OF_BRIDGE}
    wanted = TopicCollection(list(names))
    answers = admin.describe_topics(wanted, include_authorized_operations=True, request_timeout=_SECONDS)
    found, there = list[Finding](), list[str]()
    for name, future in answers.items():
        what = f"topic {name}"
        try:
            described = future.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                found.append(Finding("kafka.topics", "problem", f"{what} does not exist", "run: pibridge topics apply"))
            else:
                found.append(_failed("kafka.topics", what, error))
            continue
        there.append(name)
        found += _shape(config, names[name], what, described)
        found += _rights(names[name], what, described)
    found += _settings(config, admin, {name: names[name] for name in there})
    if not any(finding.status == "problem" for finding in found) and len(there) == len(names):
        found.append(Finding("kafka.topics", "ok", f"{len(names)} topics pi.{config.source}.*, {config.delivery.shards} shards"))
    return found


def _shape(config: Config, topic: Topic, what: str, described: Any) -> list[Finding]:
    found, wanted = list[Finding](), topic.partition_count(config.delivery.shards)
    if len(described.partitions) != wanted:
        hint = "set delivery.shards to what the topics were created with" if topic.sharded else "create it anew by `pibridge topics apply`"
        found.append(Finding("kafka.topics", "problem", f"{what} has {len(described.partitions)} partitions, not {wanted}", hint))
    replicas = min((len(partition.replicas) for partition in described.partitions), default=0)
    if replicas < config.kafka.replication:
        hint = "raise it by kafka-reassign-partitions, or lower kafka.replication"
        found.append(Finding("kafka.topics", "hint", f"{what} has {replicas} replicas, not {config.kafka.replication}", hint))
    if leaderless := [str(partition.id) for partition in described.partitions if partition.leader is None]:
        found.append(Finding("kafka.topics", "problem", f"{what}: partitions {', '.join(leaderless)} have no leader", "are brokers down?"))
    return found


def _rights(topic: Topic, what: str, described: Any) -> list[Finding]:
    """Compares what the brokers say we may do with what the bridge does; no answer from them says nothing."""
    allowed = described.authorized_operations
    needed = {AclOperation.DESCRIBE} if topic is COMMANDS else {AclOperation.WRITE, AclOperation.DESCRIBE}
    needed |= {AclOperation.READ} if topic in _READ_BY_US else set()
    if not allowed or AclOperation.ALL in allowed or needed <= set(allowed):
        return []
    missing = ", ".join(sorted(operation.name.capitalize() for operation in needed - set(allowed)))
    return [Finding("kafka.topics", "problem", f"{what}: this user may not {missing}", _PLAN)]


def _settings(config: Config, admin: AdminClient, topics: dict[str, Topic]) -> list[Finding]:
    if not topics:
        return []
    found = list[Finding]()
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    for resource, future in admin.describe_configs(resources, request_timeout=_SECONDS).items():
        try:
            held = {name: entry.value for name, entry in future.result().items()}
        except KafkaException as error:
            hint = "the right DescribeConfigs on topics lets `check` see them"
            return [*found, Finding("kafka.topics", "hint", f"settings are not shown to us: {_text(error)}", hint)]
        wanted = topics[resource.name].settings | {"max.message.bytes": str(_LARGEST_MESSAGE_BYTES)}
        if config.kafka.replication > 1:
            wanted |= {"min.insync.replicas": str(config.kafka.min_insync_replicas)}
        found += [_setting(resource.name, key, value, held.get(key)) for key, value in wanted.items() if held.get(key) != value]
    return [finding for finding in found if finding.status != "ok"]


def _setting(topic: str, key: str, wanted: str, held: str | None) -> Finding:
    detail = f"topic {topic} has {key}={held}, and {wanted} is planned"
    change = f"kafka-configs --alter --topic {topic} --add-config {key}={wanted}"
    if key in _AT_LEAST and held is not None and (held == "-1" or int(held) >= int(wanted)):
        return Finding("kafka.topics", "ok", detail)
    status: Status = "problem" if key in _AT_LEAST or key == "cleanup.policy" else "hint"
    return Finding("kafka.topics", status, detail, change)


# -- group and transactions -------------------------------------------------------------------------------------------------------


def _sessions(config: Config, admin: AdminClient, broker: int) -> list[Finding]:
    """The brokers' own limits for the group's session; not seeing them is no problem, for joining would tell."""
    wanted_ms = config.delivery.session_timeout_seconds * 1000
    resource = ConfigResource(ResourceType.BROKER, str(broker))
    try:
        held = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
        least_ms, most_ms = (int(held[f"group.{end}.session.timeout.ms"].value) for end in ("min", "max"))
    except (KafkaException, KeyError, TypeError, ValueError):
        return []
    if least_ms <= wanted_ms <= most_ms:
        return []
    detail = f"delivery.session_timeout_seconds is {wanted_ms / 1000:g}, and the brokers accept {least_ms / 1000:g} to {most_ms / 1000:g}"
    return [Finding("kafka.groups", "problem", detail, "change it, or group.min.session.timeout.ms on the brokers")]


def _group(config: Config, admin: AdminClient) -> list[Finding]:
    """Whether the group may be looked at and read. It is not joined: that would take shards from a bridge that runs."""
    group = config.kafka.group_id
    try:
        described = admin.describe_consumer_groups([group], include_authorized_operations=True, request_timeout=_SECONDS)[group].result()
    except KafkaException as error:
        if error.args[0].code() in _DENIED:
            return [_failed("kafka.groups", f"group {group}", error)]
        return [Finding("kafka.groups", "ok", f"group {group} has no members yet")]
    allowed = described.authorized_operations
    if allowed and not {AclOperation.READ, AclOperation.ALL} & set(allowed):
        return [Finding("kafka.groups", "problem", f"group {group}: this user may not Read", _PLAN)]
    return [Finding("kafka.groups", "ok", f"group {group} has {len(described.members)} members")]


def _transactions(config: Config, quiet: dict[str, Any]) -> Finding:
    """Begins to use a transactional id that nobody has: a bridge's own would be fenced."""
    probe = f"{config.kafka.transactional_prefix}.{config.source}.check-{secrets.token_hex(4)}"
    try:
        producer = Producer({**producer_settings(config, probe), **quiet})
        producer.init_transactions(_SECONDS)
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.INVALID_TRANSACTION_TIMEOUT:
            detail = f"delivery.transaction_timeout_seconds {config.delivery.transaction_timeout_seconds:g} is more than the brokers accept"
            return Finding("kafka.transactions", "problem", detail, "lower it, or raise transaction.max.timeout.ms on the brokers")
        return _failed("kafka.transactions", f"transactional id {probe}", error)
    return Finding("kafka.transactions", "ok", f"transactional ids {config.kafka.transactional_prefix}.{config.source}.* may be used")
