"""The plant of these proofs: its size and load, and what of it the journal has."""

import json
from pathlib import Path

from proofs.deployment import Conditions

VALUES_PER_SECOND = 2000
"""The least that the points in scope from the start must have been given, on average, while the plant ran."""
DIGITS_FROM_START = "0123456"
"""Points whose ids end so are in scope from the start; the others are added where a point needs new points."""
JOB_SECONDS = VERIFIER_SECONDS = 1800.0


def selection(digits: str) -> tuple[dict[str, str], ...]:
    """Selections of the points whose ids end with one of the digits."""
    return tuple({"server": "main", "name_filter": f"*{digit}.PV"} for digit in digits)


def conditions(points: int = 600, rate: int = 2700) -> Conditions:
    """A plant with late values, edits and deletions, and a bridge that is often owed something: short pages, short seals."""
    return Conditions(
        plant=(
            "--profile", "verify", "--points", str(points), "--rate", str(rate), "--history", "240",
            "--late", "4", "--edits", "1", "--deletes", "1", "--event-frames", "0",
        ),
        points=selection(DIGITS_FROM_START),
        settings={
            "pi.load": {"page_values": 200, "batch_points": 50, "requests_per_second": 30.0, "concurrency": 4},
            "coverage": {
                "seal_previews": 5, "seal_min_seconds": 3, "seal_max_seconds": 8, "quiet_seconds": 10, "blind_margin_seconds": 1800,
            },
            "delivery": {"frame_bytes": 256_000},
        },
        job_seconds=JOB_SECONDS,
        verifier_seconds=VERIFIER_SECONDS,
    )  # fmt: skip


def values_per_second(journal: Path) -> float:
    """Values that PI got for the points in scope from the start, by second between the first and the last channel message."""
    chosen: set[int] = set()
    times: list[int] = []
    written = 0
    with journal.open(encoding="utf-8") as lines:
        for line in lines:
            if '"k":"write"' in line or '"k": "write"' in line:
                entry = json.loads(line)
                written += entry["p"] in chosen
                times = [times[0] if times else entry["at"], entry["at"]]
            elif '"k":"point"' in line or '"k": "point"' in line:
                entry = json.loads(line)
                if entry["name"].removesuffix(".PV")[-1] in DIGITS_FROM_START:
                    chosen.add(entry["p"])
    return written / max((times[1] - times[0]) / 1e7, 1.0) if times else 0.0
