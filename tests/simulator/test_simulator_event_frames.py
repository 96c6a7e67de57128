import dataclasses
from typing import Any

import pytest

from simulator import server
from simulator.event_frames import OPEN, facts_of
from simulator.pitime import TICKS_PER_SECOND
from tests.simulator.works import attributes, change, database, equipment, follow, frames, measured, new_frame, read_frame, write
from tests.simulator.world import Hand, Sim, StartSimulator, times, url_path

YEAR_9999 = "9999-12-31T23:59:59.9999999Z"
MINUTE = 60 * TICKS_PER_SECOND


def told(sim: Sim) -> list[Any]:
    """The lines of the journal about event frames since the start."""
    assert sim.running.journal is not None
    lines = sim.running.journal.lines()
    return [line for line in lines if line["k"] == "event_frame" and line["action"] != "past"]


@pytest.fixture
async def quiet(start_simulator: StartSimulator) -> Sim:
    """No event frames but those that a test creates."""
    return await start_simulator(event_frames_per_minute=0, journaled=True, rate_per_second=5.0)


async def test_trap_17_an_open_event_frame_ends_in_the_year_9999(quiet: Sim) -> None:
    frame = await new_frame(quiet)
    shown = await read_frame(quiet, frame)
    assert shown["EndTime"] == YEAR_9999
    assert (shown["StartTime"], frame["end"]) == (quiet.at(0), None)
    open_frames = (await follow(quiet, (await database(quiet))["Links"]["EventFrames"], "?searchMode=InProgress"))["Items"]
    assert [found["Id"] for found in open_frames] == [frame["ef"]]


async def test_trap_43_a_frame_is_closed_acknowledged_and_judged_anew_long_after_it_was_first_seen(quiet: Sim) -> None:
    frame = await new_frame(quiet, template="High alarm")
    first = await read_frame(quiet, frame)
    assert (first["Severity"], first["IsAcknowledged"], first["CanBeAcknowledged"]) == ("Major", False, True)
    assert (first["AcknowledgedBy"], first["AcknowledgedDate"]) == ("", "1970-01-01T00:00:00Z")
    quiet.advance(3600)
    await change(quiet, frame, severity="Critical", close="*-10m")
    closed = await read_frame(quiet, frame)
    assert (closed["Severity"], closed["EndTime"]) == ("Critical", quiet.at(-600))
    quiet.advance(3600)
    status, text = await write(quiet, "PATCH", f"{quiet.url}/eventframes/{first['WebId']}/acknowledge")
    assert (status, text) == (204, "")
    seen = await follow(quiet, first["Links"]["Self"])
    assert (seen["IsAcknowledged"], seen["AcknowledgedDate"]) == (True, quiet.at(0))
    assert seen["AcknowledgedBy"]
    await change(quiet, frame, annotate="sensor cleaned")
    assert (await read_frame(quiet, frame))["IsAnnotated"] is True
    # Nothing in its name, its id or its start betrays that it is another version.
    assert {key for key in first if first[key] != (await read_frame(quiet, frame))[key]} == {
        *("EndTime", "Severity", "IsAcknowledged", "AcknowledgedBy", "AcknowledgedDate", "IsAnnotated"),
    }


async def test_every_change_is_told_to_the_journal_with_the_whole_frame(quiet: Sim) -> None:
    element = (await equipment(quiet))["Path"]
    frame = await new_frame(quiet, template="High alarm", elements=[element])
    await change(quiet, frame, severity="Critical", close="*+1s", capture=True, acknowledge="PLANT\\x", annotate="seen")
    lines = told(quiet)
    assert [line["action"] for line in lines] == ["create", "severity", "close", "capture", "acknowledge", "annotate"]
    assert {line["ef"] for line in lines} == {frame["ef"]}
    facts = [{key: line[key] for key in frame} for line in lines]
    assert facts[0] == frame
    [now] = await quiet.control("/event-frames")
    assert facts[-1] == now
    assert (now["severity"], now["acknowledged_by"], now["annotations"], now["captured"]) == ("Critical", "PLANT\\x", 1, True)
    assert (now["end"] - now["start"], now["elements"], now["parent"]) == (TICKS_PER_SECOND, [(await equipment(quiet))["Id"]], None)


async def test_writing_to_an_event_frame_through_pi_web_api_is_told_too(quiet: Sim) -> None:
    frame = await new_frame(quiet)
    url = (await read_frame(quiet, frame))["Links"]["Self"]
    assert (await write(quiet, "PATCH", url + "/acknowledge"))[0] == 204
    assert (await write(quiet, "POST", url + "/attributes/capture"))[0] == 204
    assert (await write(quiet, "PATCH", url + "/acknowledge"))[0] == 204
    # It stays as it was acknowledged first.
    assert [line["action"] for line in told(quiet)] == ["create", "acknowledge", "capture"]


async def test_section_7_3_writing_to_an_event_frame_needs_the_csrf_header(quiet: Sim) -> None:
    url = (await read_frame(quiet, await new_frame(quiet)))["Links"]["Self"]
    for method, path in (("PATCH", "/acknowledge"), ("POST", "/attributes/capture")):
        assert (await write(quiet, method, url + path, headers={}))[0] == 403
    assert [line["action"] for line in told(quiet)] == ["create"]
    for method, path in (
        ("DELETE", ""),
        ("PATCH", ""),
        ("GET", "/acknowledge"),
        ("POST", "/acknowledge"),
        ("PATCH", "/attributes/capture"),
    ):
        assert (await write(quiet, method, url + path))[0] == 405
    status, body = await quiet.ask(url.removeprefix(quiet.url) + "/acknowledgements")
    assert (status, list(body)) == (404, ["Message"])


async def test_section_6_2_what_cannot_be_acknowledged_is_400(quiet: Sim) -> None:
    url = (await read_frame(quiet, await new_frame(quiet, template="Production batch")))["Links"]["Self"]
    status, text = await write(quiet, "PATCH", url + "/acknowledge")
    assert (status, "Errors" in text) == (400, True)


async def test_section_6_2_acknowledging_inside_a_batch(quiet: Sim) -> None:
    url = (await read_frame(quiet, await new_frame(quiet)))["Links"]["Self"]
    status, body = await quiet.batch({"a": {"Method": "PATCH", "Resource": url + "/acknowledge"}})
    assert (status, body["a"]["Status"], body["a"]["Content"]) == (207, 204, "")


async def test_a_frame_created_in_the_past_is_found_behind_what_was_read(quiet: Sim) -> None:
    await new_frame(quiet, name="Now")
    seen = {found["Id"] for found in await frames(quiet)}
    late = await new_frame(quiet, name="Late", start="*-3h", end="*-2h", template="Equipment downtime")
    found = await frames(quiet)
    assert {item["Id"] for item in found} - seen == {late["ef"]}
    shown = await read_frame(quiet, late)
    assert (shown["StartTime"], shown["EndTime"]) == (quiet.at(-3 * 3600), quiet.at(-2 * 3600))


async def test_trap_41_child_event_frames_are_found_only_with_search_full_hierarchy(quiet: Sim) -> None:
    element = await equipment(quiet)
    batch = await new_frame(quiet, name="B1", template="Production batch", elements=[element["Path"]], start="*-1h")
    phase = await new_frame(quiet, name="Charge", template="Batch phase", elements=[element["Path"]], start="*-1h", parent=batch["ef"])
    step = await new_frame(quiet, name="Open valve", template="Batch phase", start="*-1h", parent=phase["ef"])
    of_element = element["Links"]["EventFrames"].removeprefix(quiet.url)
    for path in ((await database(quiet))["Links"]["EventFrames"].removeprefix(quiet.url), of_element):
        assert [item["Name"] for item in (await quiet.get(path))["Items"]] == ["B1"]
    deep = await frames(quiet, "?searchFullHierarchy=true")
    assert [item["Name"] for item in deep] == ["B1", "Charge", "Open valve"]
    assert [item["Name"] for item in (await quiet.get(of_element + "?searchFullHierarchy=true"))["Items"]] == ["B1", "Charge"]
    top = await read_frame(quiet, batch)
    assert top["HasChildren"] is True
    children = await follow(quiet, top["Links"]["EventFrames"])
    assert [item["Name"] for item in children["Items"]] == ["Charge"]
    assert len((await follow(quiet, top["Links"]["EventFrames"], "?searchFullHierarchy=true"))["Items"]) == 2
    child = await read_frame(quiet, step)
    assert child["Path"].endswith("\\EventFrames[B1]\\Charge\\Open valve")
    assert (await follow(quiet, child["Links"]["Parent"]))["Id"] == phase["ef"]
    assert (await quiet.get(f"/eventframes?path={url_path(child['Path'])}"))["Id"] == step["ef"]


async def test_section_6_2_a_frame_links_its_elements(quiet: Sim) -> None:
    first, second = await equipment(quiet), await equipment(quiet, 1)
    shown = await read_frame(quiet, await new_frame(quiet, elements=[first["Path"], second["Path"]]))
    assert shown["RefElementWebIds"] == [first["WebId"], second["WebId"]]
    assert (await follow(quiet, shown["Links"]["PrimaryReferencedElement"]))["Id"] == first["Id"]
    assert [element["Id"] for element in (await follow(quiet, shown["Links"]["ReferencedElements"]))["Items"]] == [
        first["Id"],
        second["Id"],
    ]
    assert "Attributes" not in shown
    assert "PrimaryReferencedElementWebId" not in shown
    assert (await follow(quiet, shown["Links"]["Template"]))["InstanceType"] == "EventFrame"


async def test_section_6_2_annotations_are_listed_with_who_and_when(quiet: Sim) -> None:
    frame = await new_frame(quiet)
    await change(quiet, frame, annotate="seen")
    quiet.advance(60)
    await change(quiet, frame, annotate="cleaned")
    url = (await read_frame(quiet, frame))["Links"]["Annotations"]
    notes = (await follow(quiet, url))["Items"]
    assert [(note["Value"], note["CreationDate"]) for note in notes] == [("seen", quiet.at(-60)), ("cleaned", quiet.at(0))]
    assert list(notes[0]) == ["Id", "Name", "Description", "Value", "Creator", "CreationDate", "Modifier", "ModifyDate", "Links"]
    assert await follow(quiet, notes[1]["Links"]["Self"]) == notes[1]
    status, _ = await quiet.ask(url.removeprefix(quiet.url) + "/nobody")
    assert status == 404


async def test_section_6_2_captured_values_stay_when_the_archive_is_edited(quiet: Sim) -> None:
    quiet.running.load.stop()
    element = await equipment(quiet)
    attribute = await measured(quiet, element)
    stream = quiet.running.store.by_name[attribute["ConfigString"].rpartition("\\")[2].upper()]
    created = await quiet.control("/elements", {"name": "One point", "point_ids": [stream.point.point_id]})
    quiet.advance(61)
    await quiet.write(stream, quiet.at(-5), 10.0)
    frames_ = [await new_frame(quiet, name=name, elements=[created["path"]], start="*-10s", end="*-5s") for name in ("kept", "live")]
    await change(quiet, frames_[0], capture=True)
    await quiet.control("/edit", {"point_id": stream.point.point_id, "time": quiet.at(-5), "value": 20.0})
    # What comes after its end is not the frame's.
    await quiet.write(stream, quiet.at(-1), 30.0)
    values = []
    for frame in frames_:
        shown = await read_frame(quiet, frame)
        found = {item["Name"]: item["Value"] for item in (await follow(quiet, shown["Links"]["Value"]))["Items"]}
        assert found.keys() == {"Operator", "Reason", "Measurement"}
        values.append((shown["AreValuesCaptured"], found["Measurement"]["Value"], found["Measurement"]["UnitsAbbreviation"]))
    assert values == [(True, 10.0, stream.point.units), (False, 20.0, stream.point.units)]


async def test_section_2_2_the_attributes_of_an_event_frame_are_read_over_its_own_range(quiet: Sim) -> None:
    element = await equipment(quiet)
    frame = await read_frame(quiet, await new_frame(quiet, elements=[element["Path"]], start="*-40m", end="*-20m"))
    measurement = (await attributes(quiet, frame))["Measurement"]
    assert measurement["WebId"].startswith("F1AbF")
    assert (await follow(quiet, measurement["Links"]["EventFrame"]))["Id"] == frame["Id"]
    own = await quiet.get(f"/streams/{measurement['WebId']}/recorded")
    point = (await follow(quiet, measurement["Links"]["Point"]))["WebId"]
    same = await quiet.get(f"/streams/{point}/recorded?startTime={quiet.at(-2400)}&endTime={quiet.at(-1200)}")
    assert [item["Timestamp"] for item in own["Items"]] == [item["Timestamp"] for item in same["Items"]]
    assert len(own["Items"]) > 0
    [in_set] = (await follow(quiet, frame["Links"]["RecordedData"]))["Items"]
    assert in_set["Items"] == own["Items"]
    # In an ad hoc set each attribute is read over the range of its own event frame.
    other = await read_frame(quiet, await new_frame(quiet, name="Other", elements=[element["Path"]], start="*-15m", end="*-5m"))
    second = (await attributes(quiet, other))["Measurement"]["WebId"]
    for _ in range(4):
        both = await quiet.get(f"/streamsets/recorded?webId={measurement['WebId']}&webId={second}")
        by_id = {item["WebId"]: times(item["Items"]) for item in both["Items"]}
        assert by_id[measurement["WebId"]] == times(own["Items"])
        assert all(quiet.at(-900) <= time <= quiet.at(-300) for time in by_id[second])
    longer = await quiet.get(f"/streams/{measurement['WebId']}/recorded?startTime=*-50m&endTime=*")
    assert len(longer["Items"]) > len(own["Items"])


async def test_section_1_3_event_frames_multiple_answers_each_for_itself(quiet: Sim) -> None:
    frame = await read_frame(quiet, await new_frame(quiet))
    query = f"/eventframes/multiple?webId={frame['WebId']}&path={url_path(frame['Path'])}"
    assert [item["Object"] for item in (await quiet.get(query))["Items"]] == [frame] * 2
    status, body = await quiet.ask(query + "&webId=nonsense")
    assert (status, ["Exception" in item for item in body["Items"]]) == (207, [False, True, False])


@pytest.mark.parametrize(
    ("path", "order", "status"),
    [
        ("", {"name": "x", "template": "Pump"}, 400),
        ("", {"name": "x", "template": "Nothing"}, 400),
        ("", {"name": "a\\b", "template": "High alarm"}, 400),
        ("", {"name": "x", "template": "High alarm", "start": "*", "end": "*-1h"}, 400),
        ("", {"name": "x", "template": "High alarm", "elements": ["\\\\PISIM-AF\\Chemical Works\\Nowhere"]}, 404),
        ("", {"name": "x", "template": "High alarm", "parent": "nobody"}, 404),
        ("/change", {"ef": "nobody"}, 404),
        ("/change", {"ef": "nobody", "delete": True}, 400),
    ],
)
async def test_the_control_port_refuses_an_event_frame_that_cannot_be(quiet: Sim, path: str, order: dict[str, Any], status: int) -> None:
    assert (await quiet.control_status("/event-frames" + path, order))[0] == status
    assert told(quiet) == []


async def test_a_change_that_is_wrong_changes_nothing(quiet: Sim) -> None:
    frame = await new_frame(quiet)
    for wrong in ({"severity": "Terrible"}, {"close": "*-1d", "severity": "Minor"}, {"close": "soon"}):
        assert (await quiet.control_status("/event-frames/change", {"ef": frame["ef"], **wrong}))[0] == 400
    assert await quiet.control("/event-frames") == [frame]


# By themselves


async def test_event_frames_of_the_past_are_there_at_the_start_and_told_as_they_are(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(journaled=True, event_frames_per_minute=2.0, history_seconds=4 * 3600)
    truth = await sim.control("/event-frames")
    assert sim.running.journal is not None
    past = [line for line in sim.running.journal.lines() if line["k"] == "event_frame"]
    assert {line["action"] for line in past} == {"past"}
    assert [{key: line[key] for key in truth[0]} for line in past] == truth
    tops = [frame for frame in truth if frame["parent"] is None]
    assert 400 < len(tops) < 480
    templates = {frame["template"] for frame in truth}
    assert templates == {"High alarm", "Low alarm", "Production batch", "Batch phase", "Equipment downtime", "Maintenance order"}
    assert any(frame["end"] is None for frame in truth)
    assert {frame["severity"] for frame in truth} >= {"None", "Information", "Minor", "Major", "Critical"}
    for key in ("acknowledged_by", "annotations", "captured"):
        assert {bool(frame[key]) for frame in truth} == {True, False}, key
    names = [frame["name"] for frame in tops]
    assert len(set(names)) < len(names)


async def test_event_frames_open_close_and_are_acknowledged_as_time_goes_by(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(journaled=True, event_frames_per_minute=5.0, history_seconds=0, rate_per_second=1.0)
    for _ in range(180):
        sim.advance(60)
    lines = told(sim)
    counts = {
        action: sum(line["action"] == action for line in lines) for action in ("create", "close", "acknowledge", "capture", "severity")
    }
    assert all(counts.values()), counts
    state: dict[str, Any] = {}
    for line in lines:
        assert (line["action"] == "create") == (line["ef"] not in state)
        if line["action"] == "close":
            assert state[line["ef"]]["end"] is None
            assert line["end"] >= line["start"]
        state[line["ef"]] = line
    truth = {frame["ef"]: frame for frame in await sim.control("/event-frames")}
    assert {ef: {key: line[key] for key in truth[ef]} for ef, line in state.items()} == truth
    late = [line for line in lines if line["action"] == "create" and line["at"] - line["start"] > 10 * MINUTE]
    assert len(late) > 20


async def test_a_life_is_the_same_whether_it_was_watched_or_computed_at_the_start(start_simulator: StartSimulator) -> None:
    watched = await start_simulator(event_frames_per_minute=3.0, history_seconds=3600, rate_per_second=1.0)
    for _ in range(60):
        watched.advance(60)
    settings = dataclasses.replace(watched.running.settings, history_seconds=7200)
    computed = await server.start(settings, Hand(watched.clock.ticks))
    try:
        other = {str(own): facts_of(frame) for own, frame in computed.framework.frames.by_id.items()}
    finally:
        await computed.stop()
    truth: Any = await watched.control("/event-frames")
    assert {frame["ef"]: frame for frame in truth} == other
    assert len(other) > 300


async def test_the_shown_frame_agrees_with_the_truth_of_the_control_port(sim: Sim) -> None:
    truth = {frame["ef"]: frame for frame in await sim.control("/event-frames")}
    shown = await frames(sim, "?searchFullHierarchy=true&startTime=*-1d&maxCount=50")
    assert {frame["Id"] for frame in shown} == truth.keys()
    for frame in shown:
        facts = truth[frame["Id"]]
        assert frame["Severity"] == facts["severity"]
        assert (frame["EndTime"] == YEAR_9999) == (facts["end"] is None)
        assert frame["IsAcknowledged"] == (facts["acknowledged_by"] is not None)
        assert frame["AreValuesCaptured"] == facts["captured"]


async def test_beyond_a_bound_the_oldest_closed_frame_is_forgotten_with_its_children(quiet: Sim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.event_frames.MOST_FRAMES", 4)
    open_one = await new_frame(quiet, name="open")
    batch = await new_frame(quiet, name="B", template="Production batch", start="*-1h", end="*")
    await new_frame(quiet, name="phase", template="Batch phase", parent=batch["ef"])
    for number in range(2):
        await new_frame(quiet, name=f"n{number}", end="*")
    kept = [frame["name"] for frame in await quiet.control("/event-frames")]
    assert kept == ["open", "n0", "n1"]
    assert [line["name"] for line in told(quiet) if line["action"] == "forget"] == ["B", "phase"]
    assert open_one["end"] is None


def test_the_end_of_time_is_one_tick_before_the_year_10000() -> None:
    assert OPEN % TICKS_PER_SECOND == TICKS_PER_SECOND - 1
