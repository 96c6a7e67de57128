"""What the journal says happened: the truth that everything else is measured against. Pure."""

from dataclasses import dataclass, field

from verifier.archive import PIClock, PointArchive


@dataclass(frozen=True)
class Disconnect:
    """A channel that was cut, at an instant of the machine's clock."""

    n: int
    at: int
    channel: str
    why: str
    points: tuple[int, ...]


@dataclass
class Truth:
    """All that the journal says, by point."""

    server_id: str = ""
    lines: int = 0
    points: dict[int, PointArchive] = field(default_factory=dict)
    disconnects: list[Disconnect] = field(default_factory=list)
    faults: int = 0
    clock: PIClock = field(default_factory=PIClock)
