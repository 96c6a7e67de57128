"""Everything at once: whatever goes wrong, the journal and the store tell the same story, and no request is a traceback."""

import asyncio
import itertools
from datetime import UTC
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.api import Query, Request
from simulator.server import Running
from simulator.settings import Settings
from tests.simulator.replay import archives
from tests.simulator.world import NOON, Hand, StartSimulator


async def test_with_every_fault_of_the_plant_the_journal_is_still_the_archive(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="verify", points=60, special_points=5, history_seconds=1800, journaled=True)
    channel = await sim.channel(*sim.running.store.streams)
    orders: dict[int, dict[str, Any]] = {
        2: {"fault": "hold_queue", "for": 60},
        8: {"fault": "buffer_interface", "interface": "OPC1", "newest_first": True, "for": 30},
        14: {"fault": "clock", "offset": -1200, "for": 30},
        20: {"fault": "interface_clock", "interface": "OPC2", "offset": 120, "for": 30},
        24: {"fault": "lose_events", "share": 0.2},
        26: {"fault": "item_errors", "share": 0.5},
    }
    for step in range(35):
        sim.advance(6)
        if step in orders:
            await sim.control("/faults", orders[step])
        await sim.ask(f"/streams/{sim.web_id(sim.running.store.streams[step])}/recorded?startTime=*-20m")
        await asyncio.sleep(0)
    await channel.close()
    truth = {}
    for stream in sim.running.store.streams:
        rows = await sim.archive(stream)
        truth[stream.point.point_id] = [[t, v, good + 2 * q + 4 * s + 8 * a] for t, v, good, q, s, a in rows]
    assert sim.running.journal is not None
    told = sim.running.journal.lines()
    assert archives(told) == truth
    assert [line["n"] for line in told] == list(range(1, len(told) + 1))
    counts = sim.running.store.counts
    kinds = [line["k"] for line in told]
    assert kinds.count("archive") >= counts.archived > 500
    assert kinds.count("edit") == counts.edited > 5
    assert kinds.count("delete") == counts.deleted > 5
    assert len({line["id"] for line in told if line["k"] == "write"}) == kinds.count("write")


async def test_what_a_read_line_says_is_what_the_client_got(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(profile="verify", points=40, journaled=True)
    assert sim.running.journal is not None
    got = []
    for step, stream in enumerate(itertools.islice(itertools.cycle(sim.running.store.streams), 60)):
        sim.advance(3)
        query = f"startTime=*-{step + 1}m&endTime=*-{step % 3}s&maxCount={1 + step * 7 % 50}"
        items = (await sim.get(f"/streams/{sim.web_id(stream)}/recorded?{query}"))["Items"]
        got.append([stream.point.point_id, len(items), 200, ((step + 1) * 60 - step % 3) * 10_000_000])
    reads = [line for line in sim.running.journal.lines() if line["k"] == "read"]
    assert [[line["p"], line["count"], line["status"], line["to"] - line["from"]] for line in reads] == got


_RUNNING = Running(Settings(points=20), Hand())
_SERVER = _RUNNING.catalogue.web_id(_RUNNING.store.streams[0].point, "F")
_WORDS = st.one_of(
    st.sampled_from(
        [
            *(
                "streams",
                "streamsets",
                "points",
                "dataservers",
                "enumerationsets",
                "updates",
                "recorded",
                "value",
                "end",
                "summary",
                "system",
            ),
            *("multiple", "attributes", "enumerationvalues", "recordedattime", "status", _SERVER, "I1MSD", "F1MVD" + "A" * 60, "x_1", ""),
        ]
    ),
    st.text(max_size=12),
)
_NAMES = st.sampled_from(
    [
        *("webId", "path", "marker", "time", "startTime", "endTime", "maxCount", "selectedFields", "summaryType", "calculationBasis"),
        *("nameFilter", "webIdType", "retrievalMode", "boundaryType", "sortField", "timeZone", "startIndex"),
    ]
)
_VALUES = st.one_of(
    st.sampled_from([_SERVER, "*", "*-1h", "Count", "EventWeighted", "1", "-1", "Items.Value", "Name", "UTC", "x_0"]), st.text(max_size=8)
)


@settings(max_examples=400)
@given(st.sampled_from(["GET", "POST", "DELETE"]), st.lists(_WORDS, max_size=4), st.lists(st.tuples(_NAMES, _VALUES), max_size=4))
def test_no_request_is_a_traceback(method: str, segments: list[str], pairs: list[tuple[str, str]]) -> None:
    query = Query("")
    for name, value in pairs:
        query._values.setdefault(name.lower(), []).append(value)
    answer = _RUNNING.routes.answer(Request(method, tuple(segments), query, "http://h/piwebapi", NOON, None, UTC))
    assert answer.status in (200, 207, 400, 404, 405, 409)
    if answer.status >= 400:
        assert answer.body.startswith((b'{"Errors":[', b'{"Message":'))
