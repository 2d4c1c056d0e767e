"""A token bucket as an immutable value: `per_minute` calls on average, up to `burst` of them at once."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """The number of tokens at the monotonic time `at`, in seconds."""

    per_minute: float
    burst: float
    tokens: float
    at: float

    @classmethod
    def full(cls, per_minute: float, burst: float, at: float) -> TokenBucket:
        """A full bucket."""
        return cls(per_minute, burst, burst, at)

    def take(self, now: float) -> TokenBucket | None:
        """The bucket after one call; None when there is no token and the call must not be made."""
        tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.per_minute / 60)
        # The refill is a sum of floats: allow for their rounding.
        if tokens < 1 - 1e-9:
            return None
        return replace(self, tokens=max(0.0, tokens - 1), at=now)
