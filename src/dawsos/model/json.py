"""JSON as types: a reader must check a parsed value before it uses it."""

from __future__ import annotations

import json
from typing import TypeAlias, cast

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = dict[str, Json]


def parse(text: str | bytes) -> Json:
    """Return the value that ``text`` holds; raises ValueError, and RecursionError when it is nested too deeply."""
    return cast(Json, json.loads(text))
