"""What a plant's PI sends to a bridge, made up from a seed: for benchmarks of the bridge.

The points are of the kinds that a plant has: of a hundred 87 with floating-point numbers (two of them fail now and then and give system
states), 5 with integers, 5 digital, 3 with texts. Times have PI's seven digits, less trailing zeros.
"""

import json
import random
from typing import Any, NamedTuple

from bridge import pitime
from bridge.points import Point
from schemas.times import TICKS_PER_SECOND

POINTS = 100
BEGIN = pitime.parse("2024-01-01T00:00:00Z")
END = BEGIN + 7200 * TICKS_PER_SECOND


class Sender(NamedTuple):
    """What sends values."""

    number: int
    fails: bool
    point: Point


def senders() -> list[Sender]:
    """A hundred of them."""
    kinds = ["Float32"] * 87 + ["Int32"] * 5 + ["Digital"] * 5 + ["String"] * 3
    web_id = "F1DPEmoryo_bV0GzilxLXH31pgLAcAAAQUJDX1BJX09QU1x{:04d}"
    return [
        Sender(n, n < 2, Point(f"main:{1000 + n}", "main", web_id.format(n), f"TI{14013 + n}.PV", "degC", kind, BEGIN))
        for n, kind in enumerate(kinds)
    ]


def value_of(sender: Sender, chance: random.Random) -> Any:
    if sender.fails and chance.random() < 0.05:
        return {"Name": "I/O Timeout", "Value": 246, "IsSystem": True}
    match sender.point.point_type:
        case "Int32":
            return chance.randrange(-5000, 5000)
        case "Digital":
            state = chance.randrange(4)
            return {"Name": ("Off", "On", "Manual", "Fault")[state], "Value": state, "IsSystem": False}
        case "String":
            return f"batch {chance.randrange(10**6)}: filling"
    return round(chance.uniform(-50, 500), 5)


def item(sender: Sender, ticks: int, chance: random.Random) -> dict[str, Any]:
    value = value_of(sender, chance)
    good = not (isinstance(value, dict) and value["IsSystem"])
    text = pitime.text_of(ticks)[:-1].rstrip("0").rstrip(".") + "Z"
    return {"Timestamp": text, "Value": value, "Good": good, "Questionable": False, "Substituted": False, "Annotated": False}


def batch_answer(of: list[Sender], chance: random.Random, values: int) -> bytes:
    """Recorded values of each point, so many of them from BEGIN to END, as the batch controller answers."""
    step = (END - BEGIN) // values
    answers = {}
    for sender in of:
        items = [item(sender, BEGIN + n * step + chance.randrange(step), chance) for n in range(values)]
        answers[str(sender.number)] = {"Status": 200, "Headers": {"Content-Type": "application/json"}, "Content": {"Items": items}}
    return json.dumps(answers, separators=(",", ":")).encode()


def messages(of: list[Sender], streams: int, values: int, chance: random.Random, total: int) -> list[str]:
    """Channel messages with so many streams, and so many values of each, `total` in all, as a server sends them second by second."""
    made = []
    for n in range(total // (streams * values)):
        now = BEGIN + n * TICKS_PER_SECOND
        chosen = [of[(n + k) % len(of)] for k in range(streams)]
        items = [
            {
                "WebId": sender.point.web_id, "Name": sender.point.tag, "Path": rf"\\ABC_PI_Ops\{sender.point.tag}", "Links": {},
                "Items": [
                    item(sender, now + k * 10**6 + chance.randrange(10**6), chance) | {"UnitsAbbreviation": ""} for k in range(values)
                ],
                "UnitsAbbreviation": "",
            }
            for sender in chosen
        ]  # fmt: skip
        made.append(json.dumps({"Links": {}, "Items": items}, separators=(",", ":")))
    return made
