"""Later versions of our records: what a newer producer says more than we knew is kept, not dropped. Pure.

Subjects are FULL_TRANSITIVE, so a later version differs by optional fields and by symbols of enums that have a default.
"""

import copy
from typing import Any


def merged(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Our definition of a record with the fields and symbols that theirs has besides; neither is changed.

    What has no default is left out, since our older messages could not be read then.
    """
    return _merged_type(copy.deepcopy(ours), theirs)  # type: ignore[no-any-return]


def _merged_type(ours: Any, theirs: Any) -> Any:
    if isinstance(ours, list) and isinstance(theirs, list):
        return [_merged_type(branch, _like(branch, theirs)) for branch in ours]
    if not isinstance(ours, dict) or not isinstance(theirs, dict) or ours.get("type") != theirs.get("type"):
        return ours
    match ours["type"]:
        case "record":
            ours["fields"] = _merged_fields(ours["fields"], theirs["fields"])
        case "array":
            ours["items"] = _merged_type(ours["items"], theirs["items"])
        case "enum":
            ours["symbols"] += [symbol for symbol in theirs["symbols"] if symbol not in ours["symbols"]]
        case dict():
            ours["type"] = _merged_type(ours["type"], theirs["type"])
    return ours


def _like(branch: Any, branches: list[Any]) -> Any:
    """The branch of another union that has the same kind and name."""
    return next((b for b in branches if isinstance(b, dict) and isinstance(branch, dict) and _sort(b) == _sort(branch)), None)


def _sort(avro: dict[str, Any]) -> tuple[str, str]:
    return str(avro.get("type")), str(avro.get("name", "")).rpartition(".")[2]


def _merged_fields(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    known = {field["name"]: field for field in ours}
    for field in theirs:
        if field["name"] in known:
            mine = known[field["name"]]
            mine["type"] = _merged_type(mine["type"], field["type"])
        elif "default" in field:
            ours.append(copy.deepcopy(field))
    return ours
