"""The configuration file of a demo: what every process of it reads."""

from pathlib import Path
from typing import Any

import yaml

from console.plant import Plant
from console.stack import Stack

CSV_POINT = "machine_temperature"
CSV_FILE = "history/machine_temperature_system_failure.csv"
_CSV_START = "2013-12-02T21:15:00Z"
PASSWORD = "PIBRIDGE_DEMO_PASSWORD"  # noqa: S105 - the name of a variable
SERVER = "main"
"""The data server's alias."""
LATE_SECONDS = 15.0
"""A value is late from here on: above the ten seconds of the profile `bursty`, below the time for which an interface is held."""


def processors(profile: str) -> dict[str, Any]:
    """What the processors are told. With their defaults they would find nothing in a minute.

    A clock is known after five periods and wrong after two more, if it is heard in three of ten: so a period is 2 s in place of a minute,
    and ten where values come in bursts of ten. Thresholds, which take twenty minutes to be learnt, are given.
    """
    late = {"thresholds": [{"name_filter": "*", "threshold_seconds": LATE_SECONDS}], "silence_seconds": LATE_SECONDS}
    return {"period_seconds": 10 if profile == "bursty" else 2, "state_seconds": 5.0, "lateness": late}


def write(stack: Stack, plant: Plant, profile: str) -> Path:
    """Writes the configuration for this stack, plant and profile of load; answers where it is."""
    document = {
        "source": "demo",
        "pi": {
            "url": plant.url,
            "auth": {"kind": "basic", "username": "pibridge", "password": f"${{env:{PASSWORD}}}"},
            "servers": {SERVER: plant.server_id},
            "points": [{"server": SERVER, "name_filter": CSV_POINT, "start": _CSV_START}, {"server": SERVER}],
            "load": {"requests_per_second": 50.0},
        },
        "kafka": {"bootstrap_servers": stack.bootstrap_servers, "replication": 1},
        "registry": {"url": stack.registry_url},
        "coverage": {
            "start": "2h", "settle_seconds": 3, "seal_previews": 5, "seal_min_seconds": 5, "seal_max_seconds": 10,
            "quiet_seconds": 60, "blind_margin_seconds": 3600,
        },
        "delivery": {"shards": 4},
        "processors": processors(profile),
        "lakehouse": {
            "warehouse": str(stack.warehouse),
            "checkpoints": str(stack.directory / "checkpoints"),
            "spark": stack.brief_spark,
            "catalog": None if stack.catalog_uri is None else {"uri": stack.catalog_uri},
        },
    }  # fmt: skip
    path = stack.directory / "pibridge.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path
