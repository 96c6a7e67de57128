import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import pytest

import simulator.journal as journal_module
from simulator.journal import Journal, parse_journal
from simulator.replay import BadHistory
from simulator.settings import BadSettings
from tests.simulator.replay import archives
from tests.simulator.world import Hand, Sim, StartSimulator


@pytest.fixture
async def told(start_simulator: StartSimulator) -> Sim:
    """A simulator that keeps its journal in memory."""
    return await start_simulator(journaled=True, points=100)


def lines(sim: Sim, kind: str | None = None) -> list[dict[str, Any]]:
    assert sim.running.journal is not None
    return [line for line in sim.running.journal.lines() if kind in (None, line["k"])]


async def every_archive(sim: Sim) -> dict[int, list[Any]]:
    """What the control port says about all points, in the journal's shape."""
    found = {}
    for stream in sim.running.store.streams:
        rows = await sim.archive(stream)
        found[stream.point.point_id] = [
            [row[0], row[1], sum(bit for bit, on in zip((1, 2, 4, 8), row[2:], strict=True) if on)] for row in rows
        ]
    return found


async def test_the_journal_replayed_is_the_archive_of_every_point(told: Sim) -> None:
    for _ in range(20):
        told.advance(15)
    for number, stream in enumerate(told.running.store.streams[:40]):
        if stream.point.point_type.startswith("Float"):
            await told.write(stream, "*-10m", number, questionable=number % 2 == 0)
            await told.write(stream, "*-10m", number + 1)
    told.advance(60)
    truth = await every_archive(told)
    assert archives(lines(told)) == truth
    assert sum(map(len, truth.values())) > 3000


async def test_serial_numbers_are_dense_and_the_first_line_says_which_run_it_is(told: Sim) -> None:
    told.advance(30)
    found = lines(told)
    assert [line["n"] for line in found] == list(range(1, len(found) + 1))
    assert found[0] == {
        "k": "start",
        "n": 1,
        "at": told.clock.ticks - 300_000_000,
        "format": 1,
        "server_id": str(told.running.server_id),
        "server_name": "PISIM",
        "seed": 1,
        "profile": "steady",
        "history_from": told.clock.ticks - 300_000_000 - 36_000_000_000,
        "compression": True,
    }
    points = {line["p"]: line for line in found if line["k"] == "point"}
    assert list(points) == list(told.running.store.by_id)
    stream = told.stream("Float32")
    described = points[stream.point.point_id]
    assert (described["name"], described["type"], described["uom"], described["step"], described["live"]) == (
        stream.point.name,
        "Float32",
        stream.point.units,
        False,
        True,
    )
    assert next(line["n"] for line in found if line["k"] == "write") > min(line["n"] for line in points.values())
    ids = [line["id"] for line in found if line["k"] == "write"]
    assert len(set(ids)) == len(ids)


async def test_what_happens_to_a_value_is_told_in_the_order_it_happens(told: Sim) -> None:
    told.running.load.stop()
    stream = told.stream("Float64")
    before = len(lines(told))
    for second, value in ((1, 5.0), (2, 5.0), (3, 90.5), (1, 7.25)):
        await told.write(stream, told.at(second), value)
    told_of = [(line["k"], line.get("v"), line.get("id")) for line in lines(told)[before:] if line["k"] != "history"]
    first = told_of[0][2]
    assert first is not None
    kinds = [kind for kind, _, _ in told_of]
    assert kinds == ["write", told_of[1][0], "write", "archive", "write", told_of[5][0], "write", "archive"]
    assert told_of[2:4] == [("write", 5.0, first + 1), ("archive", None, first)]
    assert told_of[-2:] == [("write", 7.25, first + 3), ("archive", None, first + 3)], "a late one is archived at once"


async def test_a_history_chunk_is_told_whole_once_and_before_the_read_that_needed_it(told: Sim) -> None:
    stream = told.stream("Float32")
    point = stream.point.point_id
    path = f"/streams/{told.web_id(stream)}/recorded?startTime=*-31m&endTime=*-30m&maxCount=9"
    await told.get(path)
    first_chunks = [line for line in lines(told) if line["k"] == "history" and line["p"] == point]
    [read] = [line for line in lines(told, "read") if line["p"] == point]
    assert first_chunks
    assert all(chunk["n"] < read["n"] for chunk in first_chunks)
    assert all(chunk["from"] < chunk["to"] for chunk in first_chunks)
    await told.get(path)
    await told.archive(stream)
    chunks = [line for line in lines(told) if line["k"] == "history" and line["p"] == point]
    assert chunks[: len(first_chunks)] == first_chunks
    spans = sorted((chunk["from"], chunk["to"]) for chunk in chunks)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans)), "chunks meet and never overlap"
    assert (spans[0][0], len(spans)) == (lines(told)[0]["history_from"], len(set(spans)))
    for chunk in chunks:
        assert all(chunk["from"] <= row[0] < chunk["to"] for row in chunk["events"])
    ids = [chunk["id"] + i for chunk in chunks for i in range(len(chunk["events"]))]
    assert len(set(ids)) == len(ids)


async def test_reads_of_a_batch_are_told_one_stream_at_a_time(told: Sim) -> None:
    streams = [told.stream("Float32", i) for i in range(3)]
    webs = "&".join(f"webId={told.web_id(stream)}" for stream in streams)
    status, body = await told.batch(
        {
            "set": {"Method": "GET", "Resource": f"{told.url}/streamsets/recorded?{webs}&startTime=*-20m&endTime=*-10m&maxCount=50"},
            "one": {"Method": "GET", "Resource": f"{told.url}/streams/{told.web_id(streams[0])}/value"},
            "wrong": {"Method": "GET", "Resource": f"{told.url}/streams/nonsense/value"},
        }
    )
    assert status == 207
    reads = lines(told, "read")
    name = reads[0]["q"].partition("/")[0]
    assert sorted((line["q"], line["route"], line["p"]) for line in reads) == sorted(
        [*((f"{name}/set", "recorded", s.point.point_id) for s in streams), (f"{name}/one", "value", streams[0].point.point_id)]
    )
    now = told.clock.ticks
    for item in body["set"]["Content"]["Items"]:
        point = next(stream.point.point_id for stream in streams if stream.point.name == item["Name"])
        [read] = [line for line in reads if line["p"] == point and line["route"] == "recorded"]
        assert (read["from"], read["to"], read["max"], read["status"]) == (now - 12_000_000_000, now - 6_000_000_000, 50, 200)
        assert read["count"] == len(item["Items"])
        assert (read["first"] is None) is not item["Items"]


async def test_channels_are_told_from_open_to_close_with_what_each_message_carried(told: Sim) -> None:
    told.running.load.stop()
    stream = told.stream("Float64")
    point = stream.point.point_id
    channel = await told.channel(stream)
    for _ in range(2):
        await told.write(stream, "*", 1.5)
    await told.control("/malformed", {"point_id": point})
    told.running.tick()
    await channel.receive(timeout=5)
    [opened] = lines(told, "open")
    assert opened["points"] == [point]
    good, malformed = lines(told, "sent")
    assert (good["c"], good["p"], good["events"]) == (opened["c"], point, [[told.clock.ticks, 1.5, 1]] * 2)
    assert (malformed["events"], malformed["v"], malformed["malformed"]) == ([], None, True)
    other = await told.channel(stream)
    await told.control("/channels/drop", {"count": 1, "close_frame": False})
    await other.close()
    async with asyncio.timeout(5):
        while len(lines(told, "close")) < 2:
            await asyncio.sleep(0.01)
    assert {line["c"]: line["why"] for line in lines(told, "close")} == {opened["c"]: "dropped", lines(told, "open")[1]["c"]: "client"}


async def test_the_file_is_synced_in_groups_and_a_torn_last_line_does_not_count(start_simulator: StartSimulator, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    sim = await start_simulator(points=50, journal=path)
    sim.advance(60)
    async with asyncio.timeout(5):
        while not path.stat().st_size:
            await asyncio.sleep(0.02)
    truth = await every_archive(sim)
    await sim.running.stop()
    text = path.read_bytes()
    found = parse_journal(text)
    assert found == lines(sim)
    assert archives(found) == truth
    torn = parse_journal(text[:-7])
    assert torn == found[:-1]
    assert parse_journal(text + b'{"k":"wri') == found


async def test_a_journal_is_never_continued_and_a_run_that_never_began_leaves_none(tmp_path: Path, start_simulator: StartSimulator) -> None:
    path = tmp_path / "journal.jsonl"
    with pytest.raises(BadHistory):
        await start_simulator(points=1, journal=path, replay=(("a", tmp_path / "missing.csv"),))
    assert not path.exists()
    sim = await start_simulator(points=1, journal=path)
    with pytest.raises(BadSettings, match="exists already"):
        await start_simulator(points=1, journal=path)
    await sim.running.stop()
    assert lines(sim)


async def test_a_cancelled_sync_neither_loses_nor_mixes_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(file: int, text: bytes) -> None:
        time.sleep(0.1)
        write(file, text)

    write = journal_module._write
    monkeypatch.setattr(journal_module, "_write", slowly)
    journal = Journal(Hand(), tmp_path / "j")
    journal.fault("a", "once", {})
    syncing = asyncio.create_task(journal.sync())
    await asyncio.sleep(0.02)
    journal.fault("b", "once", {})
    syncing.cancel()
    await journal.close()
    assert [line["name"] for line in parse_journal((tmp_path / "j").read_bytes())] == ["a", "b"]


async def test_ids_are_given_once(tmp_path: Path) -> None:
    journal = Journal(Hand(), tmp_path / "j")
    assert [journal.next_ids(3), journal.next_ids(), journal.next_ids()] == [1, 4, 5]
    await journal.close()
