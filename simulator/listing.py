"""Lists: cut into pages by Links.Next, and several objects at once, each answered for itself (pi-web-api.md 1.3)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from simulator.api import Answer, Refusal, Request, reply

_T = TypeVar("_T")


def page(request: Request, found: Sequence[_T], describe: Callable[[_T], Any]) -> Answer:
    """The page of `found` that `startIndex` and `maxCount` ask for. Only what is on it is described."""
    first = request.query.integer("startIndex", 0, most=2_147_483_647)
    size = request.query.integer("maxCount", 1000, least=1)
    items = [describe(item) for item in found[first : first + size]]
    return reply(request, {"Links": _page_links(request, first, size, len(found)), "Items": items})


def _page_links(request: Request, first: int, size: int, total: int) -> dict[str, str]:
    """Links.Next is there exactly as long as there is more; there is no total anywhere (pi-web-api.md 1.3)."""
    url = "/".join([request.base, *(quote(segment, safe="") for segment in request.segments)])
    given = parse_qsl(request.query.text, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name.lower() not in ("startindex", "maxcount")]

    def link(start: int) -> str:
        return f"{url}?{urlencode([*kept, ('startIndex', str(start)), ('maxCount', str(size))], quote_via=quote)}"

    links = {"First": link(0)}
    if first > 0:
        links["Previous"] = link(max(0, first - size))
    if first + size < total:
        links["Next"] = link(first + size)
    links["Last"] = link(max(0, (total - 1) // size * size))
    return links


def the_server(request: Request, kind: str, own_name: str, describe: Callable[[], Any]) -> Answer:
    """The list of servers, of which there is one; or that one by `name` or `path` (pi-web-api.md 1.2). Raises Refusal for another."""
    name, path = request.query.one("name"), request.query.one("path")
    if name is not None and path is not None:
        raise Refusal(400, "Only one of the parameters 'name' and 'path' may be specified.")
    if name is None and path is None:
        return reply(request, {"Links": {}, "Items": [describe()]})
    if path is not None:
        if not path.startswith("\\\\") or "\\" in path[2:]:
            raise Refusal(400, f"The path '{path}' is not a valid {kind} path.")
        name = path[2:]
    if name is None or name.upper() != own_name.upper():
        raise Refusal(404, f"The {kind} '{(name or '')[:300]}' was not found.")
    return reply(request, describe())


def in_order(request: Request, found: Iterable[_T], fields: dict[str, Callable[[_T], Any]], default: str | None = "Name") -> list[_T]:
    """`found` sorted by `sortField`, one of `fields`, and `sortOrder`; as it is if neither the request nor `default` names a field."""
    query = request.query
    field = query.choice("sortField", default or "", tuple(fields))
    descending = query.choice("sortOrder", "Ascending", ("Ascending", "Descending")) == "Descending"
    return sorted(found, key=fields[field], reverse=descending) if field else list(found)


def several(request: Request, finders: dict[str, Callable[[str], _T]], describe: Callable[[_T], Any]) -> Answer:
    """What `multiple` answers: objects by `webId` and `path`, whose finders are under these names; 207 if any failed."""
    request.refuse_unmodelled("includeMode")
    request.query.boolean("asParallel", False)
    wanted = [(text, name) for name in finders for text in request.query.all(name)]
    if not wanted:
        raise Refusal(400, "One of the parameters 'webId' and 'path' is required.")
    items, failed = [], False
    for text, name in wanted:
        item: dict[str, Any] = {"Identifier": text, "IdentifierType": name[0].upper() + name[1:]}
        try:
            item["Object"] = describe(finders[name](text))
        except Refusal as refusal:
            item["Exception"] = {"Errors": [str(refusal)]}
            failed = True
        items.append(item)
    answer = reply(request, {"Items": items})
    answer.status = 207 if failed else 200
    return answer
