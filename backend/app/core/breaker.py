"""A circuit breaker as a value: closed, open, half-open, and what moves it. No clock and no calls in here.

Three failures in a row open it. Open means that nobody waits for a provider that is known to be away. After a minute
one call is let through: its success closes the breaker, its failure opens it for another minute. One probe at a time
is the point, so that a provider which comes back is not met by everybody at once; hence a state machine of our own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

State = Literal["closed", "open", "half_open"]
FAILURES = 3
OPEN_SECONDS = 60.0
# As the gauge `circuit_breaker_state` shows them.
GAUGE: dict[State, int] = {"closed": 0, "open": 1, "half_open": 2}


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state; times are monotonic seconds. `probing` while the one call of the half-open state is under way."""

    failures: int = 0
    opened_at: float | None = None
    probing: bool = False
    open_seconds: float = OPEN_SECONDS

    def state(self, now: float) -> State:
        """What the breaker is at `now`."""
        if self.opened_at is None:
            return "closed"
        return "half_open" if now - self.opened_at >= self.open_seconds else "open"

    def admit(self, now: float) -> Breaker | None:
        """The breaker after letting a call through, or None when the call must not be made."""
        state = self.state(now)
        if state == "closed":
            return self
        if state == "open" or self.probing:
            return None
        return replace(self, probing=True)

    def succeeded(self) -> Breaker:
        """Closed, and earlier failures forgotten."""
        return Breaker(open_seconds=self.open_seconds)

    def failed(self, now: float) -> Breaker:
        """One failure more; the third in a row, or that of a probe, opens."""
        failures = self.failures + 1
        if self.probing or failures >= FAILURES:
            return replace(self, failures=failures, opened_at=now, probing=False)
        return replace(self, failures=failures)

    def abandoned(self) -> Breaker:
        """The call ended without an answer to the question (the caller went away): the probe is free again."""
        return replace(self, probing=False)
