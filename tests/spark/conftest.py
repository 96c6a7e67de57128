import os
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from schemas.config import Lakehouse
from spark_jobs.session import session
from tests.spark.world import Servers, World


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spark's gateway leaves the sockets of ended threads to the garbage collector."""
    for item in items:
        if item.get_closest_marker("spark"):
            item.add_marker(pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def spark(stack: Servers) -> Iterator[SparkSession]:
    """One session for all tests: starting it takes as long as most of them."""
    os.environ["JAVA_HOME"] = str(stack.java_home)
    settings = {"spark.driver.extraClassPath": stack.spark_class_path, "spark.master": "local[2]"}
    with session(Lakehouse(warehouse=str(stack.warehouse), checkpoints=str(stack.warehouse), spark=settings)) as running:
        yield running


@pytest.fixture
def world(stack: Servers, spark: SparkSession) -> World:
    """A source of its own, without a catalog."""
    return World(stack, spark)
