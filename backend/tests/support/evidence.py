"""Numbers for the gates: what a suite measured of an objective, in the JSON file that SLO_FILE names."""

from __future__ import annotations

import json
import os
from pathlib import Path


def note(name: str, value: float) -> None:
    """Add one number; without SLO_FILE (a developer's run) nobody asks for it."""
    target = os.environ.get("SLO_FILE")
    if target:
        file = Path(target)
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(known | {name: value}, sort_keys=True) + "\n")


def worst(name: str, value: float) -> None:
    """Add one number, or replace a smaller one."""
    target = os.environ.get("SLO_FILE")
    known = json.loads(Path(target).read_text()) if target and Path(target).exists() else {}
    note(name, max(value, known.get(name, value)))
