"""Reads pages in Prometheus' text format: of Envoy, of other gateways and of services."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Series:
    """One line of a page: the value of a metric with its labels."""

    name: str
    labels: Mapping[str, str]
    value: float


def series(page: str) -> Iterator[Series]:
    """Yield each value of a page; what is no line of the format is left out."""
    for line in page.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        labels = {name: _ESCAPED.sub(_unescaped, text) for name, text in _LABEL.findall(found[2] or "")}
        yield Series(found[1], labels, value)


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]


def total(page: str, name: str) -> float:
    """Return the sum of all series of a counter; 0.0 when the page has none."""
    return sum(each.value for each in series(page) if each.name == name and math.isfinite(each.value))


def identity(found: Series) -> str:
    """Return the labels of a series as one text: what tells it from the others of its name."""
    return " ".join(f"{name}={value}" for name, value in sorted(found.labels.items()))


def buckets(found: Iterable[Series], name: str, *, per_second: float = 1.0) -> dict[float, int]:
    """Return the histogram ``name`` as upper edge in seconds -> observations at or below it, all its series added up.

    ``per_second`` is how many of the metric's units make a second.
    """
    edges: dict[float, int] = {}
    for each in found:
        if each.name == f"{name}_bucket":
            edge = math.inf if each.labels["le"] == "+Inf" else float(each.labels["le"]) / per_second
            edges[edge] = edges.get(edge, 0) + int(each.value)
    return edges
