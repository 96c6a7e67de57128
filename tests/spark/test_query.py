"""Questions that come along, each against a reckoning of its own over the rows; and that a question changes nothing."""

import itertools
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from console.stack import Stack
from schemas.config import Lakehouse
from spark_jobs import query, refined, tables
from spark_jobs.errors import Misconfigured, Unavailable
from spark_jobs.query import Question
from tests.spark import silver_model as model
from tests.spark.lakehouse import House, instant, micros

pytestmark = [pytest.mark.spark, pytest.mark.timeout(2400)]

DAY = "2023-11-14"
"""Silver's model begins on it, and its reads are sent on it."""


@pytest.fixture(scope="module")
def scenes() -> dict[str, model.Scene]:
    chance = random.Random(41)
    return {f"main:'{number}`": (model.plain(chance) if number % 4 == 0 else model.scene(chance)) for number in range(24)}


@pytest.fixture(scope="module")
def house(stack: Stack, spark: SparkSession, scenes: dict[str, model.Scene], tmp_path_factory: pytest.TempPathFactory) -> House:
    """Previews, late ones among them, statements that overrule one another, silver and gold of it."""
    made = House(spark, tmp_path_factory.mktemp("asked") / "house")
    made.land([(key, one) for key, scene in scenes.items() for one in scene.told], random.Random(3))
    made.refine()
    return made


Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ask(house: House) -> Ask:
    def asked(text: str, limit: int = 100_000, **parameters: str) -> list[dict[str, Any]]:
        text = query.text_of(text) if text in query.shipped() else text
        rows: list[dict[str, Any]] = query.answer(house.spark, warehouse(house.settings), Question(text, parameters, limit))["rows"]
        return rows

    return asked


def warehouse(settings: Lakehouse) -> str:
    assert settings.warehouse is not None
    return settings.warehouse


def at(text: str) -> int:
    """Microseconds of a time as an answer has it."""
    assert text.endswith("Z")
    return micros(datetime.fromisoformat(text))


def test_last_values_are_those_of_the_newest_instant_archived_or_heard(ask: Ask, scenes: dict[str, model.Scene]) -> None:
    found = {row["point_key"]: row for row in ask("last_values", tag="%")}
    wanted = {}
    for key, scene in scenes.items():
        silver = model.expected(scene)
        archived = [(place, True, content) for place, (content, _, _) in silver.cleaned.items()]
        open_ = [(place, False, content) for place, (content, _) in silver.previews.items()]
        if archived or open_:
            wanted[key] = max([*archived, *open_], key=lambda one: (one[0], not one[1]))
    assert found.keys() == wanted.keys()
    for key, (place, archived_, content) in wanted.items():
        row = found[key]
        value = None if row["value_double"] is None else float(row["value_double"])
        assert (at(row["event_time"]), row["archived"], value) == (place[0] // 10, archived_, content.value)
        assert (row["good"], row["system_state_name"]) == (content.good, content.name)
    assert {row["archived"] for row in found.values()} == {True, False}


def test_hourly_averages_are_those_of_gold_in_the_range_alone(ask: Ask, house: House) -> None:
    since = instant(model.BASE // 10 + 3_600_000_000)
    until = since + timedelta(hours=2)
    found = ask("hourly_averages", tag="%", since=since.isoformat(), until=until.isoformat())
    wanted = {(row["point_key"], row["hour"]): row for row in house.rows(refined.HOURLY) if since <= row["hour"] < until}
    assert {(row["point_key"], datetime.fromisoformat(row["hour"])) for row in found} == wanted.keys()
    for row in found:
        of = wanted[row["point_key"], datetime.fromisoformat(row["hour"])]
        assert row["events"] == of["events"]
        assert row["value_share"] == pytest.approx(of["value_seconds"] / 3600)
        assert (None if row["average"] is None else float(row["average"])) == pytest.approx(of["average"], nan_ok=True)


def test_gaps_are_the_silences_between_neighbours_and_at_either_end(ask: Ask, scenes: dict[str, model.Scene]) -> None:
    since, until = instant(model.BASE // 10 + 3_600_000_000), instant(model.BASE // 10 + 5 * 3_600_000_000)
    found = ask("gaps", tag="%", since=since.isoformat(), until=until.isoformat(), seconds="1200")
    wanted, begun, lasting = [], 0, 0
    for key, scene in scenes.items():
        silver = model.expected(scene)
        low, high = (None, None) if silver.marks is None else silver.marks[:2]
        if low is None or high is None:
            continue
        low, high = low // 10, min(high // 10, micros(until))
        times = sorted({low, high, *(place[0] // 10 for place in silver.cleaned if place[0] // 10 < micros(until))})
        gaps = [(a, b) for a, b in itertools.pairwise(times) if b - a > 1_200_000_000 and micros(since) < b <= high]
        begun += any(a < micros(since) for a, _ in gaps)
        lasting += any(b == high for _, b in gaps)
        wanted += [(key, a, b) for a, b in gaps]
    assert sorted((row["point_key"], at(row["silent_from"]), at(row["silent_to"])) for row in found) == sorted(wanted)
    assert [row["silent_seconds"] for row in found] == sorted((row["silent_seconds"] for row in found), reverse=True)
    assert min(len(wanted), begun, lasting) > 3


def test_the_late_share_counts_live_values_by_arrival(ask: Ask, house: House) -> None:
    found = ask("late_share", tag="%", since="2023-01-01T00:00:00Z", until="2024-01-01T00:00:00Z", seconds="-3600")
    wanted: dict[tuple[str, Any], list[bool]] = {}
    for row in house.rows(tables.TIMESERIES):
        if row["origin"] == "LIVE":
            late = row["received_time"] - row["event_time"] > timedelta(seconds=-3600)
            wanted.setdefault((row["point_key"], row["received_time"].date()), []).append(late)
    assert {(row["point_key"], datetime.fromisoformat(row["day"]).date()): (row["live_values"], row["late_values"]) for row in found} == {
        place: (len(late), sum(late)) for place, late in wanted.items()
    }
    assert all(row["late_share"] == pytest.approx(row["late_values"] / row["live_values"]) for row in found)
    assert 0 < sum(row["late_values"] for row in found) < sum(row["live_values"] for row in found)


def test_what_was_known_at_a_time_is_what_the_reads_until_then_say(ask: Ask, scenes: dict[str, model.Scene]) -> None:
    moment = 6
    rows = ask("known_at", tag="%", time=instant(model.BASE // 10 + moment * 1_000_000).isoformat())
    found: dict[str, set[Any]] = {}
    for row in rows:
        place = at(row["event_time"]) * 10 + row["ticks"], row["ordinal"]
        found.setdefault(row["point_key"], set()).add((*place, row["good"], row["system_state_name"]))
    for key, scene in scenes.items():
        then = model.Scene(tuple(one for one in scene.statements if one.as_of_clock <= moment), ())
        wanted = {(*place, content.good, content.name) for place, (content, _, _) in model.expected(then).cleaned.items()}
        assert found.get(key, set()) == wanted, scene


def test_corrections_of_a_day_are_those_that_a_read_of_it_showed(ask: Ask, scenes: dict[str, model.Scene]) -> None:
    rows = ask("corrections_of_day", tag="%", day=DAY)
    found = sorted((row["point_key"], at(row["event_time"]), row["change"], at(row["known_time"])) for row in rows)
    wanted = sorted(
        (key, at_ // 10, told[0], told[1]) for key, scene in scenes.items() for (at_, *_), told in model.expected(scene).corrections.items()
    )
    assert found == wanted
    assert len(found) > 10
    assert ask("corrections_of_day", tag="%", day="2023-11-15") == []


def test_every_question_that_comes_along_explains_itself_and_its_parameters() -> None:
    assert {"last_values", "hourly_averages", "gaps", "late_share", "known_at", "corrections_of_day"} == set(query.shipped())
    for name in query.shipped():
        comment, _, body = query.text_of(name).partition("SELECT")
        assert comment.startswith("-- ")
        assert set(re.findall(r"^--   :(\w+)", comment, re.MULTILINE)) == set(re.findall(r":(\w+)", body)), name


def test_known_at_has_every_column_of_an_event() -> None:
    (columns, before) = re.findall(r"SELECT\n(.*?)FROM", query.text_of("known_at"), re.DOTALL)
    names = [column.name for column in refined.VALUE]
    assert [name for name in re.findall(r"\w+", columns) if name in names] == names
    assert [name.removeprefix(refined.BEFORE) for name in re.findall(r"before_\w+", before)] == names


# -- a person's own ----------------------------------------------------------------------------------------------------------------


def test_an_answer_has_columns_rows_of_plain_values_and_tells_of_more(house: House) -> None:
    text = "SELECT id, TIMESTAMP'2024-01-31 01:02:03.000004' AS at, double('NaN') AS no, X'FF' AS bytes, null AS nothing FROM range(:n)"
    found = query.answer(house.spark, warehouse(house.settings), Question(text, {"n": "3"}, 2))
    assert found["columns"] == ["id", "at", "no", "bytes", "nothing"]
    row = {"at": "2024-01-31T01:02:03.000004Z", "no": "NaN", "bytes": "/w==", "nothing": None}
    assert found["rows"] == [{"id": 0} | row, {"id": 1} | row]
    assert found["more_rows"] is True


@pytest.mark.parametrize(
    "text",
    [
        "DROP VIEW pi_coverage",
        "INSERT INTO pi_coverage SELECT * FROM pi_coverage",
        "WITH x AS (SELECT 1) INSERT INTO pi_coverage SELECT * FROM x",
        "FROM pi_coverage INSERT INTO pi_points SELECT * INSERT INTO pi_points SELECT *",
        "DELETE FROM pi_coverage",
        "UPDATE pi_coverage SET clock = 0",
        "MERGE INTO pi_coverage a USING pi_points b ON true WHEN MATCHED THEN DELETE",
        "CREATE TABLE t AS SELECT 1",
        "EXECUTE IMMEDIATE 'DROP VIEW pi_coverage'",
        "BEGIN DROP VIEW pi_coverage; END",
        "SET spark.sql.ansi.enabled = false",
        "VACUUM pi_coverage",
        "OPTIMIZE pi_coverage",
    ],
)
def test_what_is_no_question_is_refused_before_it_is_run(text: str, ask: Ask, house: House) -> None:
    version = len(list((Path(house.path(tables.COVERAGE)) / "_delta_log").glob("*.json")))
    with pytest.raises(Misconfigured, match="only questions are answered"):
        ask(text)
    assert len(list((Path(house.path(tables.COVERAGE)) / "_delta_log").glob("*.json"))) == version


@pytest.mark.parametrize("text", ["SHOW TABLES", "DESCRIBE pi_coverage", "WITH x AS (SELECT 1 AS a) SELECT * FROM x", "VALUES (1), (2);"])
def test_whatever_only_tells_is_answered(text: str, ask: Ask) -> None:
    assert ask(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELEKT 1", "SELEKT"),
        ("SELECT 1 AS a, 2 AS a", "names of their own"),
        ("last_values", ":tag "),
    ],
)
def test_a_question_that_makes_no_sense_is_a_sentence(text: str, told: str, ask: Ask) -> None:
    with pytest.raises(Misconfigured, match=told):
        ask(text)


def test_without_tables_it_says_what_to_start(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="pibridge land"):
        query.answer(spark, str(tmp_path), Question("SELECT 1"))


def test_a_text_in_a_question_means_what_it_says(ask: Ask) -> None:
    assert ask("SELECT '${env:HOME} ${spark.master}' AS text, 'it\\'s' AS quoted") == [
        {"text": "${env:HOME} ${spark.master}", "quoted": "it's"}
    ]


def test_times_of_a_question_are_utc(ask: Ask) -> None:
    assert datetime.fromisoformat(ask("SELECT TIMESTAMP'2024-07-01 12:00:00' AS noon")[0]["noon"]) == datetime(2024, 7, 1, 12, tzinfo=UTC)
