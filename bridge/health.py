"""Whether the process lives and whether it is ready (design 4). Pure: times are monotonic seconds that are passed in.

A server that is away makes nobody dead: a restart would mend nothing, and would cost every point a blind interval.
"""

from typing import Literal

Needed = Literal["PI", "Kafka", "registry"]
LOOP_SECONDS = 10.0
"""An event loop that has not turned for so long hangs."""
_NEEDED: tuple[Needed, ...] = ("PI", "Kafka", "registry")


class Health:
    """What the parts of the process have told of themselves."""

    def __init__(self, stuck_seconds: float = 180.0) -> None:
        """`stuck_seconds`: a shard that owns its points commits, or gives up, well within this time."""
        self._stuck_seconds = stuck_seconds
        self._beat: float | None = None
        self._known: set[Needed] = set()
        self._commits: dict[int, float] = {}
        self.member = False
        """Whether the group has accepted this process."""
        self.assigned: frozenset[int] = frozenset()
        """Shards that the group gives to this process."""

    def beat(self, now: float) -> None:
        """The event loop turned."""
        self._beat = now

    def knows(self, what: Needed) -> None:
        """One of the servers that are needed has answered as it should."""
        self._known.add(what)

    def committed(self, shard: int, now: float) -> bool:
        """A shard committed; True if that was its first commit since it was taken over."""
        first = shard not in self._commits
        self._commits[shard] = now
        return first

    def ended(self, shard: int) -> None:
        """An incarnation of a shard is over; the next one begins with a commit."""
        self._commits.pop(shard, None)

    @property
    def owned(self) -> frozenset[int]:
        """Shards that were taken over and are still ours."""
        return self.assigned & frozenset(self._commits)

    def why_dead(self, now: float) -> list[str]:
        """Why the process should be started anew; nothing if it lives."""
        if self._beat is None:
            return []  # it has only just begun
        reasons = []
        if (still := now - self._beat) > LOOP_SECONDS:
            reasons.append(f"the event loop has stood still for {still:.0f} s")
        for shard, at in sorted(self._commits.copy().items()):
            if (since := now - at) > self._stuck_seconds:
                reasons.append(f"shard {shard} has committed nothing, nor given up, for {since:.0f} s")
        return reasons

    def why_not_ready(self) -> list[str]:
        """What is still missing; nothing if the process does its work."""
        reasons = [f"{what} has not answered yet" for what in _NEEDED if what not in self._known]
        if not self.member:
            reasons.append("not a member of the group yet")
        if waiting := sorted(self.assigned - self._commits.keys()):
            reasons.append(f"shards not taken over yet: {', '.join(map(str, waiting))}")
        return reasons
