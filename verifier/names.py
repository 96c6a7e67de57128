"""Which point of the journal a point key speaks of. Pure."""

from collections.abc import Mapping

from verifier.archive import PointArchive
from verifier.truth import Truth


class Names:
    """Resolves `<server alias>:<point id>`. Without aliases every alias stands for the journal's server."""

    def __init__(self, truth: Truth, aliases: Mapping[str, str]) -> None:
        self._points = truth.points
        self._ours = {alias: guid.lower() == truth.server_id.lower() for alias, guid in aliases.items()}
        self._known: dict[str, PointArchive | None] = {}

    def point(self, key: str) -> PointArchive | None:
        """The point, or None if the journal's server has none of this key."""
        if key not in self._known:
            self._known[key] = self._find(key)
        return self._known[key]

    def _find(self, key: str) -> PointArchive | None:
        alias, _, number = key.rpartition(":")
        if not self._ours.get(alias, not self._ours) or not number.isascii() or not number.isdecimal():
            return None
        return self._points.get(int(number))

    def foreign(self, key: str) -> bool:
        """True if the key belongs to a server that the journal does not speak of: nothing can be said about it."""
        alias = key.rpartition(":")[0]
        return alias == "af" or self._ours.get(alias) is False
