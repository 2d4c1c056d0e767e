"""The list of quarantined tests: they run and are shown, but do not block until the day that is written there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dawsos.gates.documents import required_file
from dawsos.gates.readers.asked import Asked, read_asked
from dawsos.gates.readers.waivers import Waiver, read_waivers


@dataclass(frozen=True)
class Quarantine:
    """The entries, and the day on which they are looked at; without a list nothing is quarantined."""

    entries: tuple[Waiver, ...] = ()
    asked: Asked | None = None

    def holds(self, test: str) -> Waiver | None:
        """Return the entry that still covers ``test``."""
        return next((e for e in self._of(test) if self.asked is not None and e.until >= self.asked.day), None)

    def note(self, test: str) -> str:
        """Return what the list says of ``test``, in brackets, or nothing."""
        entry = self.holds(test)
        if entry is not None:
            return f" (quarantined until {entry.until} by {entry.by}: {entry.why})"
        expired = next(iter(self._of(test)), None)
        return f" (its quarantine by {expired.by} expired on {expired.until})" if expired else ""

    def _of(self, test: str) -> list[Waiver]:
        return [entry for entry in self.entries if entry.subject == test]


def read_quarantine(path: str | None, evidence: Mapping[str, bytes]) -> Quarantine:
    """Return the list called ``path``; raises Missing and Malformed."""
    if path is None:
        return Quarantine()
    return Quarantine(tuple(read_waivers(path, required_file(evidence, path), "test", "owner")), read_asked(evidence))
