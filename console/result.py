"""What a demo came to."""

from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA_VERSION = 1


@dataclass
class Result:
    """The demo's figures, as `--json` prints them."""

    schema_version: int = SCHEMA_VERSION
    result: str = "failed"
    points: int = 0
    points_covered: int = 0
    oldest_coverage_lag_seconds: float = 0.0
    previews: int = 0
    statements: int = 0
    rows_bronze: int = 0
    rows_silver: int = 0
    """Events in silver.pi_timeseries_cleaned."""
    archived_in_scope: int = 0
    csv_rows: int = 0
    lost: int = 0
    invented: int = 0
    wrong: int = 0
    duplicates: int = 0
    sockets_lost: int = 0
    late_inserted_found: int = 0
    """Values inserted late that are stated in bronze."""
    dead_letters: int = 0
    late_planted: dict[str, int] = field(default_factory=dict)
    """Values that were to be found late by the processors, by cause."""
    late_found: dict[str, int] = field(default_factory=dict)
    """Values that the processors found late, by cause."""
    skew_planted_seconds: dict[str, float] = field(default_factory=dict)
    """Clock groups whose clock is wrong on purpose, and what has to be added to their timestamps."""
    skew_seconds: dict[str, float] = field(default_factory=dict)
    """The same as the processors estimate it, of every clock group that they have judged."""
    skewed: tuple[str, ...] = ()
    """Clock groups whose clock the processors call wrong."""
    not_found: tuple[str, ...] = ()
    """What was planted and not found, sentences."""
    seconds_to_first_preview_in_kafka: float | None = None
    seconds_to_first_bronze_commit: float | None = None
    catalog_tables: int | None = None
    verifier: dict[str, int] | None = None
    """Failures by check; null unless the verifier was asked for."""
    examples: dict[str, str] = field(default_factory=dict)
    unsettled: str | None = None
    """What had not settled when the proof was made, if anything."""
    versions: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The result as a JSON object."""
        return asdict(self)
