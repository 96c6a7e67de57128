"""The simulated plant of a server: all its streams, opened at one instant, and the load that goes on from there."""

import dataclasses
import random
from uuid import UUID

from simulator.computed import BlockCache
from simulator.live import Load, open_stream
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import build_profiles
from simulator.replay import open_replay
from simulator.settings import BadSettings, Settings
from simulator.store import Counts, Store


def open_plant(settings: Settings, now: int) -> tuple[Store, Load]:
    """The store as it stands at `now`, and the load from `now` on. Raises `BadSettings`, `BadHistory`."""
    counts, cache = Counts(), BlockCache()
    profiles = build_profiles(settings.points, settings.rate_per_second, settings.seed)
    if not settings.compression:
        for profile in profiles:
            profile.point = dataclasses.replace(profile.point, compression_deviation=None)
    history_from = now - round(settings.history_seconds * TICKS_PER_SECOND)
    streams = [open_stream(profile, now, history_from, counts, cache) for profile in profiles]
    names = {stream.point.name.upper() for stream in streams}
    next_id = streams[-1].point.point_id if streams else 1000
    for name, path in settings.replay:
        if not name or "\\" in name or name.upper() in names:
            raise BadSettings(f'--replay-csv: "{name}" cannot be the name of a point, or there is one already')
        names.add(name.upper())
        next_id += 7
        streams.append(open_replay(next_id, name, path, counts))
    store = Store(streams, counts)
    # What was written while opening is the past, not the work of this run.
    counts.written = counts.archived = counts.late = counts.compressed_away = 0
    return store, Load(profiles, {stream.point.point_id: stream for stream in streams}, now)


def server_id_of(settings: Settings) -> UUID:
    """The data server's GUID: the same for the same seed and name."""
    return UUID(bytes=random.Random(f"{settings.seed} {settings.server_name}").randbytes(16), version=4)  # noqa: S311 - not a secret
