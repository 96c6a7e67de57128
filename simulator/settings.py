"""What a simulator can be told."""

from dataclasses import dataclass
from pathlib import Path

PROFILES = ("steady", "bursty", "aveva", "idle", "verify")


class BadSettings(ValueError):
    """The simulator cannot start like this. The message says what to change."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Ports of 0 mean free ones. `user` None means anonymous access. `replay` holds (point name, CSV file)."""

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    server_name: str = "PISIM"
    points: int = 1000
    rate_per_second: float = 100.0
    seed: int = 1
    history_seconds: float = 3600.0
    tick_seconds: float = 0.5
    compression: bool = True
    server_utc_offset_hours: float = -6.0
    user: str | None = None
    password: str = ""
    client_id: str | None = None
    client_secret: str = ""
    token_seconds: float = 3600.0
    negotiate: bool = False
    rate_limit: int = 1000
    profile: str = "steady"
    special_points: int = 0
    elements: int | None = None
    af_cache_seconds: float = 60.0
    event_frames_per_minute: float = 1.0
    late_per_second: float | None = None
    edits_per_second: float | None = None
    deletes_per_second: float | None = None
    journal: Path | None = None
    faults: Path | None = None
    replay: tuple[tuple[str, Path], ...] = ()

    @property
    def load_per_second(self) -> float:
        """Values per second of all points: AVEVA's rule of thumb is 50 for each 1,000 points; an idle plant sends a twentieth."""
        return {"aveva": self.points * 0.05, "idle": self.rate_per_second / 20}.get(self.profile, self.rate_per_second)

    @property
    def element_count(self) -> int:
        """Elements of the Asset Framework: unless asked for otherwise, so many that each piece of equipment has about ten points."""
        return 10 + self.points // 9 if self.elements is None else self.elements

    @property
    def corrections_per_second(self) -> tuple[float, float, float]:
        """Late values, edits and deletions: none unless asked for, or in the `verify` profile a few per cent of the load."""
        usual = self.load_per_second if self.profile == "verify" else 0.0
        asked = (self.late_per_second, self.edits_per_second, self.deletes_per_second)
        late, edits, deletes = (usual * share if rate is None else rate for rate, share in zip(asked, (0.02, 0.005, 0.005), strict=True))
        return late, edits, deletes

    def check(self) -> None:
        """Raises `BadSettings`."""
        for wrong, sentence in (
            (not 0 <= self.points <= 1_000_000, "--points must lie between 0 and 1,000,000"),
            (self.profile not in PROFILES, f"--profile must be one of {', '.join(PROFILES)}"),
            (
                not all(0 <= rate <= 10_000 for rate in self.corrections_per_second),
                "--late, --edits and --deletes must lie between 0 and 10,000",
            ),
            (not 0 <= self.special_points <= self.points, "--special-points must lie between 0 and the number of --points"),
            (not 0 <= self.element_count <= 200_000, "--elements must lie between 0 and 200,000"),
            (not 0 <= self.af_cache_seconds <= 86_400, "--af-cache must lie between 0 and 86,400 seconds"),
            (not 0 <= self.event_frames_per_minute <= 6000, "--event-frames must lie between 0 and 6,000 per minute"),
            (not 0 <= self.rate_per_second <= 1_000_000, "--rate must lie between 0 and 1,000,000 values per second"),
            (not 0 <= self.history_seconds <= 10 * 366 * 86400, "--history must lie between 0 seconds and ten years"),
            (not 0.01 <= self.tick_seconds <= 60, "--tick must lie between 0.01 and 60 seconds"),
            (not -14 <= self.server_utc_offset_hours <= 14, "--server-utc-offset-hours must lie between -14 and 14"),
            (not self.server_name or "\\" in self.server_name, "--server-name must not be empty nor contain a backslash"),
            (self.user is not None and not self.password, "--user needs a password, from the variable named by --password-env"),
            (
                self.client_id is not None and not self.client_secret,
                "--client-id needs a secret, from the variable of --client-secret-env",
            ),
            (self.client_id is not None and self.negotiate, "--client-id and --negotiate exclude each other, as Bearer and Kerberos do"),
            (not 1 <= self.token_seconds <= 1e8, "--token-seconds must lie between 1 and 100,000,000"),
            (not 0 <= self.rate_limit <= 10_000_000, "--rate-limit must lie between 0, for none, and 10,000,000"),
            (self.user == "" or ":" in (self.user or ""), "--user must not be empty nor contain a colon"),
        ):
            if wrong:
                raise BadSettings(sentence)
