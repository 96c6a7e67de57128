"""Asset servers and databases, and what a database is designed of: templates and categories (pi-web-api.md 5)."""

from typing import Any
from uuid import UUID

from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.asset_finder import AssetFinder, not_found
from simulator.asset_templates import (
    ATTRIBUTE_CATEGORIES,
    BY_NAME,
    ELEMENT_CATEGORIES,
    TEMPLATES,
    UNIT_NAMES,
    AttributeDesign,
    Template,
    chain,
)
from simulator.assets import DATABASE
from simulator.catalogue import letter_of, wildcard
from simulator.listing import in_order, page, the_server
from simulator.pitime import format_ticks

_DATABASE_LINKS = (
    *("Elements", "ElementTemplates", "EventFrames", "EnumerationSets", "ElementCategories", "AttributeCategories"),
    *("AnalysisTemplates", "Tables", "TableCategories", "AnalysisCategories", "Security", "SecurityEntries"),
)
# A category's kind: its marker, its word in paths, its collection, its names.
_CATEGORIES = {
    "elementcategories": ("EC", "CategoriesElement", ELEMENT_CATEGORIES),
    "attributecategories": ("AC", "CategoriesAttribute", ATTRIBUTE_CATEGORIES),
}


class AssetRoutes:
    def __init__(self, finder: AssetFinder) -> None:
        self._finder = finder
        self._assets = finder.assets

    def add_routes(self, routes: Routes) -> None:
        routes.get("assetservers", self.servers)
        routes.get("assetservers/{}", self.server)
        routes.get("assetservers/{}/assetdatabases", self.databases)
        routes.get("assetdatabases", self.database_by_path)
        routes.get("assetdatabases/{}", self.database)
        routes.get("assetdatabases/{}/elementtemplates", self.templates)
        routes.get("elementtemplates", self.template_by_path)
        routes.get("elementtemplates/{}", self.template)
        routes.get("elementtemplates/{}/attributetemplates", self.attribute_templates)
        routes.get("attributetemplates/{}", self.attribute_template)
        for collection in _CATEGORIES:
            routes.get(f"assetdatabases/{{}}/{collection}", self.categories)
            routes.get(collection + "/{}", self.category)

    # Servers and databases

    def servers(self, request: Request) -> Answer:
        return the_server(request, "asset server", self._assets.server_name, lambda: self._server(request))

    def server(self, request: Request, web_id: str) -> Answer:
        self._finder.check_server(web_id)
        return reply(request, self._server(request))

    def _server(self, request: Request) -> dict[str, Any]:
        web_id = self._finder.server_web_id(letter_of(request.query))
        url = f"{request.base}/assetservers/{web_id}"
        return {
            "WebId": web_id,
            "Id": str(self._assets.server_id),
            "Name": self._assets.server_name,
            "Description": "",
            "Path": f"\\\\{self._assets.server_name}",
            "IsConnected": True,
            "ServerVersion": "2.10.9.593",
            "ServerTime": format_ticks(request.now),
            "ExtendedProperties": {},
            "Links": {"Self": url, "Databases": url + "/assetdatabases"},
        }

    def databases(self, request: Request, web_id: str) -> Answer:
        self._finder.check_server(web_id)
        return reply(request, {"Links": {}, "Items": [self._database(request)]})

    def database_by_path(self, request: Request) -> Answer:
        path = required(request, "path")
        server, _, name = path.removeprefix("\\\\").partition("\\")
        if not path.startswith("\\\\") or not server or not name:
            raise Refusal(400, f"The path '{path}' is not a valid asset database path.")
        if path.upper() != self._assets.path.upper():
            raise not_found("asset database", path)
        return reply(request, self._database(request))

    def database(self, request: Request, web_id: str) -> Answer:
        self._finder.check_database(web_id)
        return reply(request, self._database(request))

    def _database(self, request: Request) -> dict[str, Any]:
        letter = letter_of(request.query)
        web_id = self._finder.database_web_id(letter)
        url = f"{request.base}/assetdatabases/{web_id}"
        links = {"Self": url} | {name: f"{url}/{name.lower()}" for name in _DATABASE_LINKS}
        return {
            "WebId": web_id,
            "Id": str(self._assets.database_id),
            "Name": DATABASE,
            "Description": "",
            "Path": self._assets.path,
            "ExtendedProperties": {},
            "Links": links | {"AssetServer": f"{request.base}/assetservers/{self._finder.server_web_id(letter)}"},
        }

    # Templates: those of event frames are element templates too (pi-web-api.md 5)

    def templates(self, request: Request, web_id: str) -> Answer:
        self._finder.check_database(web_id)
        request.query.choice("field", "Name", ("Name",))
        wanted = wildcard(request.query.one("query"))
        found = [template for template in TEMPLATES if wanted is None or wanted.match(template.name)]
        ordered = in_order(request, found, {"Name": lambda template: template.name.lower()})
        return page(request, ordered, lambda template: self._template(request, template))

    def template_by_path(self, request: Request) -> Answer:
        path = required(request, "path")
        for template in TEMPLATES:
            if self._template_path(template).upper() == path.upper():
                return reply(request, self._template(request, template))
        raise not_found("element template", path)

    def template(self, request: Request, web_id: str) -> Answer:
        return reply(request, self._template(request, self._find_template(web_id)))

    def _find_template(self, web_id: str) -> Template:
        decoded = self._finder.of_kind(web_id, "ET", "element template")
        for template in TEMPLATES:
            path = self._template_path(template)[2:].upper()
            if decoded.guids[-1:] == (self._template_id(template),) or (not decoded.guids and decoded.path == path):
                return template
        raise not_found("element template", web_id)

    def _template_id(self, template: Template) -> UUID:
        return self._assets.guid("template", template.name)

    def _template_path(self, template: Template) -> str:
        return f"{self._assets.path}\\ElementTemplates[{template.name}]"

    def template_url(self, request: Request, name: str) -> str:
        template, letter = BY_NAME[name], letter_of(request.query)
        web_id = self._finder.web_id(letter, "ET", self._template_path(template), self._template_id(template))
        return f"{request.base}/elementtemplates/{web_id}"

    def _template(self, request: Request, template: Template) -> dict[str, Any]:
        url = self.template_url(request, template.name)
        links = {"Self": url, "AttributeTemplates": url + "/attributetemplates"}
        if template.base:
            links["BaseTemplate"] = self.template_url(request, template.base)
        return {
            "WebId": url.rpartition("/")[2],
            "Id": str(self._template_id(template)),
            "Name": template.name,
            "Description": template.description,
            "Path": self._template_path(template),
            "AllowElementToExtend": template.instance_type == "Element",
            "BaseTemplate": template.base,
            "InstanceType": template.instance_type,
            "NamingPattern": "",
            "CategoryNames": list(template.categories),
            "ExtendedProperties": {},
            "Severity": template.severity,
            "CanBeAcknowledged": template.can_be_acknowledged,
            "Links": links | {"Database": self.database_url(request)},
        }

    def attribute_templates(self, request: Request, web_id: str) -> Answer:
        template = self._find_template(web_id)
        inherited = request.query.boolean("showInherited", False)
        request.query.boolean("showDescendants", False)
        found = [(owner, design) for owner in (reversed(chain(template.name)) if inherited else (template,)) for design in owner.attributes]
        return page(request, found, lambda one: self._attribute_template(request, *one))

    def attribute_template(self, request: Request, web_id: str) -> Answer:
        decoded = self._finder.of_kind(web_id, "ATE", "attribute template")
        for template in TEMPLATES:
            for design in template.attributes:
                path = self._attribute_path(template, design)[2:].upper()
                if decoded.guids[-1:] == (self._attribute_id(template, design),) or (not decoded.guids and decoded.path == path):
                    return reply(request, self._attribute_template(request, template, design))
        raise not_found("attribute template", web_id)

    def _attribute_id(self, template: Template, design: AttributeDesign) -> UUID:
        return self._assets.guid("template", template.name, design.name)

    def _attribute_path(self, template: Template, design: AttributeDesign) -> str:
        return f"{self._template_path(template)}|{design.name}"

    def attribute_template_url(self, request: Request, template: Template, design: AttributeDesign) -> str:
        ids = self._template_id(template), self._attribute_id(template, design)
        web_id = self._finder.web_id(letter_of(request.query), "ATE", self._attribute_path(template, design), *ids)
        return f"{request.base}/attributetemplates/{web_id}"

    def _attribute_template(self, request: Request, template: Template, design: AttributeDesign) -> dict[str, Any]:
        url = self.attribute_template_url(request, template, design)
        return {
            "WebId": url.rpartition("/")[2],
            "Id": str(self._attribute_id(template, design)),
            "Name": design.name,
            "Description": "",
            "Path": self._attribute_path(template, design),
            "Type": design.type,
            "TypeQualifier": design.qualifier,
            "DefaultUnitsName": UNIT_NAMES.get(design.units, design.units),
            "DataReferencePlugIn": "" if design.value is not None else "PI Point",
            "ConfigString": "",
            "IsConfigurationItem": design.configuration,
            "IsExcluded": design.excluded,
            "IsHidden": design.hidden,
            "IsManualDataEntry": False,
            "HasChildren": False,
            "CategoryNames": [design.category],
            "TraitName": design.trait,
            "Links": {"Self": url, "ElementTemplate": self.template_url(request, template.name)},
        }

    def database_url(self, request: Request) -> str:
        return f"{request.base}/assetdatabases/{self._finder.database_web_id(letter_of(request.query))}"

    # Categories

    def categories(self, request: Request, web_id: str) -> Answer:
        self._finder.check_database(web_id)
        collection = request.segments[2]
        names = in_order(request, _CATEGORIES[collection][2], {"Name": str})
        return page(request, names, lambda name: self.describe_category(request, collection, name))

    def category(self, request: Request, web_id: str) -> Answer:
        collection = request.segments[0]
        marker, _, names = _CATEGORIES[collection]
        decoded = self._finder.of_kind(web_id, marker, "category")
        for name in names:
            described = self.describe_category(request, collection, name)
            by_path = not decoded.guids and decoded.path == described["Path"][2:].upper()
            if by_path or [str(guid) for guid in decoded.guids[-1:]] == [described["Id"]]:
                return reply(request, described)
        raise not_found("category", web_id)

    def describe_category(self, request: Request, collection: str, name: str) -> dict[str, Any]:
        marker, word, _ = _CATEGORIES[collection]
        own, path = self._assets.guid(word, name), f"{self._assets.path}\\{word}[{name}]"
        web_id = self._finder.web_id(letter_of(request.query), marker, path, own)
        links = {"Self": f"{request.base}/{collection}/{web_id}", "Database": self.database_url(request)}
        return {"WebId": web_id, "Id": str(own), "Name": name, "Description": "", "Path": path, "Links": links}


def required(request: Request, name: str) -> str:
    """The value of a parameter that must be there."""
    text = request.query.one(name)
    if text is None:
        raise Refusal(400, f"The parameter '{name}' is required.")
    return text
