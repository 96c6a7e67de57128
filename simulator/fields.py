"""`selectedFields`: a semicolon list of dotted names which really removes everything else (pi-web-api.md 2.2)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from simulator.events import ALL_FIELDS, FIELD_NAMES, Event

_BITS = {name.lower(): 1 << i for i, name in enumerate(FIELD_NAMES)}


class Fields:
    """A tree of selected names, matched without case. A name without children selects all below it."""

    __slots__ = ("_children",)

    def __init__(self, children: "dict[str, Fields | None] | None" = None) -> None:
        self._children: dict[str, Fields | None] = {} if children is None else children

    @staticmethod
    def parse(text: str | None) -> "Fields | None":
        """The tree, or None if nothing is selected and so all is shown."""
        names = [name.strip().lower() for name in (text or "").split(";")]
        tree = Fields()
        for name in filter(None, names):
            tree._add(name.split("."))
        return tree if tree._children else None

    def _add(self, steps: list[str]) -> None:
        head, rest = steps[0], steps[1:]
        if not rest:
            self._children[head] = None
        elif head not in self._children:
            branch = self._children[head] = Fields()
            branch._add(rest)
        else:
            known = self._children[head]
            if known is not None:
                known._add(rest)

    def has(self, name: str) -> bool:
        return name.lower() in self._children

    def below(self, name: str) -> "Fields | None":
        """What is selected below `name`; None means all."""
        return self._children.get(name.lower())

    def pick(self, item: Any) -> Any:
        """`item` without what is not selected. Lists are transparent; pre-written JSON is left alone: its writer has asked."""
        if isinstance(item, dict):
            return {name: self._pick_below(name, part) for name, part in item.items() if self.has(name)}
        if isinstance(item, list):
            return [self.pick(part) for part in item]
        return item

    def _pick_below(self, name: str, part: Any) -> Any:
        branch = self.below(name)
        return part if branch is None else branch.pick(part)

    def value_bits(self) -> int | None:
        """The bits of the value object's properties for `Event.json`, or None if something below Value is selected (`Items.Value.Name`)."""
        if any(below is not None for below in self._children.values()):
            return None
        return sum(bit for name, bit in _BITS.items() if name in self._children)


def value_json(event: Event, fields: Fields | None, units: str = "") -> bytes:
    """The value object with the selected properties."""
    bits = ALL_FIELDS if fields is None else fields.value_bits()
    if bits is not None:
        return event.json(bits, units)
    assert fields is not None
    return msgspec.json.encode(fields.pick(msgspec.json.decode(event.json(units=units))))


def values_json(events: Iterable[Event], fields: Fields | None, units: str = "") -> msgspec.Raw:
    """A JSON array of value objects, written from what each event has ready."""
    bits = ALL_FIELDS if fields is None else fields.value_bits()
    if bits is None:
        return msgspec.Raw(b"[%b]" % b",".join([value_json(event, fields, units) for event in events]))
    return msgspec.Raw(b"[%b]" % b",".join([event.json(bits, units) for event in events]))


def below(fields: Fields | None, name: str) -> Fields | None:
    return None if fields is None else fields.below(name)
