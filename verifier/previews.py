"""V10: every preview was really served, by a channel or, via READ, by a read. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from verifier.archive import PointArchive
from verifier.events import Content, Event, event_text
from verifier.findings import Findings
from verifier.frames import Frame
from verifier.names import Names


def check_previews(names: Names, frames: Iterable[Frame], findings: Findings) -> None:
    """All previews. `ordinal` says nothing about a preview and is not compared."""
    previews: dict[str, list[tuple[Frame, Event]]] = defaultdict(list)
    for frame in frames:
        if frame.dataset == "live":
            for series in frame.series:
                previews[series.point_key] += [(frame, event) for event in series.events]
    for key, published in sorted(previews.items()):
        point = names.point(key)
        if point is None:
            continue
        findings.examined["previews"] += len(published)
        read = _Served(point)
        for frame, event in published:
            served = read.served(event) if frame.via == "READ" else (event.ticks, event.content) in point.sent
            if not served:
                by = "read" if frame.via == "READ" else "message of a channel"
                text = f"{key} {event_text(event)} ({frame.text}, via {frame.via}): no {by} served it"
                findings.fail("V10", text, 1, (key, event.ticks))


class _Served:
    """What reads of a point can have shown; looked up when it is first asked for."""

    def __init__(self, point: PointArchive) -> None:
        self._point = point
        self._known: dict[tuple[int, Content], int] | None = None

    def served(self, event: Event) -> bool:
        """True if some read covered the instant after the event said this."""
        if self._known is None:
            self._known = {}
            for stored in self._point.stored:
                for n, content in stored.contents:
                    self._known.setdefault((stored.ticks, content), n)
        since = self._known.get((event.ticks, event.content))
        return since is not None and any(look.n > since and look.begin <= event.ticks <= look.last for look in self._point.looks)
