"""The context of an evaluation: the time and the profile.  The tool writes it to ``context.json`` among the evidence.

Gates read no clock: waivers, quarantines and the age of advisory data are compared with the time in this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from dawsos.gates.documents import Malformed, get, get_number, parse_object, required_file

CONTEXT = "context.json"
PRODUCTION = "production"


@dataclass(frozen=True)
class EvaluationContext:
    """``at`` is the time of the evaluation in seconds since the epoch, ``profile`` the name of the pipeline's profile."""

    at: float
    profile: str

    @property
    def day(self) -> date:
        return datetime.fromtimestamp(self.at, UTC).date()


def read_context(evidence: Mapping[str, bytes]) -> EvaluationContext:
    """Return the content of ``context.json``; raises Missing and Malformed."""
    facts = parse_object(CONTEXT, required_file(evidence, CONTEXT))
    profile = get(CONTEXT, facts, "profile")
    if not isinstance(profile, str):
        raise Malformed(f"{CONTEXT}: profile is {profile!r}, not a name")
    at = get_number(CONTEXT, facts, "at")
    if not 0 < at < 1e11:
        raise Malformed(f"{CONTEXT}: at is {at!r}, not a time in seconds since 1970")
    return EvaluationContext(at, profile)


def end_of(day: date) -> float:
    """Return the second at which ``day`` is over, in UTC."""
    return datetime.combine(day, time.max, UTC).timestamp()
