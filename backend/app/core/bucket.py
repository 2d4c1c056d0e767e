"""A token bucket as a value: `rate` calls a minute on average, `burst` of them at once."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens there were at the monotonic time `at`."""

    per_minute: float
    burst: float
    tokens: float
    at: float

    @classmethod
    def full(cls, per_minute: float, burst: float, at: float) -> Bucket:
        """A bucket nobody has taken from."""
        return cls(per_minute, burst, burst, at)

    def take(self, now: float) -> Bucket | None:
        """The bucket after one call, or None when there is no token: the call must not be made."""
        tokens = min(self.burst, self.tokens + max(0.0, now - self.at) * self.per_minute / 60)
        # What time brought back is a sum of floats: a hair below one token is one token.
        if tokens < 1 - 1e-9:
            return None
        return replace(self, tokens=max(0.0, tokens - 1), at=now)
