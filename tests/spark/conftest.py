import os
from collections.abc import Iterator

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
    with session(Lakehouse(warehouse=str(stack.warehouse), checkpoints=str(stack.warehouse), spark=stack.brief_spark)) as running:
        yield running


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
