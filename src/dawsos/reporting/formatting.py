"""States, numbers and times as text, shared by the terminal and the report.  Pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dawsos.model.texts import cut_lines

NOTHING = "–"  # noqa: RUF001 - an en dash stands for a value that is not there


@dataclass(frozen=True)
class Look:
    """How a state is shown: its symbol, the symbol for terminals without Unicode, and its tone."""

    symbol: str
    ascii: str
    tone: str


LOOKS: dict[str, Look] = {
    "passed": Look("✓", "+", "good"),
    "pass": Look("✓", "+", "good"),
    "restored": Look("↺", "=", "good"),
    "promoted": Look("✓", "+", "good"),
    "approved": Look("✓", "+", "good"),
    "healthy": Look("●", "o", "good"),
    "running": Look("●", ">", "busy"),
    "inconclusive": Look("●", "o", "warn"),
    "no_data": Look("?", "?", "warn"),
    "not_checked": Look("?", "?", "warn"),
    "waiting": Look("◷", "w", "warn"),
    "cancelled": Look("⊘", "-", "idle"),
    "skipped": Look("⊘", "-", "warn"),
    "pending": Look("○", ".", "idle"),
    "failing": Look("●", "x", "bad"),
    "failed": Look("✗", "x", "bad"),
    "fail": Look("✗", "x", "bad"),
    "error": Look("✗", "x", "bad"),
    "timeout": Look("✗", "x", "bad"),
    "rejected": Look("✗", "x", "bad"),
    "rolled_back": Look("↶", "<", "bad"),
    "withdrawn": Look("↶", "<", "bad"),
    "infrastructure": Look("!", "!", "bad"),
    "interrupted": Look("!", "!", "bad"),
    "stopped": Look("!", "!", "warn"),
}
_UNKNOWN = Look("·", ".", "idle")


def look(state: str) -> Look:
    """Return how ``state`` is shown; an unknown one is shown neutrally."""
    return LOOKS.get(state, _UNKNOWN)


def words(state: str) -> str:
    """Return ``rolled back`` for ``rolled_back``; an empty state is ``running``."""
    return state.replace("_", " ") or "running"


def clean(value: object) -> str:
    """Return text without control characters, so that a test's name cannot move the cursor; tabs become blanks.

    A line of a length that nobody reads is cut.
    """
    text = cut_lines(str(value)).expandtabs(4)
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def one_line(value: object) -> str:
    """Return ``clean`` text on one line."""
    return " ".join(clean(value).split())


def number(value: Any) -> float | None:
    """Return a finite float, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def clock(seconds: float | None) -> str:
    """Return ``0:42`` or ``1:02:03``."""
    value = number(seconds)
    if value is None:
        return NOTHING
    minutes, rest = divmod(max(0, int(value)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def span(seconds: float | None) -> str:
    """Return a length of time to read: ``5 ms``, ``0.31 s``, ``42 s``, ``3 min 05 s``, ``1 h 02 min``."""
    value = number(seconds)
    if value is None:
        return NOTHING
    if value < 0.1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.2f} s" if value < 1 else f"{value:.1f} s"
    if value < 59.5:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def percent(share: float | None, digits: int = 2) -> str:
    """Return ``0.50 %``."""
    value = number(share)
    return NOTHING if value is None else f"{value * 100:.{digits}f} %"


def latency(seconds: float | None) -> str:
    """Return ``340 ms`` below one second, ``1.20 s`` from there on."""
    value = number(seconds)
    if value is None:
        return NOTHING
    return f"{value:.2f} s" if value >= 0.9995 else f"{value * 1000:.0f} ms"


def size(count: int) -> str:
    """Return ``12.3 MB``."""
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count / 1000:.1f} kB"


def count(amount: int, noun: str) -> str:
    """Return ``1 stage`` or ``2 stages``."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def short(digest: str, length: int = 12) -> str:
    """Return the beginning of a digest or commit."""
    return clean(digest)[:length]


def utc(at: float | None) -> str:
    """Return ``2026-03-01 12:00:05 UTC``."""
    value = number(at)
    if value is None or value <= 0:
        return NOTHING
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def policy_number(policy: Mapping[str, Any], key: str) -> float | None:
    """Return a number of the rollout policy as it was recorded."""
    return number(policy.get(key))
