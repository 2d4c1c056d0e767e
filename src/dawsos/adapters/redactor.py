"""Masks secret values in everything that is shown or kept."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path

_SHORTEST = 4


def _written(value: str) -> set[str]:
    """Return the forms in which ``value`` may be written: plain text, Python's and JSON's quotes, HTML and XML.

    Most secrets are the same in all of them; a key of several lines, or a password with a quote, is not.  Of several lines each
    is one as well: a program prints them with something in between, or only some.
    """
    lines = [line.strip() for line in value.splitlines()]
    if lines != [value]:
        return {form for line in lines if len(line) >= _SHORTEST for form in _forms(line)} | _forms(value)
    return _forms(value)


def _forms(value: str) -> set[str]:
    found = {
        value,
        repr(value)[1:-1],
        html.escape(value),
        html.escape(value, quote=False),
        html.escape(value, quote=False).replace('"', "&quot;"),
    }
    return found | {json.dumps(value, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}


class Masker:
    """Replaces every known secret value by ``***``; values shorter than four characters cannot be masked safely."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Learn more secret values, each also as reports write it."""
        self._values |= {form for value in values if len(value) >= _SHORTEST for form in _written(value)}
        # The longest first, so that a secret that contains another one is masked whole.
        ordered = sorted(self._values, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def clean(self, text: str) -> str:
        """Return ``text`` with every known secret masked."""
        return self._pattern.sub("***", text) if self._pattern else text

    def clean_files(self, folder: Path) -> list[Path]:
        """Mask every known secret in the files below ``folder`` and return the files that had one.

        The runner masks what a command prints.  A report that the command itself writes, with the values of a failed assertion,
        is masked here.
        """
        found = []
        known = [value.encode() for value in sorted(self._values, key=len, reverse=True)]
        for path in sorted(folder.rglob("*")) if known else ():
            if path.is_file() and not path.is_symlink():
                content = cleaned = path.read_bytes()
                for value in known:
                    cleaned = cleaned.replace(value, b"***")
                if cleaned != content:
                    path.write_bytes(cleaned)
                    found.append(path)
        return found

    def stream(self) -> MaskedStream:
        """Return a cleaner of one text that comes in pieces."""
        return MaskedStream(self)

    def cleanable(self, text: str) -> int:
        """Return how many characters of ``text`` can be cleaned now: the rest could be the beginning of a secret."""
        if self._pattern is None:
            return len(text)
        longest = max(map(len, self._values))
        end = len(text)
        for start in range(max(0, len(text) - longest + 1), len(text)):
            if any(len(value) > len(text) - start and value.startswith(text[start:]) for value in self._values):
                end = start
                break
        # Never cut a secret that is already complete.
        return next((m.start() for m in self._pattern.finditer(text) if m.start() < end < m.end()), end)


class MaskedStream:
    """Cleans text that comes in pieces of any length; a secret that is cut in two by the pieces is masked as well."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""

    def feed(self, piece: str) -> str:
        """Return the part that can be cleaned now, and keep the rest."""
        text = self._held + piece
        end = self._masker.cleanable(text)
        self._held = text[end:]
        return self._masker.clean(text[:end])

    def end(self) -> str:
        """Return the rest, cleaned."""
        rest, self._held = self._held, ""
        return self._masker.clean(rest)
