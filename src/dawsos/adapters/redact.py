"""Masks secret values in everything that is shown or kept."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SHORTEST = 4


class Masker:
    """Replaces every known secret value by ``***``; values shorter than four characters cannot be masked safely."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Learn more secret values."""
        self._values |= {value for value in values if len(value) >= _SHORTEST}
        # The longest first, so that a secret that contains another one is masked whole.
        ordered = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def clean(self, text: str) -> str:
        """Return ``text`` with every known secret masked."""
        return self._pattern.sub("***", text) if self._pattern else text
