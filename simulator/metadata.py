"""What is known of points beyond the point object: attributes, several points at once, and a search (pi-web-api.md 1.3)."""

from typing import Any

from simulator.api import Answer, Refusal, Request, Routes, reply
from simulator.asset_routes import required
from simulator.catalogue import Catalogue, letter_of, wildcard
from simulator.listing import page, several
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Point
from simulator.queries import Tests, matching, text_test


class Metadata:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def add_routes(self, routes: Routes) -> None:
        routes.get("points/multiple", self.points)
        routes.get("points/search", self.search)
        routes.get("points/{}/attributes", self.attributes)
        routes.get("points/{}/attributes/{}", self.attribute)

    def points(self, request: Request) -> Answer:
        """Points by WebID and path, each for itself: 207 if any failed."""
        finders = {"webId": lambda text: self._catalogue.stream(text).point, "path": self._catalogue.point_at}
        return several(request, finders, lambda point: self._catalogue.describe(request, point, letter_of(request.query)))

    def search(self, request: Request) -> Answer:
        """Points by the text of a point query such as `Tag:=X*`, a thousand at most."""
        self._catalogue.check_server(required(request, "dataServerWebId"))
        request.query.integer("maxCount", 1000, least=1, most=1000)
        tests: Tests[Point] = {
            "Tag": text_test(lambda point: [point.name]),
            "Name": text_test(lambda point: [point.name]),
            "PointSource": text_test(lambda point: [point.source]),
            "Descriptor": text_test(lambda point: [point.descriptor]),
        }
        points = [stream.point for stream in self._catalogue.store.streams]
        found = matching(points, required(request, "query"), tests)
        return page(request, found, lambda point: self._catalogue.describe(request, point, letter_of(request.query)))

    # Attributes

    def attributes(self, request: Request, web_id: str) -> Answer:
        point, names = self._catalogue.stream(web_id).point, wildcard(request.query.one("nameFilter"))
        items = [self._attribute(request, point, name) for name in _attributes(point) if names is None or names.match(name)]
        return reply(request, {"Items": items})

    def attribute(self, request: Request, web_id: str, name: str) -> Answer:
        point = self._catalogue.stream(web_id).point
        if name.lower() not in _attributes(point):
            raise Refusal(404, f"The attribute '{name}' of point '{point.name}' was not found.")
        return reply(request, self._attribute(request, point, name.lower()))

    def _attribute(self, request: Request, point: Point, name: str) -> dict[str, Any]:
        url = f"{request.base}/points/{self._catalogue.web_id(point, letter_of(request.query))}"
        return {"Name": name, "Value": _attributes(point)[name], "Links": {"Self": f"{url}/attributes/{name}", "Point": url}}


def _attributes(point: Point) -> dict[str, Any]:
    """By the Data Archive's own lower-case names."""
    return {
        "archiving": 1,
        "compdev": point.compression_deviation or 0.0,
        "compmax": point.compression_max_ticks // TICKS_PER_SECOND,
        "compmin": 0,
        "compressing": int(point.compression_deviation is not None),
        "descriptor": point.descriptor,
        "digitalset": point.digital_set,
        "displaydigits": point.digits,
        "engunits": point.units,
        "excdev": 0.0,
        "excmax": 600,
        "excmin": 0,
        "exdesc": "",
        "future": int(point.future),
        "location1": 1,
        "pointid": point.point_id,
        "pointsource": point.source,
        "pointtype": point.point_type,
        "ptclassname": "classic",
        "scan": 1,
        "shutdown": 0,
        "span": point.span,
        "step": int(point.step),
        "tag": point.name,
        "zero": point.zero,
    }
