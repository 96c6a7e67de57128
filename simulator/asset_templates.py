"""What the Asset Framework is designed of: categories, enumeration sets, templates of elements and event frames (pi-web-api.md 5, 6)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.events import State
from simulator.pitime import TICKS_PER_SECOND, format_ticks

ELEMENT_CATEGORIES = ("Production", "Utility", "Rotating equipment")
ATTRIBUTE_CATEGORIES = ("Measurement", "Nameplate", "Limits")
UNIT_NAMES = {
    "m3/h": "cubic meter per hour",
    "m3": "cubic meter",
    "degC": "degree Celsius",
    "bar": "bar",
    "%": "percent",
    "ppm": "parts per million",
    "mm/s": "millimeter per second",
    "kW": "kilowatt",
    "1/min": "revolution per minute",
}
_YEAR_2001 = 978_307_200 * TICKS_PER_SECOND
_DAY = 86_400 * TICKS_PER_SECOND


def _states(*names: str) -> tuple[State, ...]:
    return tuple(State(name, number) for number, name in enumerate(names))


ENUMERATIONS = {
    "Criticality": _states("Low", "Medium", "High"),
    "Reason": _states("Unknown", "Operator", "Process", "Equipment", "Utilities", "Planned"),
}


@dataclass(frozen=True, slots=True)
class AttributeDesign:
    """One attribute of a template. `value` turns 64 bits of chance into the value of a static one.

    Without it the attribute shows a point of its element, or for an event frame of the element the frame is about.
    """

    name: str
    type: str
    value: Callable[[int], Any] | None = None
    qualifier: str = ""
    units: str = ""
    category: str = "Nameplate"
    trait: str = ""
    hidden: bool = False
    excluded: bool = False
    configuration: bool = True


@dataclass(frozen=True, slots=True)
class Template:
    """A template. What is derived from it has its attributes too."""

    name: str
    description: str
    base: str = ""
    instance_type: str = "Element"
    attributes: tuple[AttributeDesign, ...] = ()
    categories: tuple[str, ...] = ()
    severity: str = "None"
    can_be_acknowledged: bool = False


def _one_of(*choices: Any) -> Callable[[int], Any]:
    return lambda chance: choices[chance % len(choices)]


_EQUIPMENT = (
    AttributeDesign("Manufacturer", "String", _one_of("Rotex", "Dürr & Söhne", "Kessler", "")),
    AttributeDesign("Serial number", "String", lambda chance: f"SN-{chance % 10**8:08d}"),
    AttributeDesign("Commissioned", "DateTime", lambda chance: format_ticks(_YEAR_2001 + chance % 9000 * _DAY)),
    AttributeDesign("Criticality", "EnumerationValue", _one_of(*ENUMERATIONS["Criticality"]), qualifier="Criticality"),
    AttributeDesign("In service", "Boolean", lambda chance: chance % 8 != 0, configuration=False),
    AttributeDesign("Inspector", "String", _one_of("A. Keller", None)),
    AttributeDesign("Lifetime counter", "Int64", lambda chance: 2**53 + chance % 2**32, configuration=False),
    AttributeDesign("Characteristic", "Double[]", lambda chance: [0.0, chance % 50 / 2, chance % 90 + 10.0], category="Limits"),
    AttributeDesign("Asset key", "String", lambda chance: f"{chance:016x}", hidden=True),
    AttributeDesign("Former tag", "String", lambda chance: f"OLD{chance % 1000:03d}", excluded=True),
)

_OF_ELEMENTS = (
    Template("Area", "Part of a plant", attributes=(AttributeDesign("Cost centre", "Int32", lambda chance: 4000 + chance % 500),)),
    Template("Unit", "Process unit", attributes=(AttributeDesign("Shift group", "String", _one_of("A", "B", "C")),)),
    Template("Equipment", "Anything with a nameplate", attributes=_EQUIPMENT, categories=("Production",)),
    Template(
        "Pump",
        "Centrifugal pump",
        "Equipment",
        attributes=(AttributeDesign("Rated power", "Single", lambda chance: chance % 40 * 5.5, units="kW"),),
        categories=("Rotating equipment",),
    ),
    Template(
        "Tank",
        "Storage tank",
        "Equipment",
        attributes=(AttributeDesign("Volume", "Double", lambda chance: 50.0 + chance % 900, units="m3"),),
    ),
    Template("Reactor", "Stirred reactor", "Tank", categories=("Production",)),
    Template("Heat exchanger", "Shell and tube", "Equipment"),
    Template("Compressor", "Screw compressor", "Equipment", categories=("Utility", "Rotating equipment")),
)

_REASON = AttributeDesign("Reason", "EnumerationValue", _one_of(*ENUMERATIONS["Reason"]), qualifier="Reason", configuration=False)
_OPERATOR = AttributeDesign("Operator", "String", _one_of("m.huber", "s.lang", "", "k.øst"), configuration=False)
_MEASURED = AttributeDesign("Measurement", "Double", category="Measurement", configuration=False)


def _of_frames(
    name: str, description: str, base: str = "", *attributes: AttributeDesign, severity: str = "None", ack: bool = False
) -> Template:
    return Template(name, description, base, "EventFrame", attributes, (), severity, ack)


_OF_EVENT_FRAMES = (
    _of_frames("Event", "Anything with a begin and an end", "", _OPERATOR),
    _of_frames(
        "Production batch",
        "One batch",
        "Event",
        AttributeDesign("Product", "String", _one_of("Resin 7", "Resin 12", "Härter B"), configuration=False),
        AttributeDesign("Lot", "Int32", lambda chance: chance % 90_000 + 10_000, configuration=False),
    ),
    _of_frames("Batch phase", "One step of a batch", "Event", _MEASURED),
    _of_frames("Process alarm", "Limit violated", "Event", _REASON, _MEASURED, severity="Warning", ack=True),
    _of_frames("High alarm", "Above its limit", "Process alarm", severity="Major", ack=True),
    _of_frames("Low alarm", "Below its limit", "Process alarm", severity="Minor", ack=True),
    _of_frames("Equipment downtime", "Not running", "Event", _REASON, _MEASURED, severity="Information", ack=True),
    _of_frames(
        "Maintenance order", "Work on equipment", "Event", AttributeDesign("Order", "String", lambda chance: f"WO-{chance % 10**6:06d}")
    ),
)

TEMPLATES: tuple[Template, ...] = (*_OF_ELEMENTS, *_OF_EVENT_FRAMES)
BY_NAME = {template.name: template for template in TEMPLATES}


def chain(name: str) -> list[Template]:
    """The template and those it is derived from, itself first."""
    found = []
    while name:
        found.append(BY_NAME[name])
        name = found[-1].base
    return found


def is_a(name: str, ancestor: str) -> bool:
    """Whether the template `name` is `ancestor` or derived from it. Names are compared without case."""
    return bool(name) and any(template.name.lower() == ancestor.lower() for template in chain(name))


def designs_of(name: str) -> list[AttributeDesign]:
    """The attributes of the template, those of its bases first."""
    return [design for template in reversed(chain(name)) for design in template.attributes]
