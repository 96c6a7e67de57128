"""Attributes: what they are, their values, and as streams (pi-web-api.md 2, 5)."""

from functools import partial
from typing import Any

from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.asset_finder import AssetFinder, Owned, Placed
from simulator.asset_routes import AssetRoutes, required
from simulator.asset_templates import UNIT_NAMES, is_a
from simulator.assets import Attribute, Element
from simulator.catalogue import Catalogue, decode, letter_of, wildcard
from simulator.enumeration_sets import EnumerationSets
from simulator.fields import value_json
from simulator.listing import in_order, page, several
from simulator.queries import Filter, Test, Tests, matching, text_test
from simulator.sources import Source
from simulator.streams import StreamAnswers

_HISTORY_LINKS = ("InterpolatedData", "RecordedData", "PlotData", "SummaryData", "EndValue")
_HISTORY_PATHS = ("interpolated", "recorded", "plot", "summary", "end")


class AttributeRoutes:
    """Also finds attributes for whoever asks for a stream."""

    def __init__(
        self, finder: AssetFinder, design: AssetRoutes, catalogue: Catalogue, answers: StreamAnswers, sets: EnumerationSets
    ) -> None:
        self._finder = finder
        self._design = design
        self._catalogue = catalogue
        self._answers = answers
        self._sets = sets

    def add_routes(self, routes: Routes) -> None:
        routes.get("attributes", self.attribute_by_path)
        routes.get("attributes/search", self.search)
        routes.get("attributes/multiple", self.multiple)
        routes.get("attributes/{}", self.attribute)
        routes.get("attributes/{}/value", self.value)
        for owner in ("attributes", "elements", "eventframes"):
            routes.get(owner + "/{}/attributes", self.attributes)
        routes.get("assetdatabases/{}/elementattributes", self.of_database)

    # One

    def attribute_by_path(self, request: Request) -> Answer:
        return reply(request, self.describe(request, self._finder.attribute_at(required(request, "path"))))

    def attribute(self, request: Request, web_id: str) -> Answer:
        return reply(request, self.describe(request, self._finder.attribute(web_id)))

    def multiple(self, request: Request) -> Answer:
        finders = {"webId": self._finder.attribute, "path": self._finder.attribute_at}
        return several(request, finders, lambda owned: self.describe(request, owned))

    def value(self, request: Request, web_id: str) -> Answer:
        """The value of any attribute; of a static one this is the only way to it."""
        source = self.source(web_id)
        return Answer(200, value_json(self._answers.value(request, source), request.fields, source.units))

    # As streams

    def source(self, web_id: str) -> Source:
        """The attribute as a stream. It speaks of itself by its primary path, however it was reached."""
        return self._source_of(self._finder.attribute(web_id))

    def source_set(self, request: Request, web_id: str) -> list[Source]:
        """The attributes of an element, of an event frame, or the children of an attribute (pi-web-api.md 2.1)."""
        return [self._source_of(owned) for owned in self._chosen(request, web_id)]

    def _source_of(self, owned: Owned) -> Source:
        attribute, frame = owned.attribute, owned.frame
        path = self._finder.placed(self._finder.assets.by_id[attribute.owner]).path if frame is None else owned.owner_path
        primary = owned._replace(owner_path=path)
        captured = None if frame is None else self._finder.frames.captured(frame).get(attribute.name)
        return Source(
            attribute.id,
            attribute.name,
            primary.path,
            "attributes",
            partial(self._finder.attribute_web_id, primary),
            attribute.readings,
            None if attribute.stream is None else attribute.stream.point.point_id,
            attribute.units,
            captured or attribute.fixed,
            None if frame is None else (frame.start, frame.end),
        )

    # Lists

    def attributes(self, request: Request, web_id: str) -> Answer:
        return self._list(request, self._chosen(request, web_id))

    def _chosen(self, request: Request, web_id: str) -> list[Owned]:
        """The attributes of what a WebID names that the request's filters let through, nested ones only with searchFullHierarchy."""
        marker = decode(web_id).marker
        kind = {"elements": "Em", "eventframes": "Fm", "attributes": marker}.get(request.segments[0], marker)
        of: Attribute | None = None
        if kind == "Em":
            found = self._finder.attributes_of_element(self._finder.element(web_id))
        elif kind == "Fm":
            found = self._finder.attributes_of_frame(self._finder.frame(web_id))
        else:
            owned = self._finder.attribute(web_id)
            of = owned.attribute
            found = [owned._replace(attribute=child) for child in of.children]
        deep = request.query.boolean("searchFullHierarchy", False)
        return filtered(request, [owned for owned in found if deep or owned.attribute.parent is of], "")

    def of_database(self, request: Request, web_id: str) -> Answer:
        """Attributes of all elements of a database: of those at its top alone, unless the full hierarchy is asked for."""
        self._finder.check_database(web_id)
        request.refuse_unmodelled("elementType", "attributeType", "elementDescriptionFilter", "attributeDescriptionFilter")
        assets, query = self._finder.assets, request.query
        name, category, template = wildcard(query.one("elementNameFilter")), query.one("elementCategory"), query.one("elementTemplate")
        deep = query.boolean("searchFullHierarchy", False)
        below = assets.descendants(None, assets.path) if deep else assets.children(None, assets.path)
        found: list[Owned] = []
        for element, path in below:
            if (
                (name is None or name.match(element.name))
                and (not category or category.lower() in [own.lower() for own in element.categories])
                and (not template or is_a(element.template, template))
            ):
                owned = self._finder.attributes_of_element(Placed(element, path))
                found += [one for one in owned if deep or one.attribute.parent is None]
        return self._list(request, filtered(request, found, "attribute"))

    def search(self, request: Request) -> Answer:
        """By AFSearch text: conditions on the attribute, and those on its element in `Element:{...}`."""
        self._finder.check_database(required(request, "databaseWebId"))
        assets = self._finder.assets
        everything = [
            owned
            for element, path in assets.descendants(None, assets.path)
            for owned in self._finder.attributes_of_element(Placed(element, path))
            if not owned.attribute.excluded and not owned.attribute.hidden
        ]
        tests: Tests[Owned] = {
            "Name": text_test(lambda owned: [owned.attribute.name]),
            "Description": text_test(lambda owned: [owned.attribute.description]),
            "Category": text_test(lambda owned: [owned.attribute.category]),
            "CategoryName": text_test(lambda owned: [owned.attribute.category]),
            "PlugInName": text_test(lambda owned: [owned.attribute.plug_in]),
            "Element": self._element_test,
        }
        return self._list(request, matching(everything, request.query.one("query") or "", tests))

    def _element_test(self, condition: Filter) -> Test[Owned]:
        by_id = self._finder.assets.by_id
        tests: Tests[Element] = {
            "Name": text_test(lambda element: [element.name]),
            "Template": lambda inner: lambda element: is_a(element.template, inner.value),
            "CategoryName": text_test(lambda element: element.categories),
        }
        if condition.operator != "=":
            raise Refusal(400, f"The search filter 'Element' does not support the operator '{condition.operator}'.")
        wanted = {element.id for element in matching(list(by_id.values()), condition.value, tests)}
        return lambda owned: owned.attribute.owner in wanted

    def _list(self, request: Request, found: list[Owned]) -> Answer:
        ordered = in_order(request, found, {"Name": lambda owned: (owned.attribute.name.lower(), owned.path.lower())})
        return page(request, ordered, lambda owned: self.describe(request, owned))

    # Describing

    def describe(self, request: Request, owned: Owned) -> dict[str, Any]:
        attribute = owned.attribute
        point = attribute.readings.point if attribute.readings is not None else None
        web_id = self._finder.attribute_web_id(owned, letter_of(request.query))
        described: dict[str, Any] = {
            "WebId": web_id,
            "Id": str(attribute.id),
            "Name": attribute.name,
            "Description": attribute.description,
            "Path": owned.path,
        }
        if request.query.choice("associations", "", ("Paths",)):
            described["Paths"] = self._paths_of(owned)
        return described | {
            "Type": attribute.type,
            "TypeQualifier": attribute.qualifier,
            "DefaultUnitsName": UNIT_NAMES.get(attribute.units, attribute.units),
            "DefaultUnitsNameAbbreviation": attribute.units,
            "DataReferencePlugIn": attribute.plug_in,
            "ConfigString": attribute.config,
            "IsConfigurationItem": attribute.design is not None and attribute.design.configuration,
            "IsExcluded": attribute.excluded,
            "IsHidden": attribute.hidden,
            "IsManualDataEntry": False,
            "HasChildren": bool(attribute.children),
            "CategoryNames": [attribute.category] if attribute.category else [],
            "Step": point is not None and point.step,
            "TraitName": attribute.trait,
            "DisplayDigits": -5 if point is None else point.digits,
            "Span": 100.0 if point is None else point.span,
            "Zero": 0.0 if point is None else point.zero,
            "Links": self._links(request, owned, web_id),
        }

    def _paths_of(self, owned: Owned) -> list[str]:
        if owned.frame is not None:
            return [owned.path]
        assets = self._finder.assets
        return [f"{path}|{owned.attribute.full_name}" for path in assets.paths_of(assets.by_id[owned.attribute.owner])]

    def _links(self, request: Request, owned: Owned, web_id: str) -> dict[str, str]:
        attribute, base, letter = owned.attribute, request.base, letter_of(request.query)
        url, stream = f"{base}/attributes/{web_id}", f"{base}/streams/{web_id}"
        links = {"Self": url, "Attributes": url + "/attributes"}
        if owned.frame is not None:
            links["EventFrame"] = f"{base}/eventframes/{self._finder.frame_web_id(owned.frame, letter)}"
        else:
            placed = Placed(self._finder.assets.by_id[attribute.owner], owned.owner_path)
            links["Element"] = f"{base}/elements/{self._finder.element_web_id(placed, letter)}"
        if attribute.parent is not None:
            links["Parent"] = f"{base}/attributes/{self._finder.attribute_web_id(owned._replace(attribute=attribute.parent), letter)}"
        if attribute.template is not None and attribute.design is not None:
            links["Template"] = self._design.attribute_template_url(request, attribute.template, attribute.design)
        if attribute.qualifier:
            links["EnumerationSet"] = self._sets.url_of_name(request, attribute.qualifier)
        if attribute.stream is not None:
            links["Point"] = f"{base}/points/{self._catalogue.web_id(attribute.stream.point, letter)}"
        links["Value"] = url + "/value"
        if attribute.readings is not None:
            links |= {"Value": stream + "/value"}
            links |= {name: f"{stream}/{path}" for name, path in zip(_HISTORY_LINKS, _HISTORY_PATHS, strict=True)}
        return links


def filtered(request: Request, found: list[Owned], prefix: str) -> list[Owned]:
    """Those that a request's filters let through; excluded and hidden ones only when asked for (pi-web-api.md 5).

    `prefix` is what the database-wide search puts before the names of its filters.
    """
    query = request.query
    request.refuse_unmodelled("traitCategory")
    excluded, hidden = query.boolean("showExcluded", False), query.boolean("showHidden", False)
    name = wildcard(query.one(f"{prefix}NameFilter"))
    category, template = query.one("attributeCategory" if prefix else "categoryName"), query.one("templateName")
    value_type, traits = query.one("valueType"), [trait.lower() for trait in query.all("trait")]
    return [
        owned
        for owned in found
        for attribute in (owned.attribute,)
        if (excluded or not attribute.excluded)
        and (hidden or not attribute.hidden)
        and (name is None or name.match(attribute.name))
        and (not category or category.lower() == attribute.category.lower())
        and (not template or (attribute.template is not None and attribute.template.name.lower() == template.lower()))
        and (not value_type or value_type.lower() == attribute.type.lower())
        and (not traits or attribute.trait.lower() in traits)
    ]
