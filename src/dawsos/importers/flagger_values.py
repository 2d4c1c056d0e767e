"""What a manifest's reader works with: findings, where they are, and values of a file that may hold anything.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Place = tuple[str | int, ...]
Level = Literal["error", "warning", "note"]

# What Flagger's schema asks of each time: it is not anchored at the end, and knows no hours.
SCHEMA_TIME = re.compile(r"^[0-9]+(m|s)")
_TIME = re.compile(r"^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$")


@dataclass(frozen=True)
class ManifestFinding:
    """A finding.  ``error``: it cannot work; ``warning``: it does not do what it seems to; ``note``: what it means."""

    level: Level
    place: Place
    message: str
    fix: str = ""


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value, an empty mapping when it is none."""
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> list[Any]:
    """Return the value, an empty list when it is none."""
    return value if isinstance(value, list) else []


def get(value: object, *path: str) -> Any:
    """Return what lies at ``path``, None when there is nothing."""
    found: Any = value
    for key in path:
        found = mapping(found).get(key)
    return found


def number(value: object) -> float | None:
    """Return the value when it is a number."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole(value: object) -> int:
    """Return the value when it is a whole number, else 0: what Flagger's fields are when they are left out."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def seconds(value: object) -> float | None:
    """Return the seconds of ``1m30s`` and the like, None when it is nothing of this kind."""
    match = _TIME.match(str(value))
    if not match or not any(match.groups()):
        return None
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return hours * 3600.0 + minutes * 60 + rest


def span(time: float) -> str:
    """Return a time for people."""
    return f"{time:g} s" if time < 120 else f"{time / 60:g} min"


def text(value: object) -> str:
    """Return the value as text, an empty one for nothing."""
    return "" if value is None else str(value)
