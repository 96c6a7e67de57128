"""The simulated plant of a server: all its streams, opened at one instant, and the load that goes on from there."""

import dataclasses
import random
from uuid import UUID

from simulator.computed import BlockCache
from simulator.corrections import Corrections
from simulator.identities import IdentifiedProfile
from simulator.journal import Journal
from simulator.live import Load, open_stream
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import Profile, build_profiles
from simulator.replay import open_replay
from simulator.settings import BadSettings, Settings
from simulator.store import Counts, EventQueue, Store, Stream

_IDLE_ONE_LIVE_IN = 20
_BURST_SECONDS = 10


def open_plant(settings: Settings, now: int, journal: Journal | None = None) -> tuple[Store, Load, Corrections]:
    """The store as it stands at `now`, and what happens to it from `now` on. Raises `BadSettings`, `BadHistory`."""
    counts, cache = Counts(), BlockCache()
    queue = EventQueue(counts, journal)
    profiles = build_profiles(
        settings.points,
        settings.load_per_second,
        settings.seed,
        settings.special_points,
        IdentifiedProfile if settings.profile == "verify" else Profile,
        _IDLE_ONE_LIVE_IN if settings.profile == "idle" else 1,
    )
    if not settings.compression:
        for profile in profiles:
            profile.point = dataclasses.replace(profile.point, compression_deviation=None)
    history_from = now - round(settings.history_seconds * TICKS_PER_SECOND)
    if journal is not None:
        journal.start(
            server_id=str(server_id_of(settings)),
            server_name=settings.server_name,
            seed=settings.seed,
            profile=settings.profile,
            history_from=history_from,
            compression=settings.compression,
        )
    streams: list[Stream] = []
    for profile in profiles:
        if journal is not None:
            journal.point(profile.point, live=profile.period is not None)
        streams.append(open_stream(profile, now, history_from, counts, cache, queue))
    names = {stream.point.name.upper() for stream in streams}
    next_id = streams[-1].point.point_id if streams else 1000
    for name, path in settings.replay:
        if not name or "\\" in name or name.upper() in names:
            raise BadSettings(f'--replay-csv: "{name}" cannot be the name of a point, or there is one already')
        names.add(name.upper())
        next_id += 7
        streams.append(open_replay(next_id, name, path, counts, queue))
    store = Store(streams, queue)
    # What was written while opening is the past, not the work of this run.
    counts.written = counts.archived = counts.late = counts.compressed_away = 0
    load = Load(profiles, store.by_id, now, _BURST_SECONDS if settings.profile == "bursty" else 0)
    return store, load, Corrections(profiles, store.by_id, settings.corrections_per_second, settings.seed, now, history_from)


def server_id_of(settings: Settings) -> UUID:
    """The data server's GUID: the same for the same seed and name."""
    return UUID(bytes=random.Random(f"{settings.seed} {settings.server_name}").randbytes(16), version=4)  # noqa: S311 - not a secret
