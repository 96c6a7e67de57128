"""The Asset Framework of a simulator as the tests walk it."""

from typing import Any

from tests.simulator.world import CSRF, Sim, url_path

DATABASE = "\\\\PISIM-AF\\Chemical Works"


async def follow(sim: Sim, url: str, query: str = "") -> Any:
    """What a link leads to."""
    assert url.startswith(sim.url), url
    return await sim.get(url.removeprefix(sim.url) + query)


async def database(sim: Sim) -> Any:
    return await sim.get(f"/assetdatabases?path={url_path(DATABASE)}")


async def every(sim: Sim, url: str) -> list[Any]:
    """The items of all pages."""
    items: list[Any] = []
    more: str | None = url
    while more:
        page = await follow(sim, more)
        items += page["Items"]
        more = page["Links"].get("Next")
    return items


async def elements(sim: Sim, query: str = "") -> list[Any]:
    """All elements of the database."""
    return await every(sim, (await database(sim))["Links"]["Elements"] + "?searchFullHierarchy=true" + query)


async def equipment(sim: Sim, number: int = 0) -> Any:
    """The nth piece of equipment by name."""
    return (await elements(sim, "&templateName=Equipment"))[number]


async def attributes(sim: Sim, element: Any, query: str = "") -> dict[str, Any]:
    """By the part of their path behind the element's."""
    items = (await follow(sim, element["Links"]["Attributes"], query))["Items"]
    return {item["Path"].partition("|")[2]: item for item in items}


async def measured(sim: Sim, element: Any, type_: str = "Single") -> Any:
    """The first attribute of an element that shows a point of that type, which is alive."""
    live = {f"\\\\PISIM\\{stream.point.name}" for stream in sim.running.store.streams if stream.live}
    for item in (await attributes(sim, element)).values():
        if item["DataReferencePlugIn"] == "PI Point" and item["Type"] == type_ and item["ConfigString"] in live:
            return item
    raise AssertionError(f"{element['Name']} has no live attribute of type {type_}")


async def frames(sim: Sim, query: str = "") -> list[Any]:
    """What a search of the database for event frames finds."""
    return await every(sim, (await database(sim))["Links"]["EventFrames"] + query)


async def new_frame(sim: Sim, name: str = "By hand", template: str = "Process alarm", **more: Any) -> Any:
    """The event frame as the control port tells it after creating it."""
    return await sim.control("/event-frames", {"name": name, "template": template, **more})


async def change(sim: Sim, frame: Any, **what: Any) -> Any:
    return await sim.control("/event-frames/change", {"ef": frame["ef"], **what})


async def read_frame(sim: Sim, frame: Any) -> Any:
    """The event frame as PI Web API shows it."""
    found = (await sim.get(f"/eventframes/search?databaseWebId={(await database(sim))['WebId']}&query=ID:={frame['ef']}"))["Items"]
    assert len(found) == 1
    return found[0]


async def write(sim: Sim, method: str, url: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    async with sim.session.request(method, url, headers=CSRF if headers is None else headers) as answer:
        return answer.status, await answer.text()
