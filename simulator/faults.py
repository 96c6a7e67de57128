"""The words of faults, and the YAML script that says which happens when.

A script is a list under `faults`, and a `seed` for the dice, if another than the simulator's is wanted:

    faults:
      - {at: 60, fault: drop_channels, close_frame: false}
      - {at: 90, for: 30, fault: refuse, status: 503, share: 0.3, path: recorded}

`at` is seconds after the start, `for` how many seconds a fault lasts: until it is ended, if it is not given. `share` is the chance of each
request, `path` a part of the path of those concerned.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from simulator.settings import BadSettings

Seconds = Annotated[float, Meta(ge=0, le=1e8)]
Share = Annotated[float, Meta(ge=0, le=1)]
Status = Annotated[int, Meta(ge=400, le=599)]
Bytes = Annotated[int, Meta(ge=1, le=1 << 30)]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    at: Seconds = 0.0
    lasts: Annotated[float, Meta(gt=0, le=1e8)] | None = msgspec.field(default=None, name="for")

    @property
    def word(self) -> str:
        return str(self.__struct_config__.tag)

    def detail(self) -> dict[str, Any]:
        return {name: value for name, value in msgspec.to_builtins(self).items() if name not in ("fault", "at")}


class OfRequests(Fault, frozen=True, kw_only=True):
    """A fault that comes over requests as the dice will have it."""

    share: Share = 1.0
    path: str = ""


# Requests


class Slow(OfRequests, frozen=True, kw_only=True, tag="slow"):
    """The answer is kept back for `seconds`."""

    seconds: Seconds = 5.0


class Cut(OfRequests, frozen=True, kw_only=True, tag="cut"):
    """The connection ends inside the body, after this part of it."""

    after: Share = 0.5


class Refuse(OfRequests, frozen=True, kw_only=True, tag="refuse"):
    """A status in place of the answer, channels' handshakes too; `body` is PI's JSON, a proxy's HTML, or nothing."""

    status: Status = 503
    body: Literal["json", "html", "empty"] = "json"
    retry_after: Annotated[int, Meta(ge=0)] | None = None


class RefuseInner(OfRequests, frozen=True, kw_only=True, tag="refuse_inner"):
    """A status in place of the answers of single entries of a batch."""

    status: Status = 500


class WebException(OfRequests, frozen=True, kw_only=True, tag="web_exception"):
    """200, and a body that says it is not (pi-web-api.md 7.5)."""

    status: Status = 500


class ItemErrors(OfRequests, frozen=True, kw_only=True, tag="item_errors"):
    """200, and in place of a stream's recorded values one value with Errors."""


class ArchiveOffline(Fault, frozen=True, kw_only=True, tag="archive_offline"):
    """Archived values older than this cannot be read: the request fails, or they are silently not there."""

    older_than: Seconds = 0.0
    mode: Literal["error", "empty"] = "error"


class ForeignNext(Fault, frozen=True, kw_only=True, tag="foreign_next"):
    """Links.Next points to another host."""

    base: str = "https://elsewhere.invalid/piwebapi"


class OversizeAnswers(OfRequests, frozen=True, kw_only=True, tag="oversize_answers"):
    """The right answer behind so many blanks; compressed they are a bomb of some kilobytes."""

    bytes: Bytes = 256 * 1024 * 1024
    compressed: bool = False


# Channels


class DropChannels(Fault, frozen=True, kw_only=True, tag="drop_channels"):
    """Ends the oldest channels, once."""

    count: Annotated[int, Meta(ge=1)] = 1_000_000
    close_frame: bool = False


class HalfOpen(Fault, frozen=True, kw_only=True, tag="half_open"):
    """The channels open now neither send nor read, not even a ping, and are reset at the end."""


class SilentStall(Fault, frozen=True, kw_only=True, tag="silent_stall"):
    """Channels answer pings and send nothing, no heartbeat either. What they should have sent is lost, or comes at the end."""

    lost: bool = True


class LoseEvents(Fault, frozen=True, kw_only=True, tag="lose_events"):
    """Each event is lost on its way to a channel with this chance."""

    share: Share = 0.01


class OversizeFrames(Fault, frozen=True, kw_only=True, tag="oversize_frames"):
    """Channel messages behind so many blanks."""

    bytes: Bytes = 32 * 1024 * 1024


class LoseMarkers(Fault, frozen=True, kw_only=True, tag="lose_markers"):
    """All registrations for stream updates are forgotten, once."""


# The plant


class HoldQueue(Fault, frozen=True, kw_only=True, tag="hold_queue"):
    """The archive lags behind the snapshots."""


class CollectiveSwitch(Fault, frozen=True, kw_only=True, tag="collective_switch"):
    """Another member of the collective answers, and is behind: of what was archived in the last `lag` seconds it lacks the share `missing`.

    Channels and registrations end. Its archive stands still until the end, when what it lacks comes late.
    """

    lag: Seconds = 60.0
    missing: Share = 1.0
    close_frame: bool = False


class Clock(Fault, frozen=True, kw_only=True, tag="clock"):
    """The server's clock is so many seconds ahead and gains `drift` seconds per second."""

    offset: Annotated[float, Meta(ge=-1e8, le=1e8)] = 0.0
    drift: Annotated[float, Meta(gt=-1, le=10)] = 0.0


class InterfaceClock(Fault, frozen=True, kw_only=True, tag="interface_clock"):
    """The same of the stamps of one interface, a point source such as OPC1."""

    interface: str
    offset: Annotated[float, Meta(ge=-1e8, le=1e8)] = 0.0
    drift: Annotated[float, Meta(gt=-1, le=10)] = 0.0


class BufferInterface(Fault, frozen=True, kw_only=True, tag="buffer_interface"):
    """One interface keeps its values and delivers them at the end: in order, or the newest first, so that all others come late."""

    interface: str
    newest_first: bool = False


AnyFault = (
    Slow
    | Cut
    | Refuse
    | RefuseInner
    | WebException
    | ItemErrors
    | ArchiveOffline
    | ForeignNext
    | OversizeAnswers
    | DropChannels
    | HalfOpen
    | SilentStall
    | LoseEvents
    | OversizeFrames
    | LoseMarkers
    | HoldQueue
    | CollectiveSwitch
    | Clock
    | InterfaceClock
    | BufferInterface
)
ONCE = (DropChannels, LoseMarkers)
WORDS = tuple(str(kind.__struct_config__.tag) for kind in AnyFault.__args__)


class Script(msgspec.Struct, frozen=True):
    seed: int | None = None
    faults: tuple[Fault, ...] = ()


def read_fault(order: Any) -> Fault:
    """A fault from plain data. Raises msgspec.ValidationError with a sentence."""
    if isinstance(order, dict) and order.get("fault") not in WORDS:
        raise msgspec.ValidationError(f"unknown fault `{order.get('fault')}`; there are {', '.join(WORDS)}")
    fault: Fault = msgspec.convert(order, AnyFault)
    if fault.lasts is not None and isinstance(fault, ONCE):
        raise msgspec.ValidationError(f"`for` means nothing to {fault.word}, which happens once")
    return fault


def read_script(path: Path) -> Script:
    """Raises `BadSettings`, which names the line."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise BadSettings(f'fault script "{path}" cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadSettings(f'fault script "{path}" is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(root, yaml.MappingNode):
        raise BadSettings(f'fault script "{path}" must have a list named faults')
    seed, faults = None, []
    for key, value in root.value:
        if key.value == "faults" and isinstance(value, yaml.SequenceNode):
            faults = [_read_node(path, node) for node in value.value]
        elif key.value == "seed" and value.tag == "tag:yaml.org,2002:int":
            seed = int(_plain(value))
        else:
            where = f'fault script "{path}", line {key.start_mark.line + 1}'
            raise BadSettings(f'{where}: "{key.value}" must be faults, a list, or seed, an integer')
    return Script(seed, tuple(faults))


def _read_node(path: Path, node: yaml.Node) -> Fault:
    try:
        return read_fault(_plain(node))
    except (msgspec.ValidationError, yaml.YAMLError) as error:
        raise BadSettings(f'fault script "{path}", line {_line_of(node, str(error))}: {" ".join(str(error).split())}') from None


def _plain(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_document(node)


def _line_of(node: yaml.Node, message: str) -> int:
    """The line of the key the message is about, else the line where the fault begins."""
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if f"`{key.value}`" in message or f"`$.{key.value}`" in message or (key.value == "fault" and "unknown fault" in message):
                return int(key.start_mark.line) + 1
    return int(node.start_mark.line) + 1
