"""WebID 2.0 (pi-web-api.md 1.4), read and written in all five types: data servers and points, and what there is of the Asset Framework.

`F` and `I` carry the GUID of the server, of an attribute's owner and of the object. `L` and `D` leave out the server's and only
that: they cannot say whose object it is, and another server takes them for its own. `P` carries the path alone, so it means
whatever stands there, and of several event frames of one name it cannot say which.
"""

import base64
import binascii
import struct
from dataclasses import dataclass
from uuid import UUID

TYPE_LETTERS = {"full": "F", "idonly": "I", "pathonly": "P", "localidonly": "L", "defaultidonly": "D"}
_GUID_CHARACTERS = 22
_POINT_ID_CHARACTERS = 6
# How many GUIDs follow the marker: the server's, the owner's if the marker ends in an owner letter that needs one, the object's own.
_GUIDS = {"DS": 1, "RS": 1, "RD": 2, "Em": 2, "ET": 2, "EC": 2, "AC": 2, "Fm": 2, "NR": 2, "MSD": 2, "MSR": 2}
_GUIDS |= {"AbE": 3, "AbF": 3, "ATE": 3, "MVD": 3, "MVR": 3, "NSL": 3}
_WITH_OWNER = frozenset({"Ab", "AT", "MS", "MV", "NS"})
_POINT = "DP"


class BadWebId(ValueError):
    """The text is no WebID 2.0. The message is fit for the client."""


@dataclass(frozen=True, slots=True)
class WebId:
    """What a WebID says: its type letter, its marker ("DP", "AbE"), the ids it carries in order, and the path if it has one."""

    letter: str
    marker: str
    guids: tuple[UUID, ...] = ()
    point_id: int | None = None
    path: str | None = None


def decode(text: str) -> WebId:
    """Reads a WebID. Raises `BadWebId`, also for version 1, which real servers still accept and this one does not model."""
    letter, version, marker = text[:1], text[1:2], text[2:4]
    if letter not in TYPE_LETTERS.values() or version != "1":
        raise _unknown(text)
    rest = text[4:]
    if marker in _WITH_OWNER:
        marker, rest = marker + rest[:1], rest[1:]
    if marker != _POINT and marker not in _GUIDS:
        raise _unknown(text)
    guids: list[UUID] = []
    for _ in range(_carried(letter, marker)):
        piece, rest = rest[:_GUID_CHARACTERS], rest[_GUID_CHARACTERS:]
        guids.append(UUID(bytes_le=_unpack(piece, 16, text)))
    point_id = None
    if marker == _POINT and letter != "P":
        piece, rest = rest[:_POINT_ID_CHARACTERS], rest[_POINT_ID_CHARACTERS:]
        point_id = struct.unpack("<i", _unpack(piece, 4, text))[0]
    path = None
    if letter in "FP":
        try:
            path = _unpack(rest, None, text).decode("utf-8")
        except UnicodeDecodeError:
            raise _unknown(text) from None
    if (path == "") or (path is None and rest):
        raise _unknown(text)
    return WebId(letter, marker, tuple(guids), point_id, path)


def encode_server(letter: str, server_id: UUID, name: str) -> str:
    """The WebID of a data server in the type of `letter`."""
    return encode_object(letter, "DS", (server_id,), name)


def encode_point(letter: str, server_id: UUID, server_name: str, point_id: int, tag: str) -> str:
    """The WebID of a point in the type of `letter`."""
    server = _pack(server_id.bytes_le) if letter in "FI" else ""
    point = "" if letter == "P" else _pack(struct.pack("<i", point_id))
    return f"{letter}1{_POINT}{server}{point}{_path(letter, server_name + chr(92) + tag)}"


def encode_object(letter: str, marker: str, guids: tuple[UUID, ...], path: str) -> str:
    """The WebID of anything but a point. `guids` are the server's, an owner's if the marker has one, and its own."""
    kept = guids[len(guids) - _carried(letter, marker) :]
    return f"{letter}1{marker}{''.join(_pack(guid.bytes_le) for guid in kept)}{_path(letter, path)}"


def _carried(letter: str, marker: str) -> int:
    """How many GUIDs a WebID has. The server's own GUID is left out of `L` and `D`, except by the server itself."""
    if letter == "P":
        return 0
    if marker == _POINT:
        return int(letter in "FI")
    count = _GUIDS[marker]
    return count - 1 if letter in "LD" and count > 1 else count


def _path(letter: str, path: str) -> str:
    return _pack(path.upper().encode("utf-8")) if letter in "FP" else ""


def _pack(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _unpack(piece: str, size: int | None, text: str) -> bytes:
    try:
        raw = base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _unknown(text) from None
    # Bits left over in the last character would let one object have WebIDs no server ever wrote.
    if (size is not None and len(raw) != size) or _pack(raw) != piece:
        raise _unknown(text)
    return raw


def _unknown(text: str) -> BadWebId:
    return BadWebId(f"Unknown or invalid WebID format: {text[:200]}")
