"""A circuit breaker as an immutable value: closed, open, half-open. It has no clock and makes no calls.

Three failures in a row open the circuit, and calls fail at once. After a minute one call (the probe) is let through:
its success closes the circuit, its failure opens it for another minute. Only one probe runs at a time, so that a
provider that has recovered does not get all waiting calls at once.
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
class CircuitBreaker:
    """The state. Times are monotonic seconds; `probing` is True while the probe of the half-open state runs."""

    failures: int = 0
    opened_at: float | None = None
    probing: bool = False
    open_seconds: float = OPEN_SECONDS

    def state(self, now: float) -> State:
        """The state at `now`."""
        if self.opened_at is None:
            return "closed"
        return "half_open" if now - self.opened_at >= self.open_seconds else "open"

    def admit(self, now: float) -> CircuitBreaker | None:
        """The breaker after it has admitted a call; None when the call must not be made."""
        state = self.state(now)
        if state == "closed":
            return self
        if state == "open" or self.probing:
            return None
        return replace(self, probing=True)

    def succeeded(self) -> CircuitBreaker:
        """The breaker after a success: closed, without failures."""
        return CircuitBreaker(open_seconds=self.open_seconds)

    def failed(self, now: float) -> CircuitBreaker:
        """The breaker after a failure: the third in a row, or a failed probe, opens it."""
        failures = self.failures + 1
        if self.probing or failures >= FAILURES:
            return replace(self, failures=failures, opened_at=now, probing=False)
        return replace(self, failures=failures)

    def abandoned(self) -> CircuitBreaker:
        """The breaker after a cancelled call, which says nothing about the provider: another probe may run."""
        return replace(self, probing=False)
