"""Every figure that the bridge shows to Prometheus: name, type, unit, labels with all their values, meaning. The only list of them.

No label names a point, a stream or a shard's incarnation: the number of series is the same for ten points and for half a million.
`docs/metrics.md` is written from here by `python -m bridge metrics`.
"""

from collections import Counter as TallyOf
from collections.abc import Iterable
from typing import get_args

from bridge.census import Census, PointState
from bridge.rules import Purpose
from runtime.figures import Figures
from schemas.records import IncidentKind, ValueFrame
from schemas.topics import DEAD_LETTERS, HISTORY, LIVE, OF_BRIDGE, RECORDED, Topic

VALUE_DATASETS = tuple(topic.dataset for topic in (LIVE, RECORDED, HISTORY))
DATASETS = tuple(topic.dataset for topic in OF_BRIDGE)
REQUEST_KINDS = ("batch", "points", "dataservers", "clock", "token", "other")
STATUS_CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")
PURPOSES = tuple(purpose.name.lower() for purpose in Purpose)
INCIDENT_KINDS = get_args(IncidentKind)
POINT_STATES = get_args(PointState)


class Metrics(Figures):
    """The figures of one process, from zero; and what happened, told in the words of the bridge."""

    def __init__(self) -> None:
        super().__init__()
        self._define_what_is_committed()
        self._define_what_pi_does()
        self._define_coverage()
        self._define_the_process()

    def _define_what_is_committed(self) -> None:
        count, spread = self._count, self._spread
        self.values = count(
            "pibridge_committed_values",
            "values",
            "Values in committed frames: previews, and samples of statements.",
            dataset=VALUE_DATASETS,
        )
        self.frames = count("pibridge_committed_frames", "frames", "Committed ValueFrames.", dataset=VALUE_DATASETS)
        self.bytes = count(
            "pibridge_committed_bytes", "bytes", "Encoded values of committed Kafka messages, before compression.", dataset=DATASETS
        )
        self.transactions = count(
            "pibridge_transactions",
            "transactions",
            "Transactions tried, by shards and the inventory; `failed` ended an incarnation.",
            outcome=("committed", "failed"),
        )
        self.transaction_seconds = spread("pibridge_transaction_seconds", "seconds", "From the begin of a transaction to its commit.")
        self.dead_letters = count("pibridge_dead_letters", "messages", "Committed dead letters: bytes that could not be used.")

    def _define_what_pi_does(self) -> None:
        count, show, spread = self._count, self._show, self._spread
        self.requests = count(
            "pibridge_pi_requests",
            "requests",
            "Requests to PI Web API and to its token endpoint; `none`: no answer came.",
            kind=REQUEST_KINDS,
            status=STATUS_CLASSES,
        )
        self.request_seconds = spread(
            "pibridge_pi_request_seconds",
            "seconds",
            "From sending a request to the last byte of its answer; waiting for the budget does not count.",
            kind=REQUEST_KINDS,
        )
        self.values_read = count(
            "pibridge_pi_values_read", "values", "Values in answers of PI's archive, by what they were read for.", purpose=PURPOSES
        )
        self.channels_open = show("pibridge_channels_open", "channels", "Channels that are open now.")
        self.channels_lost = count("pibridge_channels_lost", "channels", "Channels that were open and were lost.")
        self.reconnects = count("pibridge_channel_reconnects", "attempts", "Attempts to open a channel again, successful or not.")
        self.clock_read = show(
            "pibridge_pi_clock_read_timestamp_seconds",
            "seconds since 1970",
            "When PI's clock was last read, by ours; 0: never. Nothing can be stated without it.",
        )
        self.clock_ahead = show(
            "pibridge_pi_clock_ahead_seconds",
            "seconds",
            "PI's clock minus ours at that moment; the network's delay makes it a little small.",
        )

    def _define_coverage(self) -> None:
        show = self._show
        self.points = show(
            "pibridge_points",
            "points",
            "Points in scope: `uncovered` before their first read, `filling` while back-fill is under way, then `covered`.",
            state=POINT_STATES,
        )
        self.dirty_hours = show(
            "pibridge_dirty_hours", "hours of a point", "Hours of covered data that have to be read again, over all points."
        )
        self.coverage_lag = show(
            "pibridge_coverage_lag_seconds",
            "seconds",
            "The oldest coverage lag: how far the newest value of a point is ahead of its covered end, for the point where that is most.",
        )
        self.oldest_read = show(
            "pibridge_oldest_read_seconds",
            "seconds",
            "How long ago, by PI's clock, the point was read forward that has waited longest for it.",
        )
        self.reread_overdue = show(
            "pibridge_reread_overdue_seconds",
            "seconds",
            "How long the data has waited that is to be read once more at an age (coverage.reread_ages_seconds), where that is longest.",
        )
        self.away_hours = show(
            "pibridge_archive_away_hours",
            "hours of a point",
            "Data that PI could not show because its archive was away; it is asked for once a day, and is not stated until then.",
        )
        self.incidents = show("pibridge_incidents_open", "incidents", "Incidents that are not closed.", kind=INCIDENT_KINDS)

    def _define_the_process(self) -> None:
        count, show = self._count, self._show
        self.waiting_bytes = show(
            "pibridge_waiting_bytes", "bytes", "What was gathered and is not committed; at delivery.waiting_bytes channels are closed."
        )
        self.shards_assigned = show("pibridge_shards_assigned", "shards", "Shards that the group gives to this process.")
        self.shards_owned = show("pibridge_shards_owned", "shards", "Shards of these that were taken over and commit.")
        self.take_overs = count("pibridge_take_overs", "take-overs", "Take-overs of a shard: its epoch grew and was committed.")
        self.fencings = count(
            "pibridge_fencings",
            "fencings",
            "How often another producer took a shard's place; three in ten minutes, of a shard that stays ours, stop the process.",
        )
        self.loop_delay = show(
            "pibridge_event_loop_delay_seconds", "seconds", "How late the event loop woke up last, looked at every half second."
        )

    # -- what happened ------------------------------------------------------------------------------------------------------------

    def committed(self, frames: Iterable[tuple[Topic, ValueFrame]], message_bytes: Iterable[tuple[str, int]], seconds: float) -> None:
        """A transaction is committed: its frames by topic, the dataset and size of each of its messages, how long it took."""
        for topic, frame in frames:
            self.frames.labels(topic.dataset).inc()
            self.values.labels(topic.dataset).inc(sum(len(series["samples"]) for series in frame["series"]))
        for dataset, size in message_bytes:
            self.bytes.labels(dataset).inc(size)
            if dataset == DEAD_LETTERS.dataset:
                self.dead_letters.inc()
        self.transactions.labels("committed").inc()
        self.transaction_seconds.observe(seconds)

    def answered(self, kind: str, status: int | None, seconds: float) -> None:
        """PI answered a request, or did not (None)."""
        known = kind if kind in REQUEST_KINDS else "other"
        status_class = f"{status // 100}xx" if status is not None else "none"
        self.requests.labels(known, status_class if status_class in STATUS_CLASSES else "none").inc()
        self.request_seconds.labels(known).observe(seconds)

    def read(self, purpose: Purpose, values: int) -> None:
        """The archive answered a read with so many values."""
        self.values_read.labels(purpose.name.lower()).inc(values)

    def stock(self, counted: Census, waiting_bytes: int, incidents: Iterable[str], assigned: int, owned: int) -> None:
        """How shards and points are now: the census, the kinds of the incidents that are open, and so on."""
        for state in POINT_STATES:
            self.points.labels(state).set(counted.states[state])
        self.dirty_hours.set(counted.dirty_hours)
        self.coverage_lag.set(counted.lag_seconds)
        self.oldest_read.set(counted.oldest_read_seconds)
        self.reread_overdue.set(counted.reread_overdue_seconds)
        self.away_hours.set(counted.away_hours)
        open_by_kind = TallyOf(incidents)
        for kind in INCIDENT_KINDS:
            self.incidents.labels(kind).set(open_by_kind[kind])
        self.waiting_bytes.set(waiting_bytes)
        self.shards_assigned.set(assigned)
        self.shards_owned.set(owned)


def reference() -> str:
    """The page docs/metrics.md."""
    lines = [
        "# Metrics of the bridge",
        "",
        "Written from `bridge/metrics.py` by `python -m bridge metrics`; change them there.",
        "",
        "`monitoring: {host: 127.0.0.1, port: 9464}` in the configuration opens one HTTP port with three answers:",
        "",
        "- `/metrics`: the figures below, in Prometheus' text format;",
        "- `/livez`: 200 while the event loop turns and no shard's commits stand still; else 503, with a sentence, and a restart is right;",
        "- `/readyz`: 200 when PI, Kafka and the registry are known, the process is a member of the group and has taken over its shards.",
        "",
        "It asks for no password and shows no values, so it is bound to this machine unless told otherwise. No label names a point: the",
        "number of series does not grow with the plant.",
        "",
        *Metrics().table(),
        "",
    ]
    return "\n".join(lines)
