"""Whether the process lives and whether it does its work. Pure: times are monotonic seconds that are passed in.

It lives as long as its event loop turns and what waits is worked on. A server that is away makes nobody dead: a restart would mend nothing.
"""

from typing import Literal

Needed = Literal["Kafka", "registry"]
_NEEDED: tuple[Needed, ...] = ("Kafka", "registry")
LOOP_SECONDS = 10.0
"""An event loop that has not turned for so long hangs."""
STUCK_SECONDS = 180.0
"""Frames do not wait so long, nor does a state that has to be written."""


class Health:
    """What the parts of the process have told of themselves."""

    def __init__(self) -> None:
        self._beat: float | None = None
        self._known: set[Needed] = set()
        self._waits: dict[str, float] = {}
        self.away: dict[Needed, str] = {}
        """What does not answer now, and how it failed."""
        self.assigned: frozenset[int] | None = None
        """Shards that the group gives to this process; None until it is a member."""
        self.loaded: frozenset[int] = frozenset()
        """Those of them whose state and points were read."""

    def beat(self, now: float) -> None:
        """The event loop turned."""
        self._beat = now

    def knows(self, what: Needed) -> None:
        """One of the servers that are needed has answered as it should."""
        self._known.add(what)
        self.away.pop(what, None)

    def waits(self, what: str, since: float | None) -> None:
        """Something has waited to be done since then; None if it is done."""
        if since is None:
            self._waits.pop(what, None)
        else:
            self._waits[what] = since

    def why_dead(self, now: float) -> list[str]:
        """Why the process should be started anew; nothing if it lives."""
        if self._beat is None:
            return []  # it has only just begun
        reasons = []
        if (still := now - self._beat) > LOOP_SECONDS:
            reasons.append(f"the event loop has stood still for {still:.0f} s")
        if not self.away:
            late = {what: now - since for what, since in self._waits.copy().items() if now - since > STUCK_SECONDS}
            reasons += [f"{what}: nothing was done about it for {waited:.0f} s" for what, waited in sorted(late.items())]
        return reasons

    def why_not_ready(self) -> list[str]:
        """What is still missing; nothing if the process does its work."""
        reasons = [f"{what} has not answered yet" for what in _NEEDED if what not in self._known]
        reasons += [f"{what} does not answer: {problem}" for what, problem in sorted(self.away.items())]
        if self.assigned is None:
            reasons.append("not a member of the group yet")
        elif missing := sorted(self.assigned - self.loaded):
            reasons.append(f"state of shards not read yet: {', '.join(map(str, missing))}")
        return reasons
