"""Small files beside the tables and checkpoints, wherever these lie: by Hadoop's file systems, as Spark itself reaches them."""

from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from spark_jobs.errors import Unavailable

_FULL = ("No space left on device", "Disk quota exceeded")


def is_full(problem: str) -> bool:
    """Whether an error says that a disk is full."""
    return any(mark in problem for mark in _FULL)


def absolute(location: str) -> str:
    """A location that means the same from every directory; an address stays as it is."""
    return location.rstrip("/") if "://" in location or location.startswith("file:") else str(Path(location).resolve())


class Storage:
    """Files by path or address."""

    def __init__(self, spark: SparkSession) -> None:
        jvm: Any = spark._jvm
        self._jvm = jvm
        self._hadoop = jvm.org.apache.hadoop
        self._configuration = spark.sparkContext._jsc.hadoopConfiguration()

    def _open(self, location: str) -> tuple[Any, Any]:
        path = self._hadoop.fs.Path(location)
        return path.getFileSystem(self._configuration), path

    def exists(self, location: str) -> bool:
        """Whether there is a file or directory."""
        system, path = self._open(location)
        return bool(system.exists(path))

    def names(self, location: str) -> list[str]:
        """Names in a directory; none if it does not exist."""
        system, path = self._open(location)
        return [status.getPath().getName() for status in system.listStatus(path)] if system.exists(path) else []

    def read(self, location: str) -> str:
        """Text of a file."""
        system, path = self._open(location)
        stream = system.open(path)
        try:
            return str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write(self, location: str, text: str) -> None:
        """Write a small file, in place of one that may be there. Raises Unavailable if there is no room for it."""
        try:
            system, path = self._open(location)
            stream = system.create(path, True)
            try:
                stream.write(bytearray(text.encode()))
            finally:
                stream.close()
        except Py4JJavaError as error:
            if is_full(str(error)):
                raise Unavailable(f"no space is left for {location}; make room and start again") from error
            raise

    def remove(self, location: str) -> None:
        """Remove a file, or a directory with all that is in it; nothing if it is not there."""
        system, path = self._open(location)
        system.delete(path, True)
