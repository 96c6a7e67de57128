"""A document as pieces that fit into Kafka messages, and that counts as a whole or not at all. Pure.

It is written to the other of two places each time, and its head last: whoever reads the head reads what was written with it.
"""

import json
import zlib
from collections.abc import Callable, Iterator

PIECE_BYTES = 500_000


class Pieces:
    """A document under a name."""

    def __init__(self, name: str) -> None:
        self._name, self._side = name, 0

    def split(self, content: bytes) -> Iterator[tuple[str, bytes]]:
        """What has to be written, key and content, in this order."""
        self._side ^= 1
        places = range(0, len(content), PIECE_BYTES)
        for number, begin in enumerate(places):
            yield f"{self._name}/{number}/{self._side}", content[begin : begin + PIECE_BYTES]
        yield self._name, json.dumps({"side": self._side, "pieces": len(places), "checksum": zlib.crc32(content)}).encode()

    def join(self, read: Callable[[str], bytes | None]) -> bytes | None:
        """The content that was written, by key; None if there is none. Raises LookupError if a piece is missing, or is another's."""
        written = read(self._name)
        if written is None:
            return None
        head = json.loads(written)
        self._side = head["side"]
        pieces = [read(f"{self._name}/{number}/{self._side}") for number in range(head["pieces"])]
        content = b"".join(piece for piece in pieces if piece is not None)
        if zlib.crc32(content) != head["checksum"]:
            raise LookupError(f"{self._name}: what was read is not what was written")
        return content
