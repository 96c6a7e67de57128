"""The local stack: real servers as child processes on loopback ports, which end with the process that started them.

with running(directory) as stack:
    ...  # stack.bootstrap_servers, stack.registry_url, stack.catalog_uri
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from console.stack import catalog as unity_catalog
from console.stack import kafka as kafka_server
from console.stack import registry as registry_server
from console.stack.artifacts import Progress, provide
from console.stack.child import Child, Children
from console.stack.errors import ArtifactRefused, ArtifactsUnavailable, ChildDied, PortBusy, StackError, Stopping
from console.stack.java import cache_directory, java_home_for_spark, java_version

__all__ = ["ArtifactRefused", "ArtifactsUnavailable", "ChildDied", "PortBusy", "Progress", "Stack", "StackError", "running"]

STOP_GRACE_SECONDS = 6.0
DIRECTORY_TIMEOUT_SECONDS = 15.0
SAY_SECONDS = 2.0


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


@dataclass(frozen=True)
class Stack:
    """The addresses of running servers. Valid while the `with` block of `running` lasts."""

    directory: Path
    bootstrap_servers: str
    registry_url: str  # the Confluent interface: …/apis/ccompat/v7
    catalog_uri: str | None  # scheme, host, port; None: there is no catalog
    warehouse: Path  # exists; tables anywhere in it can be registered in the local catalog
    java_home: Path  # JAVA_HOME for Spark
    spark_class_path: str  # for spark.driver.extraClassPath
    children: Children
    kafka: kafka_server.Kafka = field(repr=False)
    registry: registry_server.Registry = field(repr=False)
    catalog: unity_catalog.Catalog | None = field(repr=False)

    @property
    def brief_spark(self) -> dict[str, str]:
        """Spark settings of a process that lives for minutes and sees few rows: it plans and compiles for most of its time.

        So: Java's quick compiler alone, rows handled without code made for them, a single task at a time, and plans made once: that they
        are made anew while they run, for rows that were counted meanwhile, is a fifth of what a small batch of silver costs.
        """
        return {
            "spark.master": "local[1]",
            "spark.driver.extraClassPath": self.spark_class_path,
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.shuffle.partitions": "1",
        }

    def check(self) -> None:
        """Raises ChildDied if a server has ended."""
        self.children.check()

    def versions(self) -> dict[str, str]:
        """What the running servers say they are; `spark` is the installed package. No entry for a catalog that does not say."""
        found = {
            "kafka": self.kafka.version(),
            "registry": self.registry.version(),
            "java": java_version(),
            "spark": version("pyspark"),
        }
        catalog = self.catalog.version() if self.catalog else None
        return found | ({"catalog": catalog} if catalog else {})

    def server(self, name: str) -> Child:
        """The process called kafka, registry or catalog. Raises KeyError."""
        return {child.name: child for child in self.children}[name]


@contextmanager
def running(
    directory: Path,
    *,
    say: Callable[[str], None] = to_stderr,
    catalog_uri: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    kafka_port: int | None = None,
    registry_port: int | None = None,
) -> Iterator[Stack]:
    """Servers, started all at once and verified to be ours; stopped when the block is left, however it is left.

    `directory` keeps Kafka's topics, the registry's schemas, the warehouse and the logs: a later start there finds them again. The local
    catalog starts empty. `say` gets a line at a time, from any thread; `progress` gets the state of fetching instead of `say`.

    Raises ArtifactRefused, ArtifactsUnavailable, ChildDied, PortBusy, StackError.
    """
    directory = directory.absolute()
    with claimed(directory) as claim:
        children = Children(guards_hold=(claim,))
        try:
            yield start(directory, children, say, progress or Throttle(say), catalog_uri, kafka_port, registry_port)
        finally:
            children.stop(STOP_GRACE_SECONDS)


def start(
    directory: Path,
    children: Children,
    say: Callable[[str], None],
    progress: Callable[[Progress], None],
    catalog_uri: str | None,
    kafka_port: int | None,
    registry_port: int | None,
) -> Stack:
    began = time.monotonic()
    cache = cache_directory()
    warehouse = directory / "warehouse"
    warehouse.mkdir(exist_ok=True)
    logs = directory / "logs"
    logs.mkdir(exist_ok=True)

    def ready(what: str) -> None:
        say(f"{what} after {time.monotonic() - began:.1f} s")

    def kafka() -> kafka_server.Kafka:
        jars = provide("kafka", children=children, cache=cache, progress=progress)
        server = kafka_server.start(directory / "kafka", jars, children=children, cache=cache, log_path=logs / "kafka.log", port=kafka_port)
        ready(f"Kafka answers at {server.bootstrap_servers}")
        return server

    def registry() -> registry_server.Registry:
        (archive,) = provide("registry", children=children, cache=cache, progress=progress)
        server = registry_server.start(
            directory / "registry", archive, children=children, cache=cache, log_path=logs / "registry.log", port=registry_port
        )
        ready(f"the registry answers at {server.url}")
        return server

    def catalog() -> unity_catalog.Catalog | None:
        if catalog_uri is not None:
            server = unity_catalog.check(catalog_uri)
        elif program := unity_catalog.found_on_path():
            server = unity_catalog.start(program, directory / "catalog", warehouse, children=children, log_path=logs / "catalog.log")
        else:
            say(f"no Unity Catalog: {unity_catalog.PROGRAM} is not on PATH and no address was given; tables are written, not registered")
            return None
        ready(f"Unity Catalog answers at {server.address}")
        return server

    def spark() -> tuple[Path, str]:
        jars = provide("spark", children=children, cache=cache, progress=progress)
        return java_home_for_spark(cache), ":".join(str(jar) for jar in jars)

    pool = ThreadPoolExecutor(4, thread_name_prefix="stack")
    try:
        kafka_task, registry_task, catalog_task, spark_task = (
            pool.submit(kafka),
            pool.submit(registry),
            pool.submit(catalog),
            pool.submit(spark),
        )
        tasks: tuple[Future[Any], ...] = (kafka_task, registry_task, catalog_task, spark_task)
        wait(tasks, return_when=FIRST_EXCEPTION)
        raise_first(tasks)
    except BaseException:
        children.stop(STOP_GRACE_SECONDS)  # the threads that still wait give up when they see it
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    java_home, spark_class_path = spark_task.result()
    catalog_server = catalog_task.result()
    return Stack(
        directory=directory,
        bootstrap_servers=kafka_task.result().bootstrap_servers,
        registry_url=registry_task.result().url,
        catalog_uri=catalog_server.address if catalog_server else None,
        warehouse=warehouse,
        java_home=java_home,
        spark_class_path=spark_class_path,
        children=children,
        kafka=kafka_task.result(),
        registry=registry_task.result(),
        catalog=catalog_server,
    )


def raise_first(tasks: tuple[Future[Any], ...]) -> None:
    """Raises what went wrong, if anything did; that a task was given up because of it comes last."""
    errors = [error for task in tasks if task.done() and (error := task.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, Stopping)):
        raise error


class Throttle:
    """Passes on a line about each group's progress every two seconds, and its last."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.files_done == progress.files_total or now - self._said.get(progress.group, -SAY_SECONDS) >= SAY_SECONDS:
            self._said[progress.group] = now
            self._say(str(progress))


@contextmanager
def claimed(directory: Path) -> Iterator[int]:
    """The directory, for one stack at a time: a lock that the guards of its children hold too, so that it outlasts a killed parent.

    Raises StackError if another stack is still there after some seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "stack.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + DIRECTORY_TIMEOUT_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StackError(f"Another stack runs in {directory}.", "Stop it, or choose another directory.") from None
                time.sleep(0.1)
        yield descriptor
    finally:
        os.close(descriptor)
