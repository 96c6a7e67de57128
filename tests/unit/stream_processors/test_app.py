"""Shards that come and go, as Faust tells of them."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from stream_processors.app import Processors
from stream_processors.codec import Codec
from stream_processors.monitoring import Monitoring
from tests.unit.stream_processors.test_worker import CONFIG, IDS, Registered


class Consumer:
    """Has one shard; while it is asked where topics begin, that may be taken away."""

    def __init__(self, processors: Processors, taken_away: bool) -> None:
        self._processors, self._taken_away = processors, taken_away

    def assignment(self) -> set[TP]:
        return {TP("pi.plant1.live", 3), TP("pi.plant1.recorded", 3)}

    async def earliest_offsets(self, *places: TP) -> dict[TP, int]:
        if self._taken_away:
            await self._processors._revoked()
        return dict.fromkeys(places, 0)

    async def highwaters(self, *places: TP) -> dict[TP, int]:
        return dict.fromkeys(places, 10)

    def begin_again(self) -> None: ...


@pytest.mark.parametrize(("taken_away", "shards"), [(False, {3}), (True, set())])
def test_shards_that_are_taken_away_while_they_are_taken_over_are_not_ours(taken_away: bool, shards: set[int], tmp_path: Path) -> None:
    async def assign() -> Processors:
        client: Any = Registered()
        processors = Processors(CONFIG, Codec(IDS, client), Monitoring(), tmp_path)
        told: Any = SimpleNamespace(consumer=Consumer(processors, taken_away))
        processors._app, processors._shard_table = told, SimpleNamespace(data={})
        await processors._assigned()
        return processors

    processors = asyncio.run(assign())
    assert processors._worker.shards == shards
    assert processors._context._wanted[1] == shards
    assert processors._monitoring.health.assigned == (None if taken_away else shards)
    assert processors._monitoring.health.loaded == set(), "nothing was told of its points yet"
