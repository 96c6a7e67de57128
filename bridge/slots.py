"""How many requests are under way at once: a semaphore whose size may change while it is held."""

import asyncio
from types import TracebackType


class Slots:
    """At most so many are inside; a smaller number holds as soon as those who are inside have left."""

    def __init__(self, most: int) -> None:
        self._free, self._most = asyncio.Semaphore(most), most
        self._surplus = 0
        """Slots that go away with whoever leaves or comes next."""

    def resize(self, most: int) -> None:
        """From now on so many."""
        more, self._most = most - self._most, most
        kept = max(0, min(more, self._surplus))
        self._surplus += -kept if more > 0 else -more
        for _ in range(more - kept):
            self._free.release()

    async def __aenter__(self) -> None:
        await self._free.acquire()
        while self._surplus:
            self._surplus -= 1
            await self._free.acquire()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._surplus:
            self._surplus -= 1
        else:
            self._free.release()
