"""The only way names, texts and instants get into SQL."""


def name(identifier: str) -> str:
    """A SQL identifier, whatever characters it has."""
    return "`" + identifier.replace("`", "``") + "`"


def text(value: str) -> str:
    """A SQL string literal, whatever characters it has."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def instant(micros: int) -> str:
    """A SQL timestamp, of microseconds since 1970."""
    return f"timestamp_micros({micros})"


def table(path: str) -> str:
    """The Delta table that lies at a path."""
    return f"delta.{name(path)}"
