"""The Asset Framework of one simulator, put together: the model, its life, and the routes to all of it."""

from simulator.api import Answer, Request, Responder, Routes
from simulator.asset_finder import AssetFinder
from simulator.asset_routes import AssetRoutes
from simulator.assets import Assets
from simulator.attribute_routes import AttributeRoutes
from simulator.catalogue import Catalogue
from simulator.element_routes import ElementRoutes
from simulator.enumeration_sets import EnumerationSets
from simulator.event_frame_load import FrameLoad
from simulator.event_frame_routes import EventFrameRoutes
from simulator.event_frames import Frames
from simulator.journal import Journal
from simulator.notifications import NotificationRules
from simulator.pitime import TICKS_PER_SECOND
from simulator.settings import Settings
from simulator.streams import StreamAnswers


class AssetFramework:
    """Opened at `now`, with the event frames of the past in place. What happens from then on happens in `advance`."""

    def __init__(self, settings: Settings, catalogue: Catalogue, now: int, journal: Journal | None) -> None:
        self.assets = Assets(catalogue.store, catalogue.server_id, catalogue.server_name, settings.element_count, settings.af_cache_seconds)
        self.frames = Frames(self.assets, journal)
        history_from = now - round(settings.history_seconds * TICKS_PER_SECOND)
        self._load = FrameLoad(self.frames, self.assets, settings.event_frames_per_minute, settings.seed, history_from)
        self._load.advance(now)
        self.frames.begin()
        self.finder = AssetFinder(self.assets, self.frames)

    def add_routes(self, routes: Routes, catalogue: Catalogue, answers: StreamAnswers) -> None:
        """Adds the routes, and makes attributes streams."""
        refreshing = _RefreshingRoutes(routes, self.assets)
        sets, design = EnumerationSets(catalogue, self.finder), AssetRoutes(self.finder)
        elements = ElementRoutes(self.finder, design)
        attributes = AttributeRoutes(self.finder, design, catalogue, answers, sets)
        frames = EventFrameRoutes(self.finder, design, elements)
        for part in (sets, design, elements, attributes, frames, NotificationRules(self.finder, design)):
            part.add_routes(refreshing)
        catalogue.attributes = attributes

    def advance(self, now: int) -> None:
        self.assets.advance(now)
        self._load.advance(now)


class _RefreshingRoutes(Routes):
    """Routes whose answers come from the cache of AF, which a request with Cache-Control: no-cache refreshes (pi-web-api.md 7.4)."""

    def __init__(self, routes: Routes, assets: Assets) -> None:
        super().__init__()
        self._routes = routes
        self._assets = assets

    def get(self, pattern: str, responder: Responder) -> None:
        self._routes.get(pattern, self._refreshing(responder))

    def post(self, pattern: str, responder: Responder) -> None:
        self._routes.post(pattern, self._refreshing(responder))

    def patch(self, pattern: str, responder: Responder) -> None:
        self._routes.patch(pattern, self._refreshing(responder))

    def _refreshing(self, responder: Responder) -> Responder:
        def answer(request: Request, *captured: str) -> Answer:
            if any(name.lower() == "cache-control" and "no-cache" in text.lower() for name, text in request.headers.items()):
                self._assets.refresh()
            return responder(request, *captured)

        return answer
