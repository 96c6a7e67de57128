import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from simulator.cli import main
from simulator.faults import WORDS, read_script
from simulator.pitime import TICKS_PER_SECOND
from simulator.settings import BadSettings
from simulator.store import Stream
from tests.simulator.world import CSRF, Sim, StartSimulator, message, silence


@pytest.fixture
async def told(start_simulator: StartSimulator) -> Sim:
    """Live points whose load is off, and a journal in memory."""
    sim = await start_simulator(journaled=True, points=100)
    sim.running.load.stop()
    return sim


async def begin(sim: Sim, word: str, **details: Any) -> None:
    await sim.control("/faults", {"fault": word, **details})


async def end(sim: Sim, word: str = "all") -> int:
    return int((await sim.control("/faults", {"end": word}))["ended"])


def lines(sim: Sim, kind: str) -> list[dict[str, Any]]:
    assert sim.running.journal is not None
    return [line for line in sim.running.journal.lines() if line["k"] == kind]


def recorded(sim: Sim, stream: Stream, more: str = "") -> str:
    return f"/streams/{sim.web_id(stream)}/recorded?startTime=*-30m&endTime=*-1m{more}"


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    return path


# The script


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("faults:\n- at: 5\n  fault: explode\n", 3, "unknown fault `explode`"),
        ("seed: 3\nfaults:\n- {fault: slow}\n- fault: refuse\n  at: 3\n  statsu: 503\n", 6, "unknown field `statsu`"),
        ("faults:\n- fault: refuse\n  status: 200\n", 3, "status"),
        ("faults:\n- fault: refuse\n\n  share: many\n", 4, "share"),
        ("faults:\n- fault: drop_channels\n  for: 3\n", 3, "happens once"),
        ("faults:\n- 7\n", 2, "`int`"),
        ("seed: 1\nfautls: []\n", 2, "fautls"),
        ("seed: x\n", 1, "seed"),
    ],
)
def test_a_script_with_an_unknown_word_is_refused_with_its_line(tmp_path: Path, text: str, line: int, sentence: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        read_script(script(tmp_path, text))
    assert f"line {line}:" in str(refusal.value)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize("text", ["faults: [", "- 1\n", "", "faults:\n- !!python/object:os.system {}\n"])
def test_what_is_no_script_is_refused_in_a_sentence(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--points", "1", "--faults", str(script(tmp_path, text))]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["--points", "1", "--faults", str(tmp_path / "missing")]) == 2


async def test_a_script_begins_and_ends_its_faults_by_the_machines_clock(start_simulator: StartSimulator, tmp_path: Path) -> None:
    text = "faults:\n- {at: 20, for: 10, fault: refuse, path: recorded}\n- {at: 5, for: 100, fault: clock, offset: 3600}\n"
    sim = await start_simulator(journaled=True, faults=script(tmp_path, text))
    stream = sim.stream("Float32")
    for seconds, expected in ((10, 200), (11, 503), (8, 503), (5, 200)):
        sim.advance(seconds)
        assert (await sim.ask(recorded(sim, stream)))[0] == expected
    assert [(line["name"], line["state"]) for line in lines(sim, "fault") if "q" not in line["detail"]] == [
        ("clock", "on"),
        ("refuse", "on"),
        ("refuse", "off"),
    ]


async def test_the_same_seed_hits_the_same_requests(start_simulator: StartSimulator, tmp_path: Path) -> None:
    path = script(tmp_path, "seed: 4\nfaults:\n- {fault: refuse, share: 0.5}\n")
    found = []
    for seed in (1, 2):
        sim = await start_simulator(faults=path, seed=seed)
        sim.advance(0)
        found.append([(await sim.ask("/"))[0] for _ in range(40)])
    assert found[0] == found[1]
    assert set(found[0]) == {200, 503}


async def test_the_control_port_begins_tells_and_ends_faults(told: Sim) -> None:
    assert (await told.control_status("/faults", {"fault": "explode"}))[0] == 400
    assert (await told.control_status("/faults", {"fault": "slow", "second": 3}))[0] == 400
    assert (await told.control_status("/faults", ["slow"]))[0] == 400
    await begin(told, "slow", path="nowhere", **{"for": 5})
    [shown] = await told.control("/faults")
    assert shown == {"fault": "slow", "for": 5.0, "share": 1.0, "path": "nowhere", "seconds": 5.0}
    assert await end(told, "cut") == 0
    assert await end(told, "slow") == 1
    assert await told.control("/faults") == []
    assert len(WORDS) == 20


# Requests


@pytest.mark.parametrize(
    ("status", "body", "key"),
    [
        (401, "json", "Message"),
        (403, "json", "Errors"),
        (429, "json", "Errors"),
        (502, "json", "Errors"),
        (503, "html", None),
        (500, "empty", None),
    ],
)
async def test_trap_7_windows_of_refusals_in_json_html_or_nothing(told: Sim, status: int, body: str, key: str | None) -> None:
    stream = told.stream("Float32")
    await begin(told, "refuse", status=status, body=body, retry_after=7)
    async with told.session.get(told.url + recorded(told, stream)) as answer:
        text = await answer.text()
        assert (answer.status, answer.headers["Retry-After"]) == (status, "7")
        assert (answer.content_type == "application/json") is (key is not None)
        assert list(json.loads(text)) == [key] if key else "{" not in text
    [read] = lines(told, "read")
    assert (read["status"], read["count"], read["first"]) == (status, 0, None)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await told.channel(stream)
    assert refusal.value.status == status
    await end(told)
    assert (await told.ask(recorded(told, stream)))[0] == 200


async def test_trap_6_a_web_exception_inside_200(told: Sim) -> None:
    await begin(told, "web_exception")
    body = await told.get(recorded(told, told.stream("Float32")))
    assert list(body) == ["WebException"]
    assert body["WebException"]["StatusCode"] == 500
    assert [line["status"] for line in lines(told, "read")] == [500]


async def test_trap_6_a_web_exception_in_the_content_of_a_batch_entry(told: Sim) -> None:
    await begin(told, "web_exception", path="recorded", status=503)
    resource = told.url + recorded(told, told.stream("Float32"))
    status, body = await told.batch({"1": {"Method": "GET", "Resource": resource}})
    assert (status, body["1"]["Status"]) == (207, 200)
    assert body["1"]["Content"]["WebException"]["StatusCode"] == 503
    assert [line["status"] for line in lines(told, "read")] == [503]


async def test_trap_4_single_entries_of_a_batch_fail_inside_207(told: Sim) -> None:
    await begin(told, "refuse_inner", share=0.5, status=502)
    entries = {str(i): {"Method": "GET", "Resource": told.url + recorded(told, told.stream("Float32", i))} for i in range(20)}
    status, body = await told.batch(entries)
    assert status == 207
    found = {key: entry["Status"] for key, entry in body.items()}
    assert set(found.values()) == {200, 502}
    assert {line["q"].split("/")[1]: line["status"] for line in lines(told, "read")} == found
    assert all(entry["Content"]["Errors"] for entry in body.values() if entry["Status"] == 502)


async def test_section_2_4_a_value_with_errors_inside_200(told: Sim) -> None:
    streams = [told.stream("Float32", i) for i in range(12)]
    await begin(told, "item_errors", share=0.5)
    body = await told.get(f"/streamsets/recorded?{'&'.join(f'webId={told.web_id(s)}' for s in streams)}&startTime=*-30m&endTime=*-1m")
    failed = {item["Name"] for item in body["Items"] if any("Errors" in value for value in item["Items"])}
    assert 0 < len(failed) < 12
    told_of = {line["p"]: line["status"] for line in lines(told, "read")}
    assert {s.point.name for s in streams if told_of[s.point.point_id] == 500} == failed


async def test_a_cut_answer_ends_inside_its_body_and_counts_as_read_by_nobody(told: Sim) -> None:
    await begin(told, "cut", after=0.4)
    with pytest.raises(aiohttp.ClientError):
        await told.get(recorded(told, told.stream("Float32")))
    [read] = lines(told, "read")
    assert (read["status"], read["count"]) == (0, 0)


async def test_a_slow_answer_comes_late_and_holds_nobody_up(told: Sim) -> None:
    await begin(told, "slow", seconds=0.4, path="recorded")
    loop = asyncio.get_running_loop()
    before = loop.time()
    slow = asyncio.create_task(told.get(recorded(told, told.stream("Float32"))))
    await told.get("/")
    assert loop.time() - before < 0.3
    await slow
    assert loop.time() - before >= 0.4


@pytest.mark.parametrize("mode", ["error", "empty"])
async def test_an_offline_archive_fails_or_keeps_silent(told: Sim, mode: str) -> None:
    stream = told.stream("Float64")
    whole = (await told.get(recorded(told, stream)))["Items"]
    await begin(told, "archive_offline", older_than=900, mode=mode)
    items = (await told.get(recorded(told, stream)))["Items"]
    near = (await told.get(f"/streams/{told.web_id(stream)}/recorded?startTime=*-14m&endTime=*-1m"))["Items"]
    assert near == whole[-len(near) :]
    if mode == "error":
        assert "Errors" in items[0]
    else:
        assert items == [item for item in whole if item["Timestamp"] >= told.at(-900)]
        assert len(items) < len(whole)
    assert [line["status"] for line in lines(told, "read")][1] == (500 if mode == "error" else 200)


async def test_links_next_points_to_a_foreign_host(told: Sim) -> None:
    await begin(told, "foreign_next")
    server = (await told.get("/dataservers"))["Items"][0]
    page = await told.get(f"/dataservers/{server['WebId']}/points?maxCount=10")
    assert page["Links"]["Next"].startswith("https://elsewhere.invalid/piwebapi/dataservers/")
    assert page["Links"]["First"].startswith(told.url)


@pytest.mark.parametrize("compressed", [False, True])
async def test_oversize_answers_and_bombs_are_right_behind_their_blanks(told: Sim, compressed: bool) -> None:
    stream = told.stream("Float32")
    right = await told.get(recorded(told, stream))
    await begin(told, "oversize_answers", bytes=4_000_000, compressed=compressed)
    async with aiohttp.ClientSession(auto_decompress=False) as session, session.get(told.url + recorded(told, stream)) as answer:
        raw = await answer.read()
        assert (answer.headers.get("Content-Encoding") == "gzip") is compressed
    assert (len(raw) < 100_000) is compressed
    text = gzip.decompress(raw) if compressed else raw
    assert len(text) > 4_000_000
    assert json.loads(text) == right


async def test_an_unmodelled_post_is_refused_without_being_done(told: Sim) -> None:
    await begin(told, "refuse", status=500)
    async with told.session.post(told.url + "/system", headers=CSRF) as answer:
        assert answer.status == 500


# Channels


async def test_a_fault_drops_channels_and_is_why_they_closed(told: Sim) -> None:
    channels = [await told.channel(told.stream("Float32")) for _ in range(3)]
    await begin(told, "drop_channels", count=2, close_frame=True)
    for channel in channels[:2]:
        assert (await channel.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    async with asyncio.timeout(5):
        while len(lines(told, "close")) < 2:
            await asyncio.sleep(0.01)
    assert [line["why"] for line in lines(told, "close")] == ["drop_channels"] * 2
    assert [(line["name"], line["state"]) for line in lines(told, "fault")] == [("drop_channels", "once")]


async def test_trap_33_a_half_open_channel_is_silent_even_to_pings_and_never_comes_back(told: Sim) -> None:
    stream = told.stream("Float32")
    channel = await told.channel(stream, query="&heartbeatRate=1")
    await begin(told, "half_open")
    await told.write(stream, "*", 1)
    told.running.tick()
    await channel.ping()
    await silence(channel)
    other = await told.channel(stream)
    await told.write(stream, "*", 2)
    told.running.tick()
    assert (await message(other))["Items"]
    await end(told)
    assert (await channel.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)
    sent = [event[1] for line in lines(told, "sent") for event in line["events"]]
    assert sent == [2.0]


@pytest.mark.parametrize("lost", [True, False])
async def test_a_silent_stall_sends_nothing_no_heartbeat_either(told: Sim, lost: bool) -> None:
    stream = told.stream("Float32")
    channel = await told.channel(stream, query="&heartbeatRate=1")
    await begin(told, "silent_stall", lost=lost)
    await told.write(stream, "*", 1)
    told.running.tick()
    await silence(channel)
    await end(told)
    told.running.tick()
    assert bool((await message(channel))["Items"]) is not lost


async def test_lost_channel_events_are_in_the_archive_and_never_sent(told: Sim) -> None:
    stream = told.stream("String")
    channel = await told.channel(stream)
    before = len(await told.archive(stream))
    await begin(told, "lose_events", share=0.5)
    for number in range(100):
        await told.write(stream, told.at(number), str(number))
    told.running.tick()
    [item] = (await message(channel))["Items"]
    assert 25 < len(item["Items"]) < 75
    assert len(await told.archive(stream)) == before + 100
    assert sum(len(line["events"]) for line in lines(told, "sent")) == len(item["Items"])


async def test_trap_36_an_oversize_frame_is_right_behind_its_blanks(told: Sim) -> None:
    stream = told.stream("Float32")
    channel = await told.channel(stream)
    await begin(told, "oversize_frames", bytes=1_000_000)
    await told.write(stream, "*", 1)
    told.running.tick()
    frame = await channel.receive(timeout=5)
    assert len(frame.data) > 1_000_000
    assert json.loads(frame.data)["Items"]


# The plant


async def test_the_event_queue_is_held_back_for_a_while(told: Sim) -> None:
    stream = told.stream("String")
    before = len(await told.archive(stream))
    await begin(told, "hold_queue", **{"for": 60})
    await told.write(stream, told.at(1), "a")
    await told.write(stream, told.at(2), "b")
    assert len(await told.archive(stream)) == before
    told.advance(61)
    assert len(await told.archive(stream)) == before + 2


async def test_a_moved_and_drifting_clock_is_the_servers_and_not_the_machines(told: Sim) -> None:
    async def now() -> str:
        return str((await told.get("/system/status"))["ServerTime"])

    await begin(told, "clock", offset=-3600, drift=0.5)
    assert await now() == told.at(-3600)
    told.advance(100)
    assert await now() == told.at(-3550)
    assert lines(told, "fault")[0]["at"] == told.clock.ticks - 100 * TICKS_PER_SECOND
    await end(told)
    assert await now() == told.at(0)


async def test_a_server_clock_far_behind_rejects_what_lies_ahead_of_it(start_simulator: StartSimulator) -> None:
    sim = await start_simulator()
    await begin(sim, "clock", offset=-3600)
    sim.advance(60)
    status = await sim.control("/status")
    assert (status["events_written"], status["events_rejected"] > 1000) == (0, True)


async def test_the_clock_of_one_interface_is_wrong_and_then_its_values_are_late(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(journaled=True)
    await begin(sim, "interface_clock", interface="OPC1", offset=300, drift=0.1)
    sim.advance(60)
    sources = {stream.point.point_id: stream.point.source for stream in sim.running.store.streams}
    wrong = {sources[line["p"]] for line in lines(sim, "write") if line["t"] > sim.clock.ticks}
    assert wrong == {"OPC1"}
    await end(sim)
    sim.advance(60)
    status = await sim.control("/status")
    assert status["events_late"] > 100


@pytest.mark.parametrize("newest_first", [False, True])
async def test_an_interface_delivers_its_buffer_late(start_simulator: StartSimulator, newest_first: bool) -> None:
    sim = await start_simulator()
    source = sim.stream("Float32").point.source
    await begin(sim, "buffer_interface", interface=source, newest_first=newest_first)
    sim.advance(120)
    held = [stream for stream in sim.running.store.streams if stream.live and stream.point.source == source]
    assert all(stream.snapshot and stream.snapshot.ticks <= sim.clock.ticks - 120 * TICKS_PER_SECOND for stream in held)
    before = await sim.control("/status")
    await end(sim)
    after = await sim.control("/status")
    assert after["events_written"] - before["events_written"] > 500
    assert (after["events_late"] > 400) is newest_first
