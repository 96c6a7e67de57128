"""V8: each cut channel has an incident that covers it, and each incident closes. Pure."""

from collections.abc import Iterable, Mapping

from verifier.events import time_text
from verifier.findings import Findings
from verifier.frames import Incident, Records
from verifier.shards import shard_of
from verifier.truth import Disconnect, Truth

TOLERANCE = 10_000_000
"""The bridge's idea of PI's clock may be off by a request's way: one second at most."""
MOST_KEYS = 100
"""An incident names at most so many points; one about more is taken to be about all of the channel."""


def check_disconnects(truth: Truth, keys: Mapping[int, str], records: Records, findings: Findings) -> None:
    """`keys`: the point key by point id, of the points that the bridge knows."""
    latest: dict[str, Incident] = {}
    for version in records.incidents:
        latest[version.incident_id] = version
    findings.examined["incidents"] = len(latest)
    for incident in latest.values():
        if incident.state != "CLOSED":
            text = f"incident {incident.incident_id} ({incident.kind}, since {time_text(incident.begin)}) is {incident.state}, not closed"
            findings.fail("V8", text, 1, (incident.incident_id, incident.begin))
    for disconnect in truth.disconnects:
        named = {keys[point] for point in disconnect.points if point in keys}
        if not named:
            continue
        findings.examined["disconnects"] += 1
        for shard in sorted({shard_of(key, records.partitions) for key in named}):
            ours = {key for key in named if shard_of(key, records.partitions) == shard}
            if unnamed := ours - _covered(truth, latest.values(), shard, ours, disconnect):
                text = (
                    f"channel {disconnect.channel} of {len(disconnect.points)} points was cut ({disconnect.why}) at "
                    f"{time_text(disconnect.at)}, and no incident of shard {shard} covers that for {min(unnamed)}"
                )
                findings.fail("V8", text, 1, (disconnect.channel, disconnect.at))


def _covered(truth: Truth, incidents: Iterable[Incident], shard: int, keys: set[str], disconnect: Disconnect) -> set[str]:
    """Those of the points that incidents are about whose period has the moment of the cut in it."""
    covered: set[str] = set()
    for incident in incidents:
        begun = truth.clock.moments(incident.begin)[0] - TOLERANCE <= disconnect.at
        lasted = incident.end is None or disconnect.at <= truth.clock.moments(incident.end)[-1] + TOLERANCE
        if incident.shard in (shard, None) and begun and lasted:
            covered |= keys if incident.points > MOST_KEYS else keys & set(incident.point_keys)
    return covered
