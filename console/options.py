"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from schemas import config

ConfigOption = Annotated[Path, typer.Option("--config", envvar=config.CONFIG_VARIABLE, help="Configuration file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
DEFAULT_CONFIG = Path(config.DEFAULT_CONFIG)
ReasonOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Kept with it, for others to read.")]
