"""The archive as the journal tells it: written from journal.md alone, without the store."""

from collections.abc import Iterable
from typing import Any


def archives(lines: Iterable[dict[str, Any]]) -> dict[int, list[list[Any]]]:
    """Of each point the archived events as [t, v, f], in the server's order, at the end of the journal."""
    events: dict[int, list[Any]] = {}
    order: dict[int, list[tuple[int, int, int, int]]] = {}
    for line in lines:
        kind = line["k"]
        if kind == "point":
            order[line["p"]] = []
        elif kind == "write":
            events[line["id"]] = [line["t"], line["v"], line["f"]]
        elif kind == "history":
            for i, event in enumerate(line["events"]):
                events[line["id"] + i] = list(event)
                order[line["p"]].append((event[0], 0, line["id"] + i, line["id"] + i))
        elif kind == "archive":
            if line["id"] in events:
                order[line["p"]].append((events[line["id"]][0], 1, line["n"], line["id"]))
        elif kind == "edit":
            events[line["id"]][1:] = [line["v"], line["f"]]
        elif kind == "delete":
            del events[line["id"]]
    return {point: [events[key] for *_, key in sorted(places) if key in events] for point, places in order.items()}
