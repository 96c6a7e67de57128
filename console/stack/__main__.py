"""Starts the local stack, prints one JSON line with its addresses, and keeps it running until Ctrl-C.

python -m console.stack --dir DIRECTORY [--catalog-uri ADDRESS] [--kafka-port N] [--registry-port N]
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from console.stack import StackError, Throttle, running, to_stderr
from console.stack.artifacts import GROUPS, provide
from console.stack.child import Children

CHECK_SECONDS = 0.5


class Terminated(BaseException):
    """SIGTERM came."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m console.stack", description="The local stack, until Ctrl-C.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dir", type=Path, help="where topics, schemas, the warehouse and the logs are kept")
    what.add_argument("--fetch", action="store_true", help="fetch and verify the artifacts, then end")
    parser.add_argument("--catalog-uri", help="a Unity Catalog server to use instead of a local one")
    parser.add_argument("--kafka-port", type=int)
    parser.add_argument("--registry-port", type=int)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background commands with SIGINT ignored
    try:
        if options.fetch:
            fetch()
            return 0
        with running(
            options.dir, catalog_uri=options.catalog_uri, kafka_port=options.kafka_port, registry_port=options.registry_port
        ) as stack:
            addresses = {
                "bootstrap_servers": stack.bootstrap_servers,
                "registry_url": stack.registry_url,
                "catalog_uri": stack.catalog_uri,
                "warehouse": str(stack.warehouse),
                "java_home": str(stack.java_home),
                "spark_class_path": stack.spark_class_path,
                "process_ids": {child.name: child.pid for child in stack.children},
                "versions": stack.versions(),
            }
            print(json.dumps(addresses), flush=True)  # noqa: T201
            while True:
                time.sleep(CHECK_SECONDS)
                stack.check()
    except StackError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 128 + signal.SIGTERM


def fetch() -> None:
    children = Children()
    try:
        for group in GROUPS:
            provide(group, children=children, progress=Throttle(to_stderr))
    finally:
        children.stop()


def terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


if __name__ == "__main__":
    sys.exit(main())
