"""Requests that hang, for many rollouts at once: who waits and for how long, and ``statistical.waiting`` by column.

The simulated proxy tells once a second how many requests are under way and how many of them are at least one and two seconds old, as
Envoy's log of tries under way does on one machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

# So long a hanging request takes in the simulation, in seconds.
HANG = 30


class Version:
    """One version's requests under way.  ``tick`` lets a second pass; the attributes are the state at its end."""

    def __init__(self, columns: int, mean: float) -> None:
        self._mean = mean
        self._hung = np.zeros((HANG, columns), dtype=np.int64)
        self._usual = np.zeros(columns, dtype=np.int64)
        self.under_way = np.zeros(columns, dtype=np.int64)
        self.released = np.zeros(columns, dtype=np.int64)

    def tick(self, at: int, requests: Ints, share: float, random: np.random.Generator) -> Ints:
        """Let ``requests`` begin, of which ``share`` hang; return how many that do not hang were answered."""
        hung = random.binomial(requests, share)
        self.released = self._hung[at % HANG].copy()
        self._hung[at % HANG] = hung
        open_now = self._usual + requests - hung
        self._usual = np.minimum(open_now, random.poisson(requests * self._mean))
        self.under_way = self._hung.sum(axis=0) + self._usual
        return np.asarray(open_now - self._usual)

    def waiting(self, at: int) -> list[Ints]:
        """Return how many are at least 1 and 2 seconds old at the end of second ``at``: of those that hang, which begin evenly
        within a second, all but the last one's, and all but the last two's.  The others are taken for younger."""
        one = self._hung.sum(axis=0) - self._hung[at % HANG]
        return [one, one - self._hung[(at - 1) % HANG]]


class Waiting:
    """``statistical.waiting.Waiting``, one column a rollout, for edges that do not change."""

    def __init__(self, edges: int, columns: int) -> None:
        self._ahead = np.zeros((edges, columns), dtype=np.int64)

    def passed(self, above: Sequence[Ints], waiting: Sequence[Ints], under_way: Ints) -> list[Ints]:
        """Return for each edge how many requests have passed it in this sample."""
        found = []
        for place, (answered, older) in enumerate(zip(above, waiting, strict=True)):
            earlier = self._ahead[place].copy()
            found.append(np.maximum(0, answered + older - earlier))
            self._ahead[place] = np.maximum(older, np.minimum(earlier - answered, under_way))
        return found


def age_of(edge: float) -> int:
    """Return which of the bounds of ``Version.waiting`` holds for ``edge``: the first for a second or less."""
    return 0 if math.ceil(edge - 1e-9) <= 1 else 1
