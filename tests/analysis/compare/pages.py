"""Answers for the tests of the comparison."""

from __future__ import annotations

import json
from typing import Any

from dawsos.analysis.compare.answers import Answer
from dawsos.analysis.compare.verdict import Asked


def answer(document: Any = None, status: int = 200, seconds: float = 0.01, **headers: str) -> Answer:
    """Return an answer with the JSON of ``document``."""
    named = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Answer(status, seconds, named, json.dumps(document).encode())


def plain(text: str | bytes, status: int = 200, media: str = "text/plain", seconds: float = 0.01) -> Answer:
    """Return an answer with ``text`` as its body."""
    return Answer(
        status, seconds, {"content-type": media} if media else {}, text.encode() if isinstance(text, str) else text
    )


def asked(stable: list[Answer], canary: list[Answer], **changes: Any) -> Asked:
    """Return what was asked: ``GET /v1/x``."""
    fields = {"method": "GET", "path": "/v1/x", "wanted": len(canary), "authenticated": False, **changes}
    return Asked(**fields, stable=stable, canary=canary)


def six(one: Answer, other: Answer, **changes: Any) -> Asked:
    """Return twelve answers of stable and six of the canary, all alike."""
    return asked([one] * 12, [other] * 6, **changes)
