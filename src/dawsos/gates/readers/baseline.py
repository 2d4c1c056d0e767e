"""Findings that have a waiver until a day: those that were there when a project was adopted, so many of a rule in a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dawsos.gates.contract import Evidence
from dawsos.gates.documents import required_file
from dawsos.gates.readers.context import read_context
from dawsos.gates.readers.waivers import Waiver, read_waivers
from dawsos.model.findings import Finding


@dataclass(frozen=True)
class Split:
    """``blocking`` and ``waived`` are places in the list that was split; ``notes`` says why one with a waiver blocks all the same."""

    blocking: tuple[int, ...]
    waived: dict[int, Waiver]
    notes: dict[int, str]


def split(found: Sequence[Finding], path: str | None, evidence: Evidence) -> Split:
    """Return which of ``found`` the list ``path`` waives today; raises Missing and Malformed.

    An entry waives at most ``most`` findings of its rule in its file.  Where there are more, nobody knows which ones are new, and
    all of them block.
    """
    if path is None:
        return Split(tuple(range(len(found))), {}, {})
    day = read_context(evidence).day
    entries = {one.subject: one for one in read_waivers(path, required_file(evidence, path), "id", "by")}
    counts = Counter(one.identity for one in found)
    waived: dict[int, Waiver] = {}
    notes: dict[int, str] = {}
    for index, one in enumerate(found):
        entry = entries.get(one.identity)
        if entry is None:
            continue
        if entry.until < day:
            notes[index] = f" (its waiver by {entry.by} expired on {entry.until})"
        elif counts[one.identity] > entry.most:
            notes[index] = f" (one of {counts[one.identity]}, and {entry.by} waived {entry.most})"
        else:
            waived[index] = entry
    return Split(tuple(index for index in range(len(found)) if index not in waived), waived, notes)
