import os
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas.config import Lakehouse
from spark_jobs.session import session
from tests.spark.world import World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spark's gateway leaves the sockets of ended threads to the garbage collector."""
    for item in items:
        if item.get_closest_marker("spark"):
            item.add_marker(pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def spark(stack: Stack) -> Iterator[SparkSession]:
    """One session for all tests: starting it takes as long as most of them."""
    os.environ["JAVA_HOME"] = str(stack.java_home)
    settings = stack.brief_spark | {"spark.driver.memory": "2g"}
    with session(Lakehouse(warehouse=str(stack.warehouse), checkpoints=str(stack.warehouse), spark=settings)) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    """After each file Delta forgets its tables: it would keep what it knows of hundreds of them for an hour, and fill Java's memory."""
    yield
    if (running := SparkSession.getActiveSession()) is not None:
        running.catalog.clearCache()
        jvm: Any = running._jvm
        jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


@pytest.fixture(scope="module")
def world(stack: Stack, spark: SparkSession) -> World:
    """A source of its own for the tests of a file, without a catalog."""
    return World(stack, spark)


@pytest.fixture(scope="session")
def catalog_uri(stack: Stack) -> str:
    """The Unity Catalog server of the stack."""
    if stack.catalog_uri is None:
        if os.environ.get("CI"):
            pytest.fail("no Unity Catalog server: uc-server must be on PATH where CI is set")
        pytest.skip("no Unity Catalog server: uc-server is not on PATH")
    return stack.catalog_uri
