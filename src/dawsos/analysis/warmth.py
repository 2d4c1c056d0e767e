"""Is a canary that gets no traffic yet as fast as stable?  Asked until it is, so that no user meets its cold start.  Pure.

Each answer of the canary is held against stable's to the same request.  The log likelihood of "as fast as stable" against "about twice
as slow" is summed up and never falls below 0 (Page's CUSUM), so that what was slow at first does not weigh on what is fast now.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from dawsos.analysis.statistical.latency import FORGIVEN

# ln of how much more likely an answer is when the canary is warm: not slower than stable's median, in between, slower than tolerated.
FAST, BETWEEN, SLOW = math.log(0.45 / 0.15), math.log(0.12 / 0.10), math.log(0.43 / 0.75)
SURE = 6.5
_KEPT = 41


class Warmth:
    """Answers of both versions to the requests of one rollout; ``tolerance`` seconds more than stable are no sign of cold."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._stable: dict[str, deque[float]] = {}
        self._sum = 0.0

    def add_stable(self, page: str, seconds: float) -> None:
        """Take in an answer of stable."""
        self._stable.setdefault(page, deque(maxlen=_KEPT)).append(seconds)

    def add_canary(self, page: str, seconds: float, *, failed: bool = False) -> None:
        """Take in an answer of the canary; one that failed is as good as slow.  Without one of stable's it says nothing."""
        usual = self._stable.get(page)
        if not usual:
            return
        middle = median(usual)
        if failed or seconds > max(FORGIVEN * middle, middle + self._tolerance):
            step = SLOW
        else:
            step = FAST if seconds <= middle + self._tolerance / 2 else BETWEEN
        self._sum = max(0.0, self._sum + step)

    @property
    def warm(self) -> bool:
        """Whether the canary is shown to be as fast as stable."""
        return self._sum >= SURE
