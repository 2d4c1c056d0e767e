"""Journals of older versions: facts under other names, and facts that only a sentence has.

Nothing else parses a sentence.  A journal that was written before causes were recorded must still be shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dawsos.model.status import Cause

_SENTENCES: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (re.compile(r"^asked for by"), Cause.REQUESTED),
    (re.compile(r"crash loop"), Cause.CRASH_LOOP),
    (re.compile(r" rose by "), Cause.FAILURE_COUNTER),
    (re.compile(r"^no healthy verdict within"), Cause.NO_VERDICT),
    (re.compile(r"^another release took production"), Cause.SUPERSEDED),
    (re.compile(r"^the canary was removed"), Cause.REMOVED),
    (re.compile(r"^the canary is not running"), Cause.NOT_RUNNING),
    (re.compile(r"was interrupted$"), Cause.INTERRUPTED),
    (re.compile(r"error rate"), Cause.ERROR_RATE),
    (re.compile(r"p95"), Cause.LATENCY),
    (re.compile(r"^the canary (answers with an error|is slower than stable|is down)"), Cause.WORSE_THAN_STABLE),
)


def with_step(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``body`` with the weight of the step, which older journals call ``rung``."""
    return {**body, "step": body["rung"]} if "rung" in body and "step" not in body else body


def with_change(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body of a change of weight with what it was, which older journals only tell in ``why``."""
    change = str(body.get("why", "")).partition(":")[0]
    return {**body, "change": change} if "change" not in body and change in ("dimmed", "restored") else body


def with_cause(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body of a decision with its cause, which older journals only tell in the reason."""
    if "cause" in body:
        return body
    reason = str(body.get("reason", ""))
    if body.get("decision") == "promote":
        return {**body, "cause": Cause.HEALTHY}
    cause = next((cause for pattern, cause in _SENTENCES if pattern.search(reason)), Cause.UNKNOWN)
    counter = reason.partition(" rose by ")
    if cause is Cause.FAILURE_COUNTER:
        amount = counter[2].split(maxsplit=1)[0]
        return {**body, "cause": cause, "metric": counter[0], "measured": _number(amount)}
    return {**body, "cause": cause}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def known_cause(value: Any) -> Cause:
    """Return the cause, UNKNOWN for one that a newer version wrote."""
    return Cause(value) if value in frozenset(Cause) else Cause.UNKNOWN
