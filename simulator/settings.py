"""What a simulator can be told."""

from dataclasses import dataclass
from pathlib import Path


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
    replay: tuple[tuple[str, Path], ...] = ()

    def check(self) -> None:
        """Raises `BadSettings`."""
        for wrong, sentence in (
            (not 0 <= self.points <= 1_000_000, "--points must lie between 0 and 1,000,000"),
            (not 0 <= self.rate_per_second <= 1_000_000, "--rate must lie between 0 and 1,000,000 values per second"),
            (not 0 <= self.history_seconds <= 10 * 366 * 86400, "--history must lie between 0 seconds and ten years"),
            (not 0.01 <= self.tick_seconds <= 60, "--tick must lie between 0.01 and 60 seconds"),
            (not -14 <= self.server_utc_offset_hours <= 14, "--server-utc-offset-hours must lie between -14 and 14"),
            (not self.server_name or "\\" in self.server_name, "--server-name must not be empty nor contain a backslash"),
            (self.user is not None and not self.password, "--user needs a password, from the variable named by --password-env"),
            (self.user == "" or ":" in (self.user or ""), "--user must not be empty nor contain a colon"),
        ):
            if wrong:
                raise BadSettings(sentence)
