"""A model of Kafka's consumer group: who owns which shard, by heartbeats, with revocation first and with loss (KIP-429)."""

from collections.abc import Callable
from typing import Protocol

from proofs.simulation.clockwork import Clockwork

_TICK_SECONDS = 1.0
_REVOKE_SECONDS = 20.0
"""A member that does not give a shard up for so long is taken for gone."""


class Member(Protocol):
    """A process, as the group sees it."""

    name: str

    def beats(self) -> bool: ...
    def assigned(self, shard: int) -> None: ...
    def revoked(self, shard: int, given_up: Callable[[], None]) -> None: ...
    def lost(self) -> None: ...


class Group:
    """The coordinator."""

    def __init__(self, clockwork: Clockwork, shards: int, session_seconds: float) -> None:
        self.owners: dict[int, Member | None] = dict.fromkeys(range(shards))
        self._clockwork, self._session_seconds = clockwork, session_seconds
        self._heard: dict[Member, float] = {}
        self._revoking: dict[int, Member] = {}
        clockwork.later(_TICK_SECONDS, self._tick)

    def join(self, member: Member) -> None:
        """A member comes."""
        self._clockwork.tell("member joined", member.name)
        self._heard[member] = self._clockwork.now
        self._clockwork.later(0.5 + self._clockwork.chance.random(), self._rebalance)

    def leave(self, member: Member) -> None:
        """A member goes, after it gave everything up."""
        self._forget(member)
        self._rebalance()

    def _forget(self, member: Member) -> None:
        del self._heard[member]
        for shard, owner in self.owners.items():
            if owner is member:
                self.owners[shard] = None
                self._revoking.pop(shard, None)

    def evict(self, member: Member) -> None:
        """The member's session is over, whether it knows or not."""
        if member not in self._heard:
            return
        self._clockwork.tell("member evicted", member.name)
        self._forget(member)
        # It is told when its next heartbeat is answered, however long it stood still.
        member.lost()
        self._clockwork.later(0.5 + self._clockwork.chance.random(), self._rebalance)

    def knows(self, member: Member) -> bool:
        """True while the member has a session."""
        return member in self._heard

    def _tick(self) -> None:
        self._clockwork.later(_TICK_SECONDS, self._tick)
        for member in list(self._heard):
            if member.beats():
                self._heard[member] = self._clockwork.now
            elif self._clockwork.now - self._heard[member] > self._session_seconds:
                self.evict(member)

    def _rebalance(self) -> None:
        members = sorted(self._heard, key=lambda member: member.name)
        if not members:
            return
        loads = {member: [shard for shard, owner in self.owners.items() if owner is member] for member in members}
        for shard, owner in self.owners.items():
            if owner is None:
                least = min(members, key=lambda member: len(loads[member]))
                loads[least].append(shard)
                self._assign(shard, least)
        most = max(members, key=lambda member: len(loads[member]))
        least = min(members, key=lambda member: len(loads[member]))
        if len(loads[most]) - len(loads[least]) > 1 and not self._revoking:
            self._revoke(loads[most][-1], most)

    def _assign(self, shard: int, member: Member) -> None:
        self.owners[shard] = member
        self._clockwork.tell("shard assigned", f"{shard} to {member.name}")
        member.assigned(shard)

    def _revoke(self, shard: int, member: Member) -> None:
        self._clockwork.tell("shard revoked", f"{shard} of {member.name}")
        self._revoking[shard] = member

        def given_up() -> None:
            if self._revoking.get(shard) is member and self.owners[shard] is member:
                del self._revoking[shard]
                self.owners[shard] = None
                self._rebalance()

        def too_slow() -> None:
            if self._revoking.get(shard) is member:
                self.evict(member)

        member.revoked(shard, given_up)
        self._clockwork.later(_REVOKE_SECONDS, too_slow)
