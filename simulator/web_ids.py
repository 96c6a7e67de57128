"""WebID 2.0 (pi-web-api.md 1.4): reads data servers, points, elements and attributes in all five types, writes servers, points and sets."""

import base64
import binascii
import struct
from dataclasses import dataclass
from uuid import UUID

TYPE_LETTERS = {"full": "F", "idonly": "I", "pathonly": "P", "localidonly": "L", "defaultidonly": "D"}
_GUID_CHARACTERS = 22
_POINT_ID_CHARACTERS = 6
# What follows the marker. "L" and "D" leave out the first GUID of owned objects, the server's.
_SHAPES: dict[str, tuple[str, ...]] = {"DS": ("guid",), "DP": ("guid", "point"), "Em": ("guid", "guid"), "AbE": ("guid", "guid", "guid")}
_SHAPES |= {"MSD": ("guid", "guid"), "MVD": ("guid", "guid")}


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
    if marker in ("Ab", "MS", "MV"):
        marker, rest = marker + rest[:1], rest[1:]
    shape = _SHAPES.get(marker)
    if shape is None:
        raise _unknown(text)
    if letter == "P":
        shape = ()
    elif letter in "LD" and len(shape) > 1:
        shape = shape[1:]
    guids: list[UUID] = []
    point_id = None
    for part in shape:
        if part == "guid":
            piece, rest = rest[:_GUID_CHARACTERS], rest[_GUID_CHARACTERS:]
            guids.append(UUID(bytes_le=_unpack(piece, 16, text)))
        else:
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
    ids = "" if letter == "P" else _pack(server_id.bytes_le)
    return f"{letter}1DS{ids}{_path(letter, name)}"


def encode_point(letter: str, server_id: UUID, server_name: str, point_id: int, tag: str) -> str:
    """The WebID of a point in the type of `letter`."""
    server = _pack(server_id.bytes_le) if letter in "FI" else ""
    point = "" if letter == "P" else _pack(struct.pack("<i", point_id))
    return f"{letter}1DP{server}{point}{_path(letter, server_name + chr(92) + tag)}"


def encode_owned(letter: str, marker: str, guids: tuple[UUID, UUID], path: str) -> str:
    """The WebID of an object with an owner: `guids` are the server's and its own."""
    kept = {"F": guids, "I": guids, "P": ()}.get(letter, guids[1:])
    return f"{letter}1{marker}{''.join(_pack(guid.bytes_le) for guid in kept)}{_path(letter, path)}"


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
