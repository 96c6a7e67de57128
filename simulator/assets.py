"""The Asset Framework as a model: plant > areas > units > equipment and their attributes, built when first asked for (pi-web-api.md 5).

Names, GUIDs and static values are functions of seed, server name and place in the tree, so the same plant is the same tomorrow.
One piece of equipment in fifty stands under a second unit too, and one holds a weak reference to its own area, which is a cycle.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from simulator.asset_templates import AttributeDesign, Template, chain, designs_of
from simulator.events import Event
from simulator.formulas import Formula
from simulator.pitime import TICKS_PER_SECOND
from simulator.profiles import mix
from simulator.sources import Readings
from simulator.store import Store, Stream

DATABASE = "Chemical Works"
_AREAS = ("Crude unit", "Reforming", "Hydrotreater", "Utilities", "Tank farm", "Prüffeld", "Blending")
_KINDS = ("Pump", "Tank", "Reactor", "Heat exchanger", "Compressor")
_EQUIPMENT_PER_UNIT = 8
_SHARED_ONE_IN = 50
TYPES = {
    "Float16": "Single",
    "Float32": "Single",
    "Float64": "Double",
    "Int16": "Int16",
    "Int32": "Int32",
    "Digital": "EnumerationValue",
    "String": "String",
    "Timestamp": "DateTime",
    "Blob": "Byte[]",
}


@dataclass(slots=True, eq=False)
class Element:
    """An element. `parents` begins with the primary one; of a root it may be empty. Children are by upper-cased name."""

    id: UUID
    name: str
    template: str = ""
    description: str = ""
    streams: tuple[Stream, ...] = ()
    children: dict[str, "Element"] = field(default_factory=dict)
    parents: list["Element"] = field(default_factory=list)
    top: bool = False
    attributes: tuple["Attribute", ...] | None = None

    @property
    def categories(self) -> list[str]:
        found = [name for template in (chain(self.template) if self.template else []) for name in template.categories]
        return list(dict.fromkeys(found))


@dataclass(slots=True, eq=False)
class Attribute:
    """An attribute of an element or an event frame (`owner` is its GUID). Without `readings` it is static and has the value `fixed`."""

    id: UUID
    owner: UUID
    name: str
    type: str
    plug_in: str = ""
    config: str = ""
    readings: Readings | None = None
    stream: Stream | None = None
    fixed: Event | None = None
    design: AttributeDesign | None = None
    template: Template | None = None
    qualifier: str = ""
    units: str = ""
    category: str = ""
    description: str = ""
    trait: str = ""
    parent: "Attribute | None" = None
    children: tuple["Attribute", ...] = ()

    @property
    def full_name(self) -> str:
        """Its part of a path: parent and child are divided by a bar."""
        return self.name if self.parent is None else f"{self.parent.full_name}|{self.name}"

    @property
    def excluded(self) -> bool:
        return self.design is not None and self.design.excluded

    @property
    def hidden(self) -> bool:
        return self.design is not None and self.design.hidden


class Assets:
    """One asset server with one database. What `create` adds is seen when the server's cache has been refreshed (pi-web-api.md 7.4)."""

    def __init__(self, store: Store, server_id: UUID, server_name: str, elements: int, cache_seconds: float) -> None:
        self.store = store
        self.server_id = uuid5(server_id, "asset server")
        self.server_name = f"{server_name}-AF"
        self.database_id = self.guid("database")
        self._data_server = server_name
        self._size = elements
        self._cache_ticks = round(cache_seconds * TICKS_PER_SECOND)
        self._waiting: list[tuple[int, Element, Element | None]] = []
        self._roots: dict[str, Element] | None = None
        self._by_id: dict[UUID, Element] = {}

    def guid(self, *words: object) -> UUID:
        """The GUID of the thing those words name: always the same."""
        return uuid5(self.server_id, "\n".join(str(word) for word in words))

    @property
    def path(self) -> str:
        """Of the database."""
        return f"\\\\{self.server_name}\\{DATABASE}"

    @property
    def roots(self) -> dict[str, Element]:
        """The elements at the top of the database, by upper-cased name."""
        if self._roots is None:
            self._roots = {}
            self._build()
        return self._roots

    @property
    def by_id(self) -> dict[UUID, Element]:
        """Every element there is for a client."""
        return self._by_id if self.roots else {}

    # Building

    def _build(self) -> None:
        rest = self._size - 1
        if rest < 0:
            return
        plant = self._new("Works", None, "", "The whole plant")
        areas = [self._new(name, plant, "Area", f"Area {name}") for name in _AREAS[:rest]]
        rest -= len(areas)
        units: list[Element] = []
        for number in range(-(-rest // (_EQUIPMENT_PER_UNIT + 1))):
            units.append(self._new(f"Unit {number + 10}", areas[number % len(areas)], "Unit", "Process unit"))
        equipment = [self._equipment(number, units, rest - len(units)) for number in range(rest - len(units))]
        self._refer(equipment, units)

    def _equipment(self, number: int, units: list[Element], count: int) -> Element:
        streams = self.store.streams
        first, end = number * len(streams) // count, (number + 1) * len(streams) // count
        kind = _KINDS[mix(number) % len(_KINDS)]
        unit = units[number % len(units)]
        return self._new(f"{kind} {number + 101}", unit, kind, f"{kind} of {unit.name}", tuple(streams[first:end]))

    def _refer(self, equipment: list[Element], units: list[Element]) -> None:
        """The second parents, and the cycle."""
        for number in range(0, len(equipment), _SHARED_ONE_IN):
            other = units[(number + 1) % len(units)]
            if other not in equipment[number].parents:
                self.attach(equipment[number], other)
        if equipment:
            # The last piece holds its own area: a weak reference, so the area's primary parent stays the plant.
            self.attach(equipment[-1].parents[0].parents[0], equipment[-1])

    def _new(self, name: str, parent: Element | None, template: str, description: str, streams: tuple[Stream, ...] = ()) -> Element:
        element = Element(self.guid("element", name), name, template, description, streams)
        self._link(element, parent)
        return element

    def _link(self, element: Element, parent: Element | None) -> None:
        self._by_id[element.id] = element
        if parent is None:
            element.top = True
            self.roots[element.name.upper()] = element
        else:
            self.attach(element, parent)

    def attach(self, element: Element, parent: Element) -> None:
        """Makes `element` a child of `parent` beside what it is already."""
        parent.children[element.name.upper()] = element
        element.parents.append(parent)

    # What is created later

    def create(self, name: str, parent: Element | None, template: str, streams: tuple[Stream, ...], now: int) -> Element:
        """A new element, which clients are shown when the cache is next refreshed."""
        element = Element(self.guid("created", parent.id if parent else "", name), name, template, "Created while running", streams)
        self._waiting.append((now + self._cache_ticks, element, parent))
        self.advance(now)
        return element

    def waits(self, name: str, parent: Element | None) -> bool:
        """Whether there is or will be an element of that name there."""
        there = self.roots if parent is None else parent.children
        return name.upper() in there or any(e.name.upper() == name.upper() and p is parent for _, e, p in self._waiting)

    def advance(self, now: int) -> None:
        """Shows what has waited long enough."""
        while self._waiting and self._waiting[0][0] <= now:
            _, element, parent = self._waiting.pop(0)
            self._link(element, parent)

    def refresh(self) -> None:
        """Shows everything: a client has asked past the cache."""
        for _, element, parent in self._waiting:
            self._link(element, parent)
        self._waiting = []

    # Places

    def path_of(self, element: Element) -> str:
        """The primary path."""
        names = [element.name]
        while not element.top and element.parents:
            element = element.parents[0]
            names.append(element.name)
        return "\\".join([self.path, *reversed(names)])

    def paths_of(self, element: Element) -> list[str]:
        """Every path without a repetition that leads to it, the primary one first."""
        own = self.path_of(element)
        found = [own] if element.top else []
        found += [f"{self.path_of(parent)}\\{element.name}" for parent in element.parents]
        return list(dict.fromkeys([own, *found]))

    def at(self, names: list[str]) -> Element | None:
        """The element at those upper-cased names below the database."""
        element, level = None, self.roots
        for name in names:
            element = level.get(name)
            if element is None:
                return None
            level = element.children
        return element

    def children(self, of: Element | None, path: str) -> list[tuple[Element, str]]:
        """The elements directly below one, or below the database, each with the path that leads there by way of `path`."""
        below = self.roots if of is None else of.children
        return [(element, f"{path}\\{element.name}") for element in below.values()]

    def descendants(self, of: Element | None, path: str) -> Iterator[tuple[Element, str]]:
        """Every element below with a path to it, each once however many paths lead there, and never the one they are below."""
        waiting = self.children(of, path)
        seen = set() if of is None else {of.id}
        for element, at in waiting:
            if element.id not in seen:
                seen.add(element.id)
                yield element, at
                waiting += self.children(element, at)

    # Attributes

    def attributes_of(self, element: Element) -> tuple[Attribute, ...]:
        """All of them, excluded and hidden ones and children too."""
        if element.attributes is None:
            found = [*self._static(element), *self._measured(element)]
            element.attributes = tuple(found + [child for attribute in found for child in attribute.children])
        return element.attributes

    def _static(self, element: Element) -> list[Attribute]:
        designs = designs_of(element.template) if element.template else []
        return [self.static_attribute(element.id, design, template_of(element.template, design)) for design in designs]

    def static_attribute(self, owner: UUID, design: AttributeDesign, template: Template) -> Attribute:
        """An attribute with a value of its own, the same for the same owner."""
        own = self.guid(owner, "attribute", design.name)
        assert design.value is not None
        fixed = Event(0, design.value(mix(own.int & 0xFFFF_FFFF_FFFF)))
        return Attribute(
            own, owner, design.name, design.type, fixed=fixed, design=design, template=template,
            qualifier=design.qualifier, units=design.units, category=design.category, trait=design.trait,
        )  # fmt: skip

    def _measured(self, element: Element) -> list[Attribute]:
        """One attribute per point, named after what it measures, with its limits as children; and a formula of the first number."""
        found: list[Attribute] = []
        names: dict[str, int] = {}
        for stream in element.streams:
            noun = (stream.point.descriptor.partition(",")[0] or stream.point.name).capitalize()
            names[noun] = names.get(noun, 0) + 1
            attribute = self.point_attribute(element.id, noun if names[noun] == 1 else f"{noun} {names[noun]}", stream)
            if attribute.units:
                attribute.children = tuple(self._limits(attribute))
            found.append(attribute)
        numeric = next((a for a in found if a.type in ("Single", "Double") and a.stream and not a.stream.point.future), None)
        if numeric is not None and numeric.stream is not None:
            formula = Formula(numeric.stream)
            own = self.guid(element.id, "attribute", "Load")
            config = f"A={numeric.name};[{formula.expression}]"
            found.append(Attribute(own, element.id, "Load", "Double", "Formula", config, formula, units="%", category="Measurement"))
        return found

    def point_attribute(self, owner: UUID, name: str, stream: Stream) -> Attribute:
        """An attribute that shows a point."""
        point = stream.point
        return Attribute(
            self.guid(owner, "attribute", name), owner, name, TYPES[point.point_type], "PI Point",
            f"\\\\{self._data_server}\\{point.name}", stream, stream, qualifier=point.digital_set,
            units="" if point.states else point.units, category="Measurement", description=point.descriptor,
        )  # fmt: skip

    def _limits(self, of: Attribute) -> Iterator[Attribute]:
        assert of.stream is not None
        point = of.stream.point
        for name, trait, share in (("High limit", "LimitHi", 0.9), ("Low limit", "LimitLo", 0.1)):
            own = self.guid(of.owner, "attribute", of.name, name)
            value = Event(0, point.zero + share * point.span)
            yield Attribute(own, of.owner, name, "Double", fixed=value, units=of.units, category="Limits", trait=trait, parent=of)


def template_of(name: str, design: AttributeDesign) -> Template:
    """Which of a template and its bases has the design."""
    return next(template for template in chain(name) if design in template.attributes)
