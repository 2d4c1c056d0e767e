"""The shape of a JSON document: which fields it has, of which types, with which values, without the order of keys and lists."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dawsos.model.json import Json

ROOT = "$"
# What lies deeper or comes later than so many places is not looked at.
MOST_PLACES = 4000
_LONGEST = 200
_PLAIN = re.compile(r"^[A-Za-z0-9_-]+$")


@dataclass
class Node:
    """Everything that one document has at one place; the elements of a list are one place.

    ``parent`` is the place of the objects that have it as a field (empty for the document and for elements of a list) and
    ``present`` in how many of them it is.  ``objects`` counts the objects at this place, ``keys`` are all of their fields;
    ``values`` are its scalars, ``lengths`` the lengths of its lists, ``order`` tells lists of another order apart.
    """

    parent: str = ""
    present: int = 0
    types: set[str] = field(default_factory=set)
    objects: int = 0
    keys: set[str] = field(default_factory=set)
    values: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    order: str = ""


Shape = Mapping[str, Node]


def shape_of(document: Json) -> Shape:
    """Return place -> node of the document, of the first ``MOST_PLACES`` places."""
    nodes: dict[str, Node] = {}
    # (place, the place of the object that has it, value)
    waiting: list[tuple[str, str, Json]] = [(ROOT, "", document)]
    while waiting:
        place, parent, value = waiting.pop()
        if place not in nodes and len(nodes) >= MOST_PLACES:
            continue
        node = nodes.setdefault(place, Node(parent))
        node.present += 1
        node.types.add(type_of(value))
        if isinstance(value, dict):
            node.objects += 1
            node.keys |= value.keys()
            waiting += [(child(place, key), place, value[key]) for key in sorted(value, reverse=True)]
        elif isinstance(value, list):
            node.lengths.append(len(value))
            node.order += _digest(value)
            waiting += [(f"{place}[]", "", one) for one in value]
        else:
            node.values.append(scalar(value))
    for node in nodes.values():
        node.values.sort()
    return nodes


def child(place: str, key: str) -> str:
    """Return the place of a field: ``items[].price``; a name that is not plain is written in quotes."""
    name = key if _PLAIN.match(key) else json.dumps(key)
    return name if place == ROOT else f"{place}.{name}"


def type_of(value: Json) -> str:
    """Return the type of a value as JSON names it."""
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return names.get(type(value), "null")


def scalar(value: Json) -> str:
    """Return a scalar as a text that is the same for equal values."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _digest(value: list[Json]) -> str:
    try:
        text = json.dumps(value, sort_keys=True)
    except RecursionError:  # the document could be parsed, so this is a matter of a few levels
        return "deep"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
