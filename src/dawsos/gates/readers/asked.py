"""When and for which profile a gate is asked: ``asked.json``, which the tool itself leaves among the evidence.

Gates read no clock.  Whatever depends on the day (waivers, quarantines, the age of advisory data) is compared with this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from dawsos.gates.documents import Malformed, get, get_number, parse_object, required_file

ASKED = "asked.json"
PRODUCTION = "production"


@dataclass(frozen=True)
class Asked:
    """``at`` is seconds since the epoch."""

    at: float
    profile: str

    @property
    def day(self) -> date:
        return datetime.fromtimestamp(self.at, UTC).date()


def read_asked(evidence: Mapping[str, bytes]) -> Asked:
    """Return what ``asked.json`` says; raises Missing and Malformed."""
    facts = parse_object(ASKED, required_file(evidence, ASKED))
    profile = get(ASKED, facts, "profile")
    if not isinstance(profile, str):
        raise Malformed(f"{ASKED}: profile is {profile!r}, not a name")
    at = get_number(ASKED, facts, "at")
    if not 0 < at < 1e11:
        raise Malformed(f"{ASKED}: at is {at!r}, not a time in seconds since 1970")
    return Asked(at, profile)


def end_of(day: date) -> float:
    """Return the second at which ``day`` is over, in UTC."""
    return datetime.combine(day, time.max, UTC).timestamp()
