from typing import Any

import pytest

from simulator.store import Stream
from tests.simulator.world import CSRF, Sim, StartSimulator


@pytest.fixture
async def told(start_simulator: StartSimulator) -> Sim:
    """Live points whose load is off, and a journal in memory."""
    sim = await start_simulator(journaled=True, points=100)
    sim.running.load.stop()
    return sim


async def post(sim: Sim, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any, str]:
    async with sim.session.post(sim.url + path, headers=CSRF if headers is None else headers) as answer:
        return answer.status, await answer.json(), answer.headers.get("Location", "")


async def register(sim: Sim, stream: Stream) -> str:
    status, body, location = await post(sim, f"/streams/{sim.web_id(stream)}/updates")
    assert status == 200
    assert location == f"{sim.url}/streams/updates/{body['LatestMarker']}"
    assert body["Status"] in ("Succeeded", "AlreadyRegistered")
    return str(body["LatestMarker"])


def webs(sim: Sim, *streams: Stream) -> str:
    return "&".join(f"webId={sim.web_id(stream)}" for stream in streams)


async def test_section_3_7_a_marker_fetches_what_was_written_since_and_brings_the_next(told: Sim) -> None:
    stream = told.stream("Float64")
    marker = await register(told, stream)
    assert marker.endswith("_0")
    await told.write(stream, told.at(1), 1.5)
    body = await told.get(f"/streams/updates/{marker}")
    assert (body["Source"], body["SourceName"], body["Status"]) == (told.web_id(stream, "F"), stream.point.name, "Updated")
    assert (body["RequestedMarker"], body["LatestMarker"]) == (marker, marker[:-1] + "1")
    [event] = body["Events"]
    assert event == {
        "Action": "Add",
        "PreviousEventAction": event["PreviousEventAction"],
        "Timestamp": told.at(1),
        "UnitsAbbreviation": "",
        "Good": True,
        "Questionable": False,
        "Substituted": False,
        "Annotated": False,
        "Value": 1.5,
    }
    assert await told.get(f"/streams/updates/{marker}") == body, "a marker may be asked again until the next is"
    assert (await told.get(f"/streams/updates/{body['LatestMarker']}"))["Events"] == []
    await told.refused(f"/streams/updates/{marker}", 409)


async def test_section_3_7_edits_and_deletions_have_names_and_so_has_the_fate_of_the_snapshot(told: Sim) -> None:
    stream = told.stream("Float64")
    marker = await register(told, stream)
    for second in (1, 2, 3, 4):
        await told.write(stream, told.at(second), 5.0)
    await told.write(stream, "*-30m", 7)
    order = {"point_id": stream.point.point_id, "time": told.at(-1800)}
    await told.control("/edit", order | {"value": 8})
    await told.control("/delete", order)
    events = (await told.get(f"/streams/updates/{marker}"))["Events"]
    assert [event["Action"] for event in events] == ["Add"] * 4 + ["Insert", "Update", "Delete"]
    assert events[3]["PreviousEventAction"] == "PreviousEventDiscarded"
    assert {event["PreviousEventAction"] for event in events[:3]} & {"PreviousEventArchived"}
    assert [event["PreviousEventAction"] for event in events[4:]] == ["None"] * 3
    assert [(event["Value"], event["Substituted"]) for event in events[4:]] == [(7.0, False), (8.0, True), (8.0, True)]


async def test_trap_40_twice_registered_is_already_registered_with_the_latest_marker(told: Sim) -> None:
    streams = [told.stream("Float32", i) for i in range(3)]
    first = await register(told, streams[0])
    await told.write(streams[0], "*", 1)
    status, body, location = await post(told, f"/streamsets/updates?{webs(told, *streams)}")
    assert status == 200
    assert [item["Status"] for item in body["Items"]] == ["AlreadyRegistered", "Succeeded", "Succeeded"]
    assert body["Items"][0]["LatestMarker"] == first[:-1] + "1"
    assert location.count("marker=") == 3
    assert len(told.running.updates) == 3
    path = location.removeprefix(told.url)
    assert [item["Status"] for item in (await told.get(path))["Items"]] == ["Updated"] * 3
    mixed = (await told.get(f"{path}&marker=nonsense_0&marker={first[:-1]}77"))["Items"]
    assert [item["Status"] for item in mixed] == ["Updated"] * 3 + ["Failed"] * 2
    assert all(item["Exception"]["Errors"] for item in mixed[3:])


async def test_section_3_7_one_bad_web_id_refuses_the_registration_of_all(told: Sim) -> None:
    good = told.web_id(told.stream("Float32"))
    for bad in ("nonsense", "I1DPEmoryo_bV0GzilxLXH31pgjowAAA"):
        status, body, _ = await post(told, f"/streamsets/updates?webId={good}&webId={bad}")
        assert (status, list(body)) == (400, ["Errors"])
    assert (await post(told, "/streamsets/updates"))[0] == 400
    assert len(told.running.updates) == 0
    assert not told.stream("Float32").listeners
    await told.refused("/streamsets/updates", 400)


async def test_trap_5_registering_without_x_requested_with_is_403(told: Sim) -> None:
    status, _, _ = await post(told, f"/streamsets/updates?{webs(told, told.stream('Float32'))}", headers={})
    assert status == 403


async def test_trap_39_a_marker_expires_after_fifteen_idle_minutes_or_is_lost(told: Sim) -> None:
    stream = told.stream("Float32")
    marker = await register(told, stream)
    told.advance(14 * 60)
    await told.get(f"/streams/updates/{marker}")
    told.advance(14 * 60)
    await told.get(f"/streams/updates/{marker}")
    told.advance(15 * 60 + 1)
    await told.refused(f"/streams/updates/{marker}", 404)
    assert not stream.listeners
    marker = await register(told, stream)
    await told.control("/faults", {"fault": "lose_markers"})
    await told.refused(f"/streams/updates/{marker}", 404)
    for wrong in ("x", "_", "_0", "0_0"):
        await told.refused(f"/streams/updates/{wrong}", 404)
    fresh = await register(told, stream)
    for wrong in ("x", "-1", "99", "", "1" * 30):
        await told.refused(f"/streams/updates/{fresh[:-1]}{wrong}", 409)
    assert told.running.journal is not None
    assert [line["why"] for line in told.running.journal.lines() if line["k"] == "close"] == ["server", "lose_markers"]


async def test_too_many_waiting_updates_unregister_the_stream(told: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.updates._MAX_WAITING", 3)
    stream = told.stream("Float32")
    marker = await register(told, stream)
    for second in range(4):
        await told.write(stream, told.at(second), 1)
    await told.refused(f"/streams/updates/{marker}", 404)
    assert (await register(told, stream))[:32] != marker[:32]


async def test_updates_are_told_to_the_journal_and_selected_by_fields(told: Sim) -> None:
    stream = told.stream("Float64")
    marker = await register(told, stream)
    await told.write(stream, told.at(1), 3)
    body = await told.get(f"/streams/updates/{marker}?selectedFields=LatestMarker;Events.Value;Events.Action")
    assert body == {"LatestMarker": marker[:-1] + "1", "Events": [{"Action": "Add", "Value": 3.0}]}
    assert told.running.journal is not None
    [sent] = [line for line in told.running.journal.lines() if line["k"] == "sent"]
    [opened] = [line for line in told.running.journal.lines() if line["k"] == "open"]
    assert (sent["c"], sent["events"]) == (opened["c"], [[told.clock.ticks + 10_000_000, 3.0, 1]])
