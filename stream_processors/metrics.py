"""Every figure that the processors show to Prometheus: name, type, unit, labels with all their values, meaning. The only list of them.

No label names a point or a clock group: the number of series is the same for ten points and for half a million.
`docs/metrics-processors.md` is written from here by `python -m stream_processors metrics`.
"""

from typing import get_args

from runtime.figures import Figures
from schemas.records import LateCategory, QualityVerdict, SkewVerdict
from stream_processors.order import DATASETS

REFUSALS = ("undecodable", "unknown_schema", "future")
OUTCOMES = ("judged", "repeated", "refused")


class Metrics(Figures):
    """The figures of one process, from zero."""

    def __init__(self) -> None:
        super().__init__()
        count, show, spread = self._count, self._show, self._spread
        self.frames = count(
            "pibridge_processors_frames",
            "frames",
            "Frames read; `repeated` were counted before, `refused` are those of a time that has not come yet.",
            dataset=DATASETS,
            outcome=OUTCOMES,
        )
        self.values = count("pibridge_processors_values", "values", "Values in frames that were judged.", dataset=DATASETS)
        self.refused = count("pibridge_processors_refused", "messages", "Messages and frames that could not be used.", reason=REFUSALS)
        self.dead_letters = count(
            "pibridge_processors_dead_letters",
            "messages",
            "Dead letters published: each content once, and not more than some a minute.",
        )
        self.missing = count("pibridge_processors_missing_frames", "frames", "Frames that a topic lacks, by the sequences of others.")
        self.late = count(
            "pibridge_processors_late_samples", "samples", "Samples that came late, or from the future.", category=get_args(LateCategory)
        )
        self.skew = count(
            "pibridge_processors_skew_findings", "findings", "What was found of clocks, by state.", state=get_args(SkewVerdict)
        )
        self.quality = count(
            "pibridge_processors_quality_findings", "findings", "Changes that quality checks found.", state=get_args(QualityVerdict)
        )
        self.assessments = count("pibridge_processors_assessments", "periods", "Periods of a shard that were closed.")
        self.belated = count(
            "pibridge_processors_belated_assessments",
            "periods",
            "Periods of a shard that came after the others' were judged: their delays do not count for clocks.",
        )
        self.lag = show(
            "pibridge_processors_lag_seconds", "seconds", "Age of the newest frame that was judged, of the shard that is furthest behind."
        )
        self.waiting = show("pibridge_processors_waiting_frames", "frames", "Frames that came and wait for their turn.")
        self.points = show("pibridge_processors_points", "points", "Points that the shards of this process know.")
        self.state_bytes = count("pibridge_processors_state_bytes", "bytes", "State written to Kafka, compressed.")
        self.state_seconds = spread(
            "pibridge_processors_state_seconds", "seconds", "From taking a moment's state to knowing that Kafka has it."
        )
        self.states_lost = count(
            "pibridge_processors_states_lost", "states", "States that could not be read, or were of another version, and are learnt anew."
        )
        self.rebalances = count("pibridge_processors_rebalances", "rebalances", "How often the group shared out its shards.")
        self.shards_assigned = show("pibridge_processors_shards_assigned", "shards", "Shards that the group gives to this process.")
        self.shards_loaded = show("pibridge_processors_shards_loaded", "shards", "Those of them whose state was read.")
        self.loop_delay = show(
            "pibridge_processors_event_loop_delay_seconds", "seconds", "How late the event loop woke up last, looked at every half second."
        )


def reference() -> str:
    """The page docs/metrics-processors.md."""
    lines = [
        "# Metrics of the stream processors",
        "",
        "Written from `stream_processors/metrics.py` by `python -m stream_processors metrics`; change them there.",
        "",
        "The configuration's section `monitoring` opens one HTTP port with three answers:",
        "",
        "- `/metrics`: the figures below, in Prometheus' text format;",
        "- `/livez`: 200 while the event loop turns and what waits is worked on; else 503, with a sentence, and a restart is right;",
        "- `/readyz`: 200 when the registry answers, and Kafka did at the start, the process is a member of the group and has read the",
        "  state of its shards. Should Kafka go away, the process ends after two minutes.",
        "",
        "No label names a point or a clock group: the number of series does not grow with the plant.",
        "",
        *Metrics().table(),
        "",
    ]
    return "\n".join(lines)
