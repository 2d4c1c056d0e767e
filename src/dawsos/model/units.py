"""Durations and shares as people write them: ``90s``, ``1m30s``, ``0.5%``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_DURATION = re.compile(
    r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?!s))?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+)ms)?"
)
# A year: a longer time is a typing error, and infinity is not a time to wait for.
LONGEST = 366 * 24 * 3600.0
_FACTORS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(value: object) -> float:
    """Return seconds for ``5m``, ``1m30s``, ``250ms`` or a plain non-negative number of seconds.

    Raises ValueError with the accepted forms for anything else.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LONGEST:
        return float(value)
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match and any(match.groups()):
            seconds = sum(float(number) * _FACTORS[unit] for unit, number in match.groupdict().items() if number)
            if seconds <= LONGEST:
                return seconds
    raise ValueError(f"{value!r} is not a duration; write it like 90s, 5m, 1m30s or 250ms")


def positive_duration(value: object) -> float:
    """Return ``parse_duration`` of what must take time: a budget, a tick, a step; raises ValueError for nothing."""
    seconds = parse_duration(value)
    if seconds <= 0:
        raise ValueError(f"{value!r} must be longer than nothing, for example 1s")
    return seconds


def parse_share(value: object) -> float:
    """Return a share in [0, 1] for ``0.5%`` or a plain number in [0, 1]; raises ValueError otherwise."""
    share: float | None = None
    if isinstance(value, str) and value.strip().endswith("%"):
        # In decimals: 99.9 / 100 in binary fractions is a little more than 0.999, so that 999 of 1000 would not reach it.
        try:
            share = float(Decimal(value.strip()[:-1]) / 100)
        except (ArithmeticError, ValueError):
            share = None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value)
    if share is None or not 0 <= share <= 1:
        raise ValueError(f"{value!r} is not a share; write it like 0.5% or 0.005")
    return share


def format_duration(seconds: float) -> str:
    """Return the shortest readable form: ``0.4s``, ``42s``, ``3m05s``, ``1h02m``."""
    # Compared as shown: 59.7 is shown as a minute, not as 60s.
    if round(seconds, 1) < 10:
        return f"{seconds:.1f}s"
    if round(seconds) < 60:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m"


_DURATION_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+ms)?$"},
            {"type": "number", "minimum": 0, "maximum": LONGEST},
        ],
        "description": "A duration such as 90s, 5m, 1m30s or 250ms.",
    }
)
Duration = Annotated[float, BeforeValidator(parse_duration), _DURATION_SCHEMA]
PositiveDuration = Annotated[float, BeforeValidator(positive_duration), _DURATION_SCHEMA]
Share = Annotated[
    float,
    BeforeValidator(parse_share),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": r"^\d+(\.\d+)?%$"}, {"type": "number", "minimum": 0, "maximum": 1}],
            "description": "A share such as 0.5% or 0.005.",
        }
    ),
]
