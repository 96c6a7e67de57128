from typing import Any

import pytest

from tests.simulator.works import change, database, equipment, frames, new_frame
from tests.simulator.world import Sim, StartSimulator, url_path

# Name, start and end in minutes from now; None is open.
PLANT = (
    ("before", -600, -500),
    ("into", -540, -400),
    ("inside", -300, -200),
    ("through", -700, -10),
    ("lasting", -100, None),
    ("ahead", 20, 30),
)


@pytest.fixture
async def six(start_simulator: StartSimulator) -> Sim:
    """Six event frames, around the default window of eight hours."""
    sim = await start_simulator(event_frames_per_minute=0)
    for name, start, end in PLANT:
        more = {} if end is None else {"end": f"*{end:+}m"}
        await new_frame(sim, name=name, start=f"*{start:+}m", **more)
    return sim


async def names(sim: Sim, query: str) -> list[str]:
    return [frame["Name"] for frame in await frames(sim, query)]


async def test_trap_42_the_default_window_is_eight_hours_and_not_a_day(six: Sim) -> None:
    assert await names(six, "") == ["inside", "into", "lasting", "through"]
    assert await names(six, "?startTime=*-1d") == ["before", "inside", "into", "lasting", "through"]
    assert await names(six, "?startTime=*-1d&endTime=*%2B1h") == ["ahead", "before", "inside", "into", "lasting", "through"]


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("Overlapped", ["inside", "into", "lasting", "through"]),
        ("overlapped", ["inside", "into", "lasting", "through"]),
        ("StartInclusive", ["inside", "lasting"]),
        ("EndInclusive", ["inside", "into", "through"]),
        ("Inclusive", ["inside"]),
        ("InProgress", ["lasting"]),
    ],
)
async def test_section_6_1_a_mode_says_which_times_must_lie_in_the_window(six: Sim, mode: str, found: list[str]) -> None:
    assert await names(six, f"?searchMode={mode}") == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("BackwardFromStartTime&startTime=*-5h", ["inside", "into", "before", "through"]),
        ("ForwardFromStartTime&startTime=*-5h", ["inside", "lasting", "ahead"]),
        ("BackwardFromEndTime&startTime=*-200m", ["inside", "into", "before"]),
        ("ForwardFromEndTime&startTime=*-200m", ["inside", "through", "ahead", "lasting"]),
        ("BackwardInProgress&startTime=*", ["lasting"]),
        ("ForwardInProgress&startTime=*", []),
        ("ForwardFromStartTime", ["inside", "lasting", "ahead"]),
    ],
)
async def test_section_6_1_backward_and_forward_go_one_way_from_one_time(six: Sim, query: str, found: list[str]) -> None:
    assert await names(six, f"?searchMode={query}") == found


@pytest.mark.parametrize("mode", ["BackwardFromStartTime", "ForwardFromStartTime", "BackwardFromEndTime", "ForwardFromEndTime"])
@pytest.mark.parametrize("parameter", ["endTime=*", "sortField=Name", "sortOrder=Ascending", "endTime="])
async def test_trap_42_end_and_order_are_refused_with_backward_and_forward(six: Sim, mode: str, parameter: str) -> None:
    await six.refused(f"/assetdatabases/{(await database(six))['WebId']}/eventframes?searchMode={mode}&{parameter}", 400)


@pytest.mark.parametrize(
    "query",
    [
        "searchMode=Exact",
        "searchMode=None",
        "startTime=*&endTime=*-1h",
        "startTime=soon",
        "severity=Terrible",
        "isAcknowledged=perhaps",
        "sortField=Severity",
        "maxCount=0",
    ],
)
async def test_section_6_1_a_search_that_cannot_be_is_400(six: Sim, query: str) -> None:
    await six.refused(f"/assetdatabases/{(await database(six))['WebId']}/eventframes?{query}", 400)


async def test_section_6_1_the_ends_of_the_window_belong_to_it(six: Sim) -> None:
    assert "inside" in await names(six, "?startTime=*-200m")
    assert "inside" not in await names(six, "?startTime=*-199m")
    assert "inside" in await names(six, "?startTime=*-1d&endTime=*-300m")
    assert "inside" not in await names(six, "?startTime=*-1d&endTime=*-301m")
    assert await names(six, "?searchMode=Inclusive&startTime=*-300m&endTime=*-200m") == ["inside"]


async def test_section_6_1_the_order_is_that_of_names_unless_another_is_asked_for(six: Sim) -> None:
    assert await names(six, "?sortOrder=Descending") == ["through", "lasting", "into", "inside"]
    assert await names(six, "?sortField=StartTime") == ["through", "into", "inside", "lasting"]
    assert await names(six, "?sortField=EndTime&sortOrder=Descending") == ["lasting", "through", "inside", "into"]


@pytest.mark.parametrize("mode", ["Overlapped&startTime=*-1d&endTime=*%2B1d", "BackwardFromStartTime&startTime=*%2B1d"])
async def test_section_6_1_pages_follow_links_next_and_keep_every_parameter(six: Sim, mode: str) -> None:
    whole = await names(six, f"?searchMode={mode}")
    assert len(whole) == 6
    assert await names(six, f"?searchMode={mode}&maxCount=1") == whole
    assert await names(six, f"?searchMode={mode}&maxCount=4") == whole


async def test_section_6_1_filters_choose_event_frames(start_simulator: StartSimulator) -> None:
    sim = await start_simulator(event_frames_per_minute=0)
    first, second = await equipment(sim), await equipment(sim, 1)
    high = await new_frame(sim, name="H", template="High alarm", elements=[first["Path"]])
    low = await new_frame(sim, name="L", template="Low alarm", elements=[second["Path"], first["Path"]])
    await new_frame(sim, name="B", template="Production batch", elements=[second["Path"]])
    await change(sim, low, acknowledge="PLANT\\x")
    await change(sim, high, severity="Critical")
    for query, found in {
        "templateName=process alarm": ["H", "L"],
        "templateName=Event": ["B", "H", "L"],
        "nameFilter=?": ["B", "H", "L"],
        "nameFilter=h*": ["H"],
        f"referencedElementNameFilter={first['Name']}": ["H", "L"],
        "referencedElementTemplateName=Equipment": ["B", "H", "L"],
        "severity=Critical&severity=none": ["B", "H"],
        "canBeAcknowledged=true&isAcknowledged=false": ["H"],
        "isAcknowledged=true": ["L"],
        "canBeAcknowledged=false": ["B"],
        "categoryName=Nothing": [],
    }.items():
        assert await names(sim, "?" + query.replace(" ", "%20")) == found, query


async def test_section_6_1_a_search_by_text_looks_at_all_times_and_depths(six: Sim) -> None:
    child: Any = await new_frame(six, name="child", template="Batch phase", parent=(await six.control("/event-frames"))[0]["ef"])
    path = f"/eventframes/search?databaseWebId={(await database(six))['WebId']}&query="
    for query, found in {
        "": ["ahead", "before", "child", "inside", "into", "lasting", "through"],
        "Name:=in*": ["inside", "into"],
        "InProgress:=True": ["child", "lasting"],
        "InProgress:=False Start:>=*-6h": ["ahead", "inside"],
        "Start:>*-10h End:<*-3h": ["inside", "into"],
        "Template:=Event": ["ahead", "before", "child", "inside", "into", "lasting", "through"],
        "TemplateName:='Batch phase'": ["child"],
        f"ID:={child['ef']}": ["child"],
        "Severity:=Warning IsAcknowledged:=False IsAnnotated:=False CanBeAcknowledged:=True": [
            *("ahead", "before", "inside", "into", "lasting", "through"),
        ],
    }.items():
        assert [frame["Name"] for frame in (await six.get(path + url_path(query)))["Items"]] == found, query
    for query in ("Duration:>1h", "InProgress:=maybe", "Start:>=soon", "Start:<>*", "InProgress:>True", "'Measurement':>5"):
        await six.refused(path + url_path(query), 400)
