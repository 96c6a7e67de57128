"""One Kafka node, broker and controller in one process, on loopback ports."""

from __future__ import annotations

import base64
import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from console.stack.child import Child, Children
from console.stack.errors import StackError
from console.stack.java import java, java_options
from console.stack.ports import LOOPBACK, await_server, free_port, on_free_port

FORMAT_TIMEOUT_SECONDS = 60.0
START_TIMEOUT_SECONDS = 90.0
REQUEST_TIMEOUT_SECONDS = 20.0
HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseG1GC")
STARTED = "Kafka Server started"
VERSION = re.compile(r"Kafka version: (\S+)")

# The data directory is relative, since a comma in a path would part it in two. One node has no replicas. The group times let a consumer
# that was killed lose its partitions within seconds, as tests want it.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
group.min.session.timeout.ms=1000
group.consumer.heartbeat.interval.ms=1000
group.consumer.min.heartbeat.interval.ms=1000
group.consumer.min.session.timeout.ms=3000
group.consumer.session.timeout.ms=6000
"""

LOGGING = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %-5p %m (%c)%n
logger.settings.name=org.apache.kafka.common.config.AbstractConfig
logger.settings.level=WARN
rootLogger.level=INFO
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=out
"""


@dataclass(frozen=True)
class Kafka:
    bootstrap_servers: str
    cluster_id: str
    child: Child

    def version(self) -> str:
        """What the running broker says it is. The protocol has no question for it; the broker states it at start, in its log."""
        found = VERSION.search(self.child.log())
        if found is None:
            raise StackError("Kafka has not said its version.", f"Its log is {self.child.log_path}.")
        return found.group(1)


def start(directory: Path, jars: Sequence[Path], *, children: Children, cache: Path, log_path: Path, port: int | None = None) -> Kafka:
    """A Kafka node whose data lies in `directory`, ready for clients; topics of an earlier start are there again.

    Raises ChildDied, PortBusy, StackError, Stopping.
    """
    options = [*java_options(cache), "-Dlog4j2.configurationFile=log4j2.properties"]
    options += ["-cp", ":".join(str(jar) for jar in jars)]

    def serve(port: int) -> Kafka:
        configure(directory, port)
        cluster_id = format_storage(directory, options, children, log_path)
        command = [str(java()), *HEAP, *options, "kafka.Kafka", "server.properties"]
        child = children.start("kafka", command, log_path=log_path, directory=directory)
        await_server(children, child, port, lambda: STARTED in child.log(), START_TIMEOUT_SECONDS)
        bootstrap_servers = f"{LOOPBACK}:{port}"
        verify(bootstrap_servers, cluster_id, child)
        return Kafka(bootstrap_servers, cluster_id, child)

    return on_free_port(serve, port)


def configure(directory: Path, port: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    controller_port = free_port()
    while controller_port == port:
        controller_port = free_port()
    properties = PROPERTIES.format(host=LOOPBACK, port=port, controller_port=controller_port)
    (directory / "server.properties").write_text(properties)
    (directory / "log4j2.properties").write_text(LOGGING)


def format_storage(directory: Path, options: Sequence[str], children: Children, log_path: Path) -> str:
    """The cluster id of the storage, which is formatted first if it never was. A format that was cut short is done again."""
    record = directory / "cluster-id"
    if record.is_file():
        return record.read_text().strip()
    shutil.rmtree(directory / "data", ignore_errors=True)
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    if cluster_id.startswith("-"):  # the tool would take it for an option
        cluster_id = "A" + cluster_id[1:]
    arguments = ["format", "--ignore-formatted", "-t", cluster_id, "-c", "server.properties"]
    command = [str(java()), "-Xmx256m", "-XX:TieredStopAtLevel=1", *options, "kafka.tools.StorageTool", *arguments]
    child = children.start("kafka-format", command, log_path=log_path, directory=directory)
    code = children.finish(child, FORMAT_TIMEOUT_SECONDS)
    if code != 0:
        raise StackError(f"Kafka's storage {directory} could not be formatted: exit code {code}.", f"The log is {log_path}.")
    unfinished = record.with_suffix(".new")
    unfinished.write_text(cluster_id)
    unfinished.replace(record)
    return cluster_id


def verify(bootstrap_servers: str, cluster_id: str, child: Child) -> None:
    """Raises unless the broker that answers at the address is the one we started: our cluster id, which nobody can guess."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    try:
        found = admin.describe_cluster(request_timeout=REQUEST_TIMEOUT_SECONDS).result(REQUEST_TIMEOUT_SECONDS * 2).cluster_id
    except (KafkaException, TimeoutError) as error:
        child.check()
        raise StackError(
            f"Kafka has started but does not answer at {bootstrap_servers}: {error}.", f"Its log is {child.log_path}."
        ) from error
    child.check()
    if found != cluster_id:
        raise StackError(f"Another Kafka (cluster {found}) answers at {bootstrap_servers}.", "Stop it, or try again.")
