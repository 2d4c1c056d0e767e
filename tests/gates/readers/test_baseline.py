"""Waivers of findings: so many of a rule in a file, until a day; where there are more, all of them block."""

from __future__ import annotations

import json

import pytest

from dawsos.gates.documents import Malformed, Missing
from dawsos.gates.readers.baseline import split
from dawsos.model.findings import Finding

NOW = json.dumps({"at": 1796000000.0, "profile": "laptop"}).encode()  # 2026-11-29
FOUND = [Finding("ruff", "F401", "unused", "a.py", line) for line in (1, 2)] + [Finding("ruff", "E1", "x", "b.py", 1)]


def entries(text: str) -> dict[str, bytes]:
    return {"w.yaml": text.encode(), "context.json": NOW}


def entry(most: int, until: str = "2026-12-31") -> dict[str, bytes]:
    return entries(f"- {{id: 'a.py: F401', most: {most}, by: Ada, why: later, until: {until}}}\n")


def test_what_is_listed_is_waived_and_the_rest_blocks() -> None:
    parts = split(FOUND, "w.yaml", entry(2))
    assert (parts.blocking, sorted(parts.waived), parts.notes) == ((2,), [0, 1], {})
    assert split(FOUND, None, {}).blocking == (0, 1, 2)


def test_more_than_were_listed_or_after_the_day_all_block_with_the_reason() -> None:
    assert split(FOUND, "w.yaml", entry(1)).notes == dict.fromkeys((0, 1), " (one of 2, and Ada waived 1)")
    expired = split(FOUND, "w.yaml", entry(2, "2026-11-28"))
    assert expired.blocking == (0, 1, 2)
    assert expired.notes[0] == " (its waiver by Ada expired on 2026-11-28)"


def test_a_list_that_is_not_there_or_not_one_is_no_waiver() -> None:
    with pytest.raises(Missing):
        split(FOUND, "w.yaml", {"context.json": NOW})
    for most in ("0", "many", "true", "1.5"):
        with pytest.raises(Malformed, match="most is"):
            split(FOUND, "w.yaml", entries(f"- {{id: a, most: {most}, by: Ada, why: later, until: 2026-12-31}}\n"))
