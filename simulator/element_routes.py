"""Elements: one, several, those below another or below the database, and found by search (pi-web-api.md 5)."""

from typing import Any

from simulator.api import Answer, Request, Routes, reply
from simulator.asset_finder import AssetFinder, Placed
from simulator.asset_routes import AssetRoutes, required
from simulator.asset_templates import is_a
from simulator.catalogue import letter_of, wildcard
from simulator.listing import in_order, page, several
from simulator.queries import matching, text_test

_DATA_LINKS = ("InterpolatedData", "RecordedData", "PlotData", "SummaryData", "Value", "EndValue")
_DATA_PATHS = ("interpolated", "recorded", "plot", "summary", "value", "end")


class ElementRoutes:
    def __init__(self, finder: AssetFinder, design: AssetRoutes) -> None:
        self._finder = finder
        self._assets = finder.assets
        self._design = design

    def add_routes(self, routes: Routes) -> None:
        routes.get("elements", self.element_by_path)
        # Before "elements/{}", which would take these words for WebIDs.
        routes.get("elements/search", self.search)
        routes.get("elements/multiple", self.multiple)
        routes.get("elements/{}", self.element)
        routes.get("elements/{}/elements", self.children)
        routes.get("elements/{}/categories", self.categories)
        routes.get("assetdatabases/{}/elements", self.tops)

    def element_by_path(self, request: Request) -> Answer:
        return reply(request, self.describe(request, self._finder.element_at(required(request, "path"))))

    def element(self, request: Request, web_id: str) -> Answer:
        return reply(request, self.describe(request, self._finder.element(web_id)))

    def multiple(self, request: Request) -> Answer:
        finders = {"webId": self._finder.element, "path": self._finder.element_at}
        return several(request, finders, lambda placed: self.describe(request, placed))

    def categories(self, request: Request, web_id: str) -> Answer:
        names = self._finder.element(web_id).element.categories
        return reply(
            request, {"Links": {}, "Items": [self._design.describe_category(request, "elementcategories", name) for name in names]}
        )

    def tops(self, request: Request, web_id: str) -> Answer:
        self._finder.check_database(web_id)
        return self._below(request, None)

    def children(self, request: Request, web_id: str) -> Answer:
        return self._below(request, self._finder.element(web_id))

    def _below(self, request: Request, parent: Placed | None) -> Answer:
        deep = request.query.boolean("searchFullHierarchy", False)
        of, path = (None, self._assets.path) if parent is None else parent
        below = self._assets.descendants(of, path) if deep else self._assets.children(of, path)
        return self._list(request, filtered(request, [Placed(element, at) for element, at in below]))

    def search(self, request: Request) -> Answer:
        """By AFSearch text, which looks at all descendants unless it says otherwise."""
        self._finder.check_database(required(request, "databaseWebId"))
        everything = [Placed(element, at) for element, at in self._assets.descendants(None, self._assets.path)]
        found = matching(
            everything,
            request.query.one("query") or "",
            {
                "Name": text_test(lambda placed: [placed.element.name]),
                "Description": text_test(lambda placed: [placed.element.description]),
                "Template": lambda condition: lambda placed: is_a(placed.element.template, condition.value),
                "TemplateName": text_test(lambda placed: [placed.element.template]),
                "Category": text_test(lambda placed: placed.element.categories),
                "CategoryName": text_test(lambda placed: placed.element.categories),
                "ID": text_test(lambda placed: [str(placed.element.id)]),
            },
        )
        return self._list(request, found)

    def _list(self, request: Request, found: list[Placed]) -> Answer:
        ordered = in_order(
            request, found, {"Name": lambda placed: placed.element.name.lower(), "ID": lambda placed: str(placed.element.id)}
        )
        return page(request, ordered, lambda placed: self.describe(request, placed))

    def describe(self, request: Request, placed: Placed) -> dict[str, Any]:
        element, letter, base = placed.element, letter_of(request.query), request.base
        web_id = self._finder.element_web_id(placed, letter)
        described: dict[str, Any] = {
            "WebId": web_id,
            "Id": str(element.id),
            "Name": element.name,
            "Description": element.description,
            "Path": placed.path,
        }
        if request.query.choice("associations", "", ("Paths",)):
            described["Paths"] = self._assets.paths_of(element)
        url, data = f"{base}/elements/{web_id}", f"{base}/streamsets/{web_id}"
        links = {"Self": url} | {name: f"{url}/{name.lower()}" for name in ("Analyses", "Attributes", "Elements")}
        links["Database"] = self._design.database_url(request)
        parent = placed.path.rpartition("\\")[0]
        if parent != self._assets.path:
            links["Parent"] = f"{base}/elements/{self._finder.element_web_id(self._finder.element_at(parent), letter)}"
        if element.template:
            links["Template"] = self._design.template_url(request, element.template)
        links |= {
            name: f"{url}/{name.lower()}" for name in ("Categories", "EventFrames", "NotificationRules", "Security", "SecurityEntries")
        }
        links |= {name: f"{data}/{path}" for name, path in zip(_DATA_LINKS, _DATA_PATHS, strict=True)}
        return described | {
            "TemplateName": element.template,
            "HasChildren": bool(element.children),
            "CategoryNames": element.categories,
            "ExtendedProperties": {},
            "Links": links,
        }


def filtered(request: Request, found: list[Placed]) -> list[Placed]:
    """Those that nameFilter, descriptionFilter, categoryName and templateName, with what is derived from it, let through."""
    request.refuse_unmodelled("elementType")
    query = request.query
    name, description = wildcard(query.one("nameFilter")), wildcard(query.one("descriptionFilter"))
    category, template = query.one("categoryName"), query.one("templateName")
    return [
        placed
        for placed in found
        if (name is None or name.match(placed.element.name))
        and (description is None or description.match(placed.element.description))
        and (not category or category.lower() in [own.lower() for own in placed.element.categories])
        and (not template or is_a(placed.element.template, template))
    ]
