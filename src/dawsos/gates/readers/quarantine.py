"""The list of quarantined tests: they run and are shown, but a failure does not block before the day in their entry is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dawsos.gates.documents import required_file
from dawsos.gates.readers.context import EvaluationContext, read_context
from dawsos.gates.readers.waivers import Waiver, read_waivers


@dataclass(frozen=True)
class Quarantine:
    """The entries of the list and the context with the day; without a list nothing is quarantined."""

    entries: tuple[Waiver, ...] = ()
    context: EvaluationContext | None = None

    def active(self, test: str) -> Waiver | None:
        """Return the entry that covers ``test`` and has not expired."""
        return next((e for e in self._entries(test) if self.context is not None and e.until >= self.context.day), None)

    def note(self, test: str) -> str:
        """Return the note on ``test`` for a finding, in brackets; an empty text when it has no entry."""
        entry = self.active(test)
        if entry is not None:
            return f" (quarantined until {entry.until} by {entry.by}: {entry.why})"
        expired = next(iter(self._entries(test)), None)
        return f" (its quarantine by {expired.by} expired on {expired.until})" if expired else ""

    def _entries(self, test: str) -> list[Waiver]:
        return [entry for entry in self.entries if entry.subject == test]


def read_quarantine(path: str | None, evidence: Mapping[str, bytes]) -> Quarantine:
    """Return the list in the file ``path``; raises Missing and Malformed."""
    if path is None:
        return Quarantine()
    return Quarantine(tuple(read_waivers(path, required_file(evidence, path), "test", "owner")), read_context(evidence))
