"""Event frames: found, described, acknowledged, captured (pi-web-api.md 6)."""

from typing import Any

from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.asset_finder import AssetFinder, not_found
from simulator.asset_routes import AssetRoutes, required
from simulator.asset_templates import is_a
from simulator.catalogue import letter_of
from simulator.element_routes import ElementRoutes
from simulator.event_frame_search import SORT_FIELDS, search
from simulator.event_frames import Annotation, Frame
from simulator.listing import in_order, page, several
from simulator.pitime import format_ticks
from simulator.queries import compared, matching, text_test, yes_or_no

_RIGHTS = {
    "CanAnnotate": True,
    "CanDelete": False,
    "CanExecute": True,
    "CanRead": True,
    "CanReadData": True,
    "CanSubscribe": True,
    "CanSubscribeOthers": False,
    "CanWrite": True,
    "CanWriteData": True,
    "HasAdmin": False,
}
_NOBODY = "NT AUTHORITY\\ANONYMOUS LOGON"
_DATA_LINKS = ("InterpolatedData", "RecordedData", "PlotData", "SummaryData", "Value", "EndValue")
_DATA_PATHS = ("interpolated", "recorded", "plot", "summary", "value", "end")


class EventFrameRoutes:
    def __init__(self, finder: AssetFinder, design: AssetRoutes, elements: ElementRoutes) -> None:
        self._finder = finder
        self._frames = finder.frames
        self._design = design
        self._elements = elements

    def add_routes(self, routes: Routes) -> None:
        routes.get("eventframes", self.frame_by_path)
        routes.get("eventframes/search", self.query)
        routes.get("eventframes/multiple", self.multiple)
        routes.get("eventframes/{}", self.frame)
        routes.get("eventframes/{}/eventframes", self.children)
        routes.get("eventframes/{}/referencedelements", self.referenced_elements)
        routes.get("eventframes/{}/annotations", self.annotations)
        routes.get("eventframes/{}/annotations/{}", self.annotation)
        routes.patch("eventframes/{}/acknowledge", self.acknowledge)
        routes.post("eventframes/{}/attributes/capture", self.capture)
        routes.get("assetdatabases/{}/eventframes", self.of_database)
        routes.get("elements/{}/eventframes", self.of_element)

    # One

    def frame_by_path(self, request: Request) -> Answer:
        return reply(request, self.describe(request, self._finder.frame_at(required(request, "path"))))

    def frame(self, request: Request, web_id: str) -> Answer:
        return reply(request, self.describe(request, self._finder.frame(web_id)))

    def multiple(self, request: Request) -> Answer:
        finders = {"webId": self._finder.frame, "path": self._finder.frame_at}
        return several(request, finders, lambda frame: self.describe(request, frame))

    def referenced_elements(self, request: Request, web_id: str) -> Answer:
        placed = [self._finder.placed(element) for element in self._finder.frame(web_id).elements]
        return page(request, placed, lambda one: self._elements.describe(request, one))

    def annotations(self, request: Request, web_id: str) -> Answer:
        frame = self._finder.frame(web_id)
        return reply(request, {"Links": {}, "Items": [self._annotation(request, frame, one) for one in frame.annotations]})

    def annotation(self, request: Request, web_id: str, own: str) -> Answer:
        frame = self._finder.frame(web_id)
        for one in frame.annotations:
            if str(one.id) == own.lower():
                return reply(request, self._annotation(request, frame, one))
        raise not_found("annotation", own)

    # Writing: the little that operators do through PI Web API

    def acknowledge(self, request: Request, web_id: str) -> Answer:
        frame = self._finder.frame(web_id)
        if not frame.can_be_acknowledged:
            raise Refusal(400, f"The event frame '{frame.name}' cannot be acknowledged.")
        self._frames.acknowledge(frame, request.user or _NOBODY, request.now)
        return Answer(204, b"")

    def capture(self, request: Request, web_id: str) -> Answer:
        self._frames.capture(self._finder.frame(web_id), request.now)
        return Answer(204, b"")

    # Many

    def of_database(self, request: Request, web_id: str) -> Answer:
        self._finder.check_database(web_id)
        deep = request.query.boolean("searchFullHierarchy", False)
        return self._search(request, list(self._frames.by_id.values()) if deep else self._frames.top)

    def children(self, request: Request, web_id: str) -> Answer:
        found = list(self._finder.frame(web_id).children)
        if request.query.boolean("searchFullHierarchy", False):
            for frame in found:
                found += frame.children
        return self._search(request, found)

    def of_element(self, request: Request, web_id: str) -> Answer:
        element = self._finder.element(web_id).element
        deep = request.query.boolean("searchFullHierarchy", False)
        found = [frame for frame in self._frames.by_id.values() if element in frame.elements]
        return self._search(request, [frame for frame in found if deep or frame.parent is None])

    def _search(self, request: Request, found: list[Frame]) -> Answer:
        return page(request, search(request, found), lambda frame: self.describe(request, frame))

    def query(self, request: Request) -> Answer:
        """By AFSearch text, which looks at all times and all descendants unless it says otherwise."""
        self._finder.check_database(required(request, "databaseWebId"))
        found = matching(
            list(self._frames.by_id.values()),
            request.query.one("query") or "",
            {
                "Name": text_test(lambda frame: [frame.name]),
                "Template": lambda condition: lambda frame: is_a(frame.template, condition.value),
                "TemplateName": text_test(lambda frame: [frame.template]),
                "Category": text_test(lambda frame: frame.categories),
                "CategoryName": text_test(lambda frame: frame.categories),
                "ElementName": text_test(lambda frame: [element.name for element in frame.elements]),
                "Severity": text_test(lambda frame: [frame.severity]),
                "ID": text_test(lambda frame: [str(frame.id)]),
                "InProgress": yes_or_no(lambda frame: frame.is_open),
                "IsAcknowledged": yes_or_no(lambda frame: frame.is_acknowledged),
                "CanBeAcknowledged": yes_or_no(lambda frame: frame.can_be_acknowledged),
                "IsAnnotated": yes_or_no(lambda frame: bool(frame.annotations)),
                "Start": compared(request, lambda frame: frame.start),
                "End": compared(request, lambda frame: frame.end),
            },
        )
        return page(request, in_order(request, found, SORT_FIELDS), lambda frame: self.describe(request, frame))

    # Describing

    def describe(self, request: Request, frame: Frame) -> dict[str, Any]:
        letter = letter_of(request.query)
        web_id = self._finder.frame_web_id(frame, letter)
        elements = [self._finder.element_web_id(self._finder.placed(element), letter) for element in frame.elements]
        return {
            "WebId": web_id,
            "Id": str(frame.id),
            "Name": frame.name,
            "Description": "",
            "Path": self._finder.frame_path(frame),
            "TemplateName": frame.template,
            "HasChildren": bool(frame.children),
            "CategoryNames": frame.categories,
            "ExtendedProperties": {},
            "StartTime": format_ticks(frame.start),
            "EndTime": format_ticks(frame.end),
            "Severity": frame.severity,
            "AcknowledgedBy": frame.acknowledged_by,
            # Of what is not acknowledged the minimum of time (pi-web-api.md 6.2).
            "AcknowledgedDate": format_ticks(frame.acknowledged_at),
            "CanBeAcknowledged": frame.can_be_acknowledged,
            "IsAcknowledged": frame.is_acknowledged,
            "IsAnnotated": bool(frame.annotations),
            "IsLocked": False,
            "AreValuesCaptured": frame.has_captured,
            "RefElementWebIds": elements,
            "Security": _RIGHTS,
            "Links": self._links(request, frame, web_id, elements),
        }

    def _links(self, request: Request, frame: Frame, web_id: str, elements: list[str]) -> dict[str, str]:
        base, letter = request.base, letter_of(request.query)
        url, data = f"{base}/eventframes/{web_id}", f"{base}/streamsets/{web_id}"
        names = ("Attributes", "EventFrames", "Annotations", "ReferencedElements", "Categories", "Security", "SecurityEntries")
        links = {"Self": url} | {name: f"{url}/{name.lower()}" for name in names}
        links["Database"] = self._design.database_url(request)
        links["Template"] = self._design.template_url(request, frame.template)
        if elements:
            links["PrimaryReferencedElement"] = f"{base}/elements/{elements[0]}"
        if frame.parent is not None:
            links["Parent"] = f"{base}/eventframes/{self._finder.frame_web_id(frame.parent, letter)}"
        return links | {name: f"{data}/{path}" for name, path in zip(_DATA_LINKS, _DATA_PATHS, strict=True)}

    def _annotation(self, request: Request, frame: Frame, one: Annotation) -> dict[str, Any]:
        owner = f"{request.base}/eventframes/{self._finder.frame_web_id(frame, letter_of(request.query))}"
        return {
            "Id": str(one.id),
            "Name": one.name,
            "Description": "",
            "Value": one.value,
            "Creator": one.by,
            "CreationDate": format_ticks(one.at),
            "Modifier": one.by,
            "ModifyDate": format_ticks(one.at),
            "Links": {"Self": f"{owner}/annotations/{one.id}", "Owner": owner},
        }
