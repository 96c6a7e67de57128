"""Dead letters: bytes that could not be used, each content once (design 3.2). Pure."""

from collections import OrderedDict

from xxhash import xxh3_128_hexdigest

from schemas.records import DeadLetter, Stage

MAX_CONTENT_BYTES = 64 << 10
MAX_REASON_BYTES = 1000
_REMEMBERED = 10_000


class DeadLetters:
    """Collects the dead letters of one process part; the same content of the same point is set aside once."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._seen: OrderedDict[tuple[str | None, str], None] = OrderedDict()
        self._waiting: list[DeadLetter] = []

    def add(
        self,
        stage: Stage,
        reason: str,
        content: bytes,
        now_micros: int,
        point_key: str | None = None,
        ticks: int | None = None,
        place: tuple[str, int, int] | None = None,
    ) -> bool:
        """Sets bytes aside, from PI or from a `place`: topic, partition and offset. False if this very content of this point was before."""
        digest = xxh3_128_hexdigest(content)
        if (point_key, digest) in self._seen:
            self._seen.move_to_end((point_key, digest))
            return False
        self._seen[point_key, digest] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        letter: DeadLetter = {
            "source": self._source,
            "stage": stage,
            "reason": reason.encode(errors="backslashreplace")[:MAX_REASON_BYTES].decode(errors="ignore"),
            "point_key": point_key,
            "event_time": None if ticks is None else ticks // 10,
            "content": content[:MAX_CONTENT_BYTES],
            "content_bytes": len(content),
            "content_hash": digest,
            "topic": place[0] if place else None,
            "partition": place[1] if place else None,
            "offset": place[2] if place else None,
            "received_time": now_micros,
        }
        self._waiting.append(letter)
        return True

    def take(self) -> list[DeadLetter]:
        """The letters set aside since the last call."""
        waiting, self._waiting = self._waiting, []
        return waiting

    @property
    def empty(self) -> bool:
        """True if none is waiting."""
        return not self._waiting
