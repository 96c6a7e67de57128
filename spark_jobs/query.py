"""Questions to the tables by name, in Spark's SQL: those of a person, and those that come along in `spark_jobs/sql`. Read only."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.config import Config
from spark_jobs import now, quoting, storage
from spark_jobs.errors import Misconfigured, Unavailable
from spark_jobs.session import session

SCHEMA_VERSION = 1
_PLANS = "org.apache.spark.sql.catalyst.plans.logical"
_ACTS = (f"{_PLANS}.Command", f"{_PLANS}.ParsedStatement")
"""What plans of statements that do something are."""
_TELLS = frozenset({"DescribeColumn", "DescribeRelation", "ShowColumns", "ShowTables", "ShowViews"})
"""And those among them that only tell."""
_TEXTS = {"timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "ignoreNullFields": "false"}


@dataclass(frozen=True)
class Question:
    """SQL, and what its named parameters stand for."""

    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    limit: int = 1000
    """Rows at most."""


def shipped() -> list[str]:
    """Names of the questions that come along."""
    return sorted(entry.name.removesuffix(".sql") for entry in files("spark_jobs").joinpath("sql").iterdir() if entry.name.endswith(".sql"))


def text_of(name: str) -> str:
    """SQL of a question that comes along, or in a file. Raises Misconfigured."""
    if name in shipped():
        return files("spark_jobs").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{name} is neither a file that can be read nor one of {', '.join(shipped())}: {error}") from error


def parameters_of(given: Iterable[str]) -> dict[str, str]:
    """Parameters by name, out of texts such as `tag=FIC%`. Raises Misconfigured."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise Misconfigured(f"{text!r} is no parameter: write its name, =, and its value, as in tag=FIC%")
        found[name] = value
    return found


def ask(config: Config, question: Question) -> dict[str, Any]:
    """The answer as one object. Raises LandError."""
    if config.lakehouse is None or config.lakehouse.warehouse is None:
        raise Misconfigured("the configuration names no lakehouse.warehouse: tables by name are asked where their catalog is")
    with session(config.lakehouse) as spark:
        return answer(spark, storage.absolute(config.lakehouse.warehouse), question)


def answer(spark: SparkSession, warehouse: str, question: Question) -> dict[str, Any]:
    """The same on a session that runs: columns, rows as objects, and whether there are more rows than the limit."""
    if not now.create_views(spark, warehouse):
        raise Unavailable(f"there is no table below {warehouse} yet: bronze has to be landed first (pibridge land)")
    try:
        require_question(spark, question.text)
        found = spark.sql(question.text, args=dict(question.parameters))
        lines = [row[0] for row in _as_json(found).limit(question.limit + 1).collect()]
    except AnalysisException as error:
        raise Misconfigured(f"{str(error).strip().partition('; line ')[0].partition(chr(10))[0]}{_hint(question)}") from error
    rows = [json.loads(line) for line in lines[: question.limit]]
    return {"schema_version": SCHEMA_VERSION, "columns": found.columns, "rows": rows, "more_rows": len(lines) > question.limit}


def require_question(spark: SparkSession, text: str) -> None:
    """Raises Misconfigured for SQL that would do anything but tell; AnalysisException where it is no SQL."""
    jvm: Any = spark._jvm
    acts = [jvm.java.lang.Class.forName(name) for name in _ACTS]
    plan = spark._jsparkSession.sessionState().sqlParser().parsePlan(text)
    if _name(plan) in _TELLS:
        return
    for node in _nodes(plan):
        if any(kind.isInstance(node) for kind in acts) or "ExecuteImmediate" in _name(node):
            raise Misconfigured(f"only questions are answered here (SELECT, WITH, VALUES, DESCRIBE, SHOW): {_name(node)} is none")


def _nodes(plan: Any) -> Iterator[Any]:
    yield plan
    children = plan.children().iterator()
    while children.hasNext():
        yield from _nodes(children.next())


def _name(plan: Any) -> str:
    return str(plan.getClass().getSimpleName())


def _as_json(found: DataFrame) -> DataFrame:
    """Each row as one JSON text: Spark's own writing of times (UTC), numbers and bytes."""
    if twice := sorted({name for name in found.columns if found.columns.count(name) > 1}):
        raise Misconfigured(f"several columns are named {', '.join(twice)}: give them names of their own with AS")
    return found.select(F.to_json(F.struct(*map(quoting.name, found.columns)), _TEXTS))


def _hint(question: Question) -> str:
    """What the question's own leading comment says of its parameters."""
    told = [line.removeprefix("--").strip() for line in question.text.splitlines() if line.startswith("--   :")]
    return "".join(f"\n  {line}" for line in told) if told else ""
