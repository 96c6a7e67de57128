"""The short form of the proof `reconcile`: what is missing or altered is found without being told, and mended by stating it again."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from console.lakehouse import Bronze
from console.stack import Stack
from proofs.reconciliation import choice
from proofs.reconciliation.choice import Choice, Damage
from proofs.reconciliation.damage import damage
from proofs.reconciliation.defects import applied
from proofs.reconciliation.judgement import flagged, judge
from spark_jobs import reconcile, refined
from spark_jobs.errors import Misconfigured, Unavailable
from spark_jobs.reconcile import Order
from tests.spark import silver_model as model
from tests.spark.lakehouse import House, instant, micros
from tests.unit.bridge.world import config

pytestmark = [pytest.mark.spark, pytest.mark.timeout(2400)]

HOURS, POINTS = 6, 12
THIRD = model.HOUR // 3
FIRST_HOUR = model.BASE // model.HOUR
LATER = model.BASE // 10 + 10**12
"""When PI is asked for its counts, microseconds."""


def lives(chance: random.Random) -> dict[str, model.Scene]:
    """Points that are read on every twenty minutes; later PI had something else for some hours, which were read again."""
    scenes = {}
    for number in range(POINTS):
        stated, clock = [], 0
        for piece in range(3 * HOURS + 1):
            begin = model.BASE + piece * THIRD
            stated.append(model.Stated(begin, begin + THIRD, clock + 1, clock + 2, events(chance, begin, begin + THIRD)))
            clock += 2
        for hour in chance.sample(range(HOURS), 2):
            begin = model.BASE + hour * model.HOUR
            stated.append(model.Stated(begin, begin + model.HOUR, clock + 1, clock + 2, events(chance, begin, begin + model.HOUR)))
            clock += 2
        scenes[f"main:'{number}`"] = model.Scene(tuple(stated), ())
    return scenes


def events(chance: random.Random, begin: int, end: int) -> tuple[tuple[tuple[int, int], model.Content], ...]:
    """Some, often one at the very beginning, now and then a state in place of a value."""
    instants = sorted({begin + chance.choice((0, 1)), *(chance.randrange(begin, end) for _ in range(chance.randrange(2, 5)))})
    return tuple(
        ((at, 0), model.Content(None, False, "Shutdown") if chance.random() < 0.1 else model.Content(chance.random())) for at in instants
    )


@dataclass
class Lake:
    """A lakehouse, what is true of it, and what PI counts."""

    house: House
    scenes: dict[str, model.Scene]
    directory: Path

    def reconcile(self, **order: Any) -> dict[str, Any]:
        begin, end = instant(model.BASE // 10), instant((model.BASE + (HOURS + 1) * model.HOUR) // 10)
        if "pi_counts" not in order:
            order["pi_counts"] = self.counts()
        return reconcile.run(self.house.spark, config(), self.house.settings, Order(begin, end, **order))

    def counts(
        self, bad: bool = False, off: frozenset[tuple[str, int]] = frozenset(), silent: frozenset[tuple[str, int]] = frozenset()
    ) -> Path:
        """Lines of what PI would count, both ends and no bad values unless told; one more in the hours `off`, none in `silent`."""
        path = self.directory / "counts.jsonl"
        with path.open("w") as into:
            for key, scene in self.scenes.items():
                known = model.expected(scene).cleaned
                for hour in range(HOURS):
                    begin = model.BASE + hour * model.HOUR
                    count = sum(begin <= at <= begin + model.HOUR and (bad or content.good) for (at, _), (content, _, _) in known.items())
                    spot = key, FIRST_HOUR + hour
                    answer = (
                        {"count": None, "problem": "status 500"} if spot in silent else {"count": count + (spot in off), "problem": None}
                    )
                    into.write(json.dumps({"point_key": key, "hour": spot[1], "counted_time": LATER} | answer) + "\n")
        return path

    @property
    def warehouse(self) -> Path:
        return Path(str(self.house.settings.warehouse))


@pytest.fixture(scope="module")
def lake(stack: Stack, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Whole, bronze and silver."""
    chance = random.Random(11)
    house = House(spark, tmp_path_factory.mktemp("reconciled") / "it's a `wäre` house")
    scenes = lives(chance)
    house.land([(key, one) for key, scene in scenes.items() for one in scene.statements], chance)
    house.refine_silver()
    return Lake(house, scenes, tmp_path_factory.mktemp("counts"))


def test_a_whole_lakehouse_is_complete_however_pi_counts_and_a_picture_shows_it(lake: Lake, tmp_path: Path) -> None:
    found = lake.reconcile(picture=tmp_path / "map.svg")
    assert (found["result"], found["findings"], found["rescans"]) == ("complete", {}, [])
    assert (found["points"], found["hours"], found["hours_complete"]) == (POINTS, POINTS * (HOURS + 1), POINTS * (HOURS + 1))
    assert (found["hours_compared_with_pi"], found["pi_counts_bad_values"]) == (POINTS * HOURS, False)
    truth = sum(len(model.expected(scene).cleaned) for scene in lake.scenes.values())
    assert found["bronze_events"] == found["silver_events"] == truth
    assert (tmp_path / "map.svg").read_text().count(": COMPLETE<") == POINTS * (HOURS + 1)
    silent = frozenset({(next(iter(lake.scenes)), FIRST_HOUR + 1)})
    again = lake.reconcile(pi_counts=lake.counts(bad=True, silent=silent))
    assert (again["result"], again["pi_counts_bad_values"]) == ("unanswered", True), "no number is not taken for the right one"
    assert (again["hours_unanswered_by_pi"], again["hours_compared_with_pi"]) == (1, POINTS * HOURS - 1)
    rows = lake.house.rows(refined.COMPLETENESS)
    assert len(rows) == POINTS * (HOURS + 1), "a second run takes the place of the first"
    assert {row["covered_seconds"] for row in rows} == {3600.0, 1200.0}
    assert [name for name, _ in lake.house.described(refined.COMPLETENESS)] == [column.name for column in refined.COMPLETENESS.columns]


def test_what_silver_cannot_have_seen_yet_is_not_held_against_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    key, scene = next(iter(lake.scenes.items()))
    begin, clock = model.BASE, max(one.clock for one in scene.statements)
    later = model.Stated(begin, begin + model.HOUR, clock + 1, clock + 2, (((begin + 7, 0), model.Content(0.5)),))
    lake.house.land([(key, later)], random.Random(1))
    lake.scenes[key] = replace(scene, statements=(*scene.statements, later))
    behind = lake.reconcile()
    assert (behind["result"], behind["findings"]) == ("incomplete", {"SILVER_DIFFERS": 1})
    assert behind["rescans"] == [], "PI is to read what refining brings"
    monkeypatch.setattr(reconcile, "_SILVER_SECONDS", 10**9)
    waits = lake.reconcile()
    assert (waits["result"], waits["hours_silver_waits"]) == ("complete", 1)
    lake.house.refine_silver()


# -- damaged -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def damaged(lake: Lake) -> list[Damage]:
    """A fifth of the proof's holes and alterations, in bronze, silver and PI."""
    bronze = Bronze(lake.warehouse)
    rows, _, _ = bronze.samples()
    drawing = Choice(bronze.statements(), rows, random.Random(12))
    damages = [
        *drawing.draw(4, choice.statement_gone),
        *drawing.draw(12, choice.sample_gone),
        *drawing.draw(4, choice.samples_gone),
        *drawing.draw(4, choice.value_altered),
        *drawing.draw(2, choice.silver_event_gone),
        *choice.harmless(drawing, 4),
    ]
    damage(lake.warehouse, damages)
    return damages


@pytest.fixture(scope="module")
def off(lake: Lake, damaged: list[Damage]) -> tuple[list[Damage], Path]:
    """All that is wrong, PI's counts of two hours among it; and these counts."""
    taken = {spot for one in damaged for spot in one.spots}
    free = [(key, hour) for key in lake.scenes for hour in range(FIRST_HOUR, FIRST_HOUR + HOURS)]
    spots = frozenset([spot for spot in free if not {spot, (spot[0], spot[1] + 1)} & taken][:2])
    return [*damaged, *(Damage("counted by PI", frozenset({spot}), "PI_DIFFERS") for spot in spots)], lake.counts(off=spots)


@pytest.fixture(scope="module")
def found(lake: Lake, off: tuple[list[Damage], Path]) -> dict[str, Any]:
    """What is said of it."""
    return lake.reconcile(pi_counts=off[1], picture=lake.directory / "map.svg")


def test_all_that_is_missing_or_altered_is_found_and_nothing_else(
    lake: Lake, off: tuple[list[Damage], Path], found: dict[str, Any]
) -> None:
    wrong, _ = off
    told = judge(wrong, flagged(lake.warehouse))
    assert told.everything, told
    assert sum(of for _, of in told.by_kind.values()) == 28
    assert found["result"] == "incomplete"
    assert found["findings"].keys() == {"HOLE", "MISSING", "ALTERED", "SILVER_DIFFERS", "PI_DIFFERS"}
    assert found["incomplete_hours"][0]["findings"]
    assert ": HOLE<" in (lake.directory / "map.svg").read_text()
    wanted = {spot for one in wrong for spot in one.spots}
    assert wanted <= {spot for rescan in found["rescans"] for spot in spots_of(rescan, lake)}


def spots_of(rescan: dict[str, Any], lake: Lake) -> Iterator[tuple[str, int]]:
    first, last = (micros(datetime.fromisoformat(rescan[name])) // 3_600_000_000 for name in ("from_time", "to_time"))
    for key in rescan["points"] or lake.scenes:
        yield from ((key, hour) for hour in range(first, last))


@pytest.mark.parametrize("name", ["digests are not compared", "what is overruled is judged", "holes are passed over"])
def test_a_defect_of_the_reconciliation_shows(name: str, lake: Lake, off: tuple[list[Damage], Path]) -> None:
    wrong, counts = off
    with applied(name):
        lake.reconcile(pi_counts=counts)
    assert not judge(wrong, flagged(lake.warehouse)).everything


def test_what_is_stated_again_as_the_rescans_ask_mends_all_of_it(lake: Lake, found: dict[str, Any]) -> None:
    again: list[tuple[str, model.Stated]] = []
    for spot in sorted({spot for rescan in found["rescans"] for spot in spots_of(rescan, lake)}):
        key, hour = spot
        begin = hour * model.HOUR
        known = model.expected(lake.scenes[key]).cleaned
        there = tuple((place, content) for place, (content, _, _) in sorted(known.items()) if begin <= place[0] < begin + model.HOUR)
        clock = 10_000 + 2 * len(again)
        again.append((key, model.Stated(begin, begin + model.HOUR, clock, clock + 1, there)))
    lake.house.land(again, random.Random(2))
    lake.house.refine_silver()
    assert (mended := lake.reconcile())["result"] == "complete", mended
    silver = {key: {place: content for place, (content, _, _) in one.cleaned.items()} for key, one in lake.house.silver().items()}
    assert silver == {
        key: {place: content for place, (content, _, _) in model.expected(scene).cleaned.items()} for key, scene in lake.scenes.items()
    }


def test_without_tables_it_says_what_to_start_and_an_empty_range_is_refused(lake: Lake, spark: SparkSession, tmp_path: Path) -> None:
    order = Order(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
    nothing = lake.house.settings.model_copy(update={"warehouse": str(tmp_path / "none")})
    with pytest.raises(Unavailable, match="pibridge land"):
        reconcile.run(spark, config(), nothing, order)
    with pytest.raises(Unavailable, match="pibridge refine"):
        reconcile.run(spark, config(), House(spark, tmp_path / "raw").settings, order)
    with pytest.raises(Misconfigured, match="ends before it begins"):
        reconcile.run(spark, config(), lake.house.settings, replace(order, end=order.begin))
