from collections import Counter
from pathlib import Path

import pytest

from simulator.pitime import format_ticks
from simulator.replay import HISTORY_FOLDER, BadHistory, read_rows
from simulator.settings import BadSettings
from tests.simulator.world import Sim, StartSimulator

MACHINE = HISTORY_FOLDER / "machine_temperature_system_failure.csv"


async def replayed(start_simulator: StartSimulator, path: Path) -> Sim:
    return await start_simulator(points=3, replay=(("machine_temperature", path),))


async def test_real_history_is_archived_but_for_its_last_row_which_is_the_snapshot(start_simulator: StartSimulator) -> None:
    sim = await replayed(start_simulator, MACHINE)
    stream = sim.running.store.by_name["MACHINE_TEMPERATURE"]
    rows = read_rows(MACHINE)
    archived = await sim.archive(stream)
    assert len(rows) == 22_695
    assert len(archived) == 22_694
    snapshot = await sim.get(f"/streams/{sim.web_id(stream)}/value")
    assert (snapshot["Timestamp"], snapshot["Value"]) == (format_ticks(rows[-1][0]), rows[-1][1])
    assert [(row[0], row[1]) for row in archived] == sorted(rows, key=lambda row: row[0])[:-1]
    assert sum(count == 2 for count in Counter(row[0] for row in archived).values()) == 12
    assert not stream.live
    point = await sim.get(f"/points/{sim.web_id(stream)}")
    assert (point["Name"], point["PointType"]) == ("machine_temperature", "Float64")


async def test_real_history_is_read_whole_through_the_api(start_simulator: StartSimulator) -> None:
    sim = await replayed(start_simulator, MACHINE)
    web_id = sim.web_id(sim.running.store.by_name["MACHINE_TEMPERATURE"])
    answer = await sim.get(f"/streams/{web_id}/recorded?startTime=2013-12-01T00:00:00Z&endTime=*&maxCount=30000")
    assert len(answer["Items"]) == 22_695
    assert answer["Items"][0]["Timestamp"] == "2013-12-02T21:15:00Z"
    assert answer["Items"][0]["Value"] == 73.96732207


async def test_rows_of_one_instant_keep_the_order_of_the_file(start_simulator: StartSimulator, tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:10:00,2\n2020-01-01 00:00:00,3\n2020-01-01 00:10:00,4\n")
    sim = await replayed(start_simulator, path)
    stream = sim.running.store.by_name["MACHINE_TEMPERATURE"]
    assert [row[1] for row in await sim.archive(stream)] == [1.0, 3.0, 2.0]
    assert (await sim.get(f"/streams/{sim.web_id(stream)}/value"))["Value"] == 4.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", "no columns named timestamp and value"),
        ("timestamp,value\n", "has no rows"),
        ("timestamp,value\n2020-01-01,1\n2020-01-02,warm\n", 'line 3: "warm" is not a number'),
        ("timestamp,value\nyesterdayish,1\n", "line 2: The time string"),
        ("timestamp,value\n2020-01-01,nan\n", "finite"),
        ("timestamp,value\n2020-01-01\n", "line 2"),
    ],
)
async def test_a_file_that_cannot_be_replayed_is_named_with_its_line(
    start_simulator: StartSimulator, tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(BadHistory, match=r"bad\.csv") as error:
        await replayed(start_simulator, path)
    assert complaint in str(error.value)


async def test_two_points_of_one_name_are_refused(start_simulator: StartSimulator) -> None:
    with pytest.raises(BadSettings, match="there is one already"):
        await start_simulator(points=1, replay=(("t", MACHINE), ("T", MACHINE)))
