"""Tells from counters whether a process of the gateway follows a new weight.

There is no signal for it, so the requests themselves are the evidence.  Each one is more likely under the new weight or under the
old one; the log-likelihood ratio is summed up from the last moment at which the old weight explained all better (CUSUM: Page,
"Continuous inspection schemes", 1954).  At ``ENOUGH`` the old weight would do as well once in a thousand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ENOUGH = math.log(1000)
# So much for the old weight is no silence, however few the requests: the new one would look so about once in twenty times.
_DOUBT = math.log(20)
# Shares of 0 and 1 are not quite: one request that contradicts them settles it.
_LEAST = 1e-5


@dataclass
class Follower:
    """Whether one process follows the step from the weight ``old`` to ``new``, in per cent."""

    old: int
    new: int
    score: float = 0.0
    against: float = 0.0
    requests: float = 0.0

    def observe(self, canary: float, stable: float) -> None:
        """Count requests of the canary and of stable since the last call."""
        before, after = _share(self.old), _share(self.new)
        gained = canary * math.log(after / before) + stable * math.log((1 - after) / (1 - before))
        self.score = max(0.0, self.score + gained)
        self.against = max(0.0, self.against - gained)
        self.requests += canary + stable

    @property
    def follows(self) -> bool:
        """Whether the requests show it."""
        return self.old == self.new or self.score >= ENOUGH

    @property
    def silent(self) -> bool:
        """Whether there were too few requests to show it, had it followed from the first one on, and they do not show the contrary."""
        return self.against < _DOUBT and self.requests * _information(_share(self.new), _share(self.old)) < 2 * ENOUGH


def _share(weight: int) -> float:
    return min(max(weight / 100, _LEAST), 1 - _LEAST)


def _information(true: float, other: float) -> float:
    """Return the expected log-likelihood ratio of one request (Kullback-Leibler divergence)."""
    return true * math.log(true / other) + (1 - true) * math.log((1 - true) / (1 - other))
