"""Makes `artifacts.lock.json`: what the roots below come to, as published now.

    python -m console.stack.lock > new.json

Read the difference before it replaces the lock: from then on these are the bytes that every user's machine runs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from console.stack import ivy
from console.stack.artifacts import GROUPS, Artifact, sha256
from console.stack.child import Children
from console.stack.errors import StackError
from console.stack.java import cache_directory

# Kafka with all it depends on; the registry as one archive; and of Spark's connectors only what is not in
# pyspark already: a whole resolved tree on the class path would bring a second Hadoop.
ROOTS: dict[str, tuple[ivy.Dependency, ...]] = {
    "kafka": (
        ivy.Dependency("org.apache.kafka", "kafka_2.13", "4.3.1", transitive=True),
        ivy.Dependency("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4", transitive=True),
    ),
    "registry": (ivy.Dependency("io.apicurio", "apicurio-registry-app", "3.3.3", "tar.gz", "all"),),
    "spark": tuple(
        ivy.Dependency(*coordinates)
        for coordinates in (
            ("io.delta", "delta-spark_4.1_2.13", "4.4.0"),
            ("io.delta", "delta-storage", "4.4.0"),
            ("io.delta", "delta-kernel-api", "4.4.0"),
            ("io.delta", "delta-kernel-defaults", "4.4.0"),
            ("io.delta", "delta-kernel-unitycatalog", "4.4.0"),
            ("io.unitycatalog", "unitycatalog-client", "0.6.0"),
            ("io.unitycatalog", "unitycatalog-hadoop", "0.6.0"),
            ("org.apache.spark", "spark-sql-kafka-0-10_2.13", "4.1.1"),
            ("org.apache.spark", "spark-token-provider-kafka-0-10_2.13", "4.1.1"),
            ("org.apache.spark", "spark-avro_2.13", "4.1.1"),
            ("org.apache.kafka", "kafka-clients", "3.9.1"),
            ("org.apache.commons", "commons-pool2", "2.12.1"),
            ("com.fasterxml.jackson.datatype", "jackson-datatype-jdk8", "2.13.5"),
            ("javax.annotation", "javax.annotation-api", "1.3.2"),
            ("org.roaringbitmap", "shims", "0.9.25"),
            ("commons-logging", "commons-logging", "1.3.0"),
        )
    ),
}


def resolve(group: str, cache: Path, children: Children) -> Iterator[Artifact]:
    """The files of a group. Raises StackError."""
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch) / "files"
        pattern = f"{files}/[organisation]/[module]/[revision]/[ext]/[artifact]-[revision](-[classifier]).[ext]"
        ivy.retrieve(ROOTS[group], pattern=pattern, work=Path(scratch) / "work", cache=cache, children=children)
        for path in sorted(path for path in files.rglob("*") if path.is_file()):
            org, name, version, ext = path.relative_to(files).parts[:4]
            classifier = path.name.removesuffix(f".{ext}").removeprefix(f"{name}-{version}").removeprefix("-")
            yield Artifact(org, name, version, ext, classifier, path.name, sha256(path))


def main() -> int:
    children = Children()
    try:
        lock = {group: [asdict(artifact) for artifact in resolve(group, cache_directory(), children)] for group in GROUPS}
    except StackError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    finally:
        children.stop()
    sys.stdout.write(json.dumps(lock, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
