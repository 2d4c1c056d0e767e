"""Locks of the small services that tests build, cut from the lock of the tool's development: nothing else is downloaded."""

from __future__ import annotations

import re
from pathlib import Path

_LOCK = Path(__file__).resolve().parents[2] / "requirements" / "dev.txt"
# What builds a wheel with hatchling.
BUILDING = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")


def locked(*names: str) -> str:
    """Return the lines of the lock for ``names``."""
    text = _LOCK.read_text()
    found = [re.search(rf"^{name}==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL) for name in names]
    assert all(found), f"the lock has not all of {names}"
    return "".join(one.group() for one in found if one)
