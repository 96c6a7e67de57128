"""The only way names and texts get into SQL."""


def name(identifier: str) -> str:
    """A SQL identifier, whatever characters it has."""
    return "`" + identifier.replace("`", "``") + "`"


def text(value: str) -> str:
    """A SQL string literal, whatever characters it has."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def table(path: str) -> str:
    """The Delta table that lies at a path."""
    return f"delta.{name(path)}"
