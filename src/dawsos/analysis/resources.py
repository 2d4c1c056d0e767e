"""Memory that grows with the canary's requests where stable's does not: how fast, and when it will reach its limit.  Pure.

Each version's memory for each process is followed over its requests for each process, in blocks of ``_BLOCK`` seconds.  The growth is
the slope of the least-squares line, with its standard error; it is believed when it is far above the error and above stable's, when
much has been added, and when the last half still grows: a cache that has been filled does not.  This is a rule and not a bet: it
holds a step, and rolls back only when the limit is near.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Conclusion, Counts, Resources, Sample
from dawsos.model.status import Cause

_BLOCK, _SETTLE = 5.0, 5.0
_FEWEST, _MOST = 5, 120
# Standard errors; the blocks are few and hang together, so more than for independent ones.
_SURE = 5.0
_LEAST_PART, _LEAST_BYTES = 0.1, 8e6
# Where no limit is known, a process is taken to be killed at so much, or at so many times what stable's processes have.
_ASSUMED, _TIMES = 1e9, 4.0
# The canary is held when all the traffic would bring it to its limit within this time, and rolled back from this part of it on.
_HORIZON = 3600.0
_NEAR = 0.8


@dataclass(frozen=True)
class Growth:
    """Bytes for each request, the standard error of that, and how many bytes were added in all."""

    slope: float
    error: float
    added: float


class Course:
    """One version's memory for each process over its requests for each process."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._requests = self._seconds = self._memory = 0.0
        self._looks = 0
        self._age = 0.0
        self.now = 0.0
        self._replicas = 0

    def add(self, seconds: float, counts: Counts, used: Resources | None) -> None:
        """Take in one sample; nothing is learnt where nothing was measured.  Another number of processes begins anew."""
        if used is None or used.replicas <= 0:
            return
        if used.replicas != self._replicas:
            self.__init__()  # type: ignore[misc]
            self._replicas = used.replicas
        self.now = used.memory / used.replicas
        self._age += seconds
        self._requests += counts.requests / used.replicas
        if self._age <= _SETTLE:
            return
        self._seconds += seconds
        self._memory += self.now
        self._looks += 1
        if self._seconds >= _BLOCK - 1e-9:
            self._points = [*self._points, (self._requests, self._memory / self._looks)][-_MOST:]
            self._seconds, self._memory, self._looks = 0.0, 0.0, 0

    def growth(self, *, last_half: bool = False) -> Growth | None:
        """Return how memory grows with requests, None while it is not known."""
        points = self._points[len(self._points) // 2 :] if last_half else self._points
        many = len(points)
        if len(self._points) < _FEWEST or many < 2:
            return None
        middle, mean = sum(x for x, _ in points) / many, sum(y for _, y in points) / many
        spread = sum((x - middle) ** 2 for x, _ in points)
        if spread <= 0.0:
            return None
        slope = sum((x - middle) * (y - mean) for x, y in points) / spread
        rest = sum((y - mean - slope * (x - middle)) ** 2 for x, y in points)
        return Growth(slope, math.sqrt(rest / max(1, many - 2) / spread), points[-1][1] - points[0][1])


class Memory:
    """The memory of both versions of one rollout."""

    def __init__(self, policy: RolloutPolicy) -> None:
        self._tick = policy.tick
        self._canary, self._stable = Course(), Course()
        self._used: Resources | None = None
        self._rate = 0.0

    def observe(self, sample: Sample) -> None:
        """Take in one more sample that may be judged."""
        self._canary.add(sample.seconds, sample.canary, sample.canary_resources)
        self._stable.add(sample.seconds, sample.stable, sample.stable_resources)
        self._used = sample.canary_resources or self._used
        now = (sample.canary.requests + sample.stable.requests) / sample.seconds
        self._rate = now if not self._rate else 0.9 * self._rate + 0.1 * now

    def conclude(self) -> Conclusion | None:
        """Return that the canary cannot go on so, or why it is held; None while its memory does not grow, or not for long."""
        growth = self._grows()
        if growth is None or self._used is None:
            return None
        each = self._used.replicas
        limit, said = self._limit(self._used)
        pace = growth.slope * self._rate / each
        left = max(0.0, limit - self._canary.now) / pace
        sentence = (
            f"the canary's memory grows by {_bytes(growth.slope)} (give or take {_bytes(2 * growth.error)}) for each request, "
            f"stable's does not: {_bytes(self._canary.now)} for each process now, {said}"
        )
        if self._canary.now >= _NEAR * limit:
            return Conclusion("failing", f"{sentence}, which is near", Cause.MEMORY, "memory", self._canary.now, limit)
        if left > _HORIZON:
            return None
        return Conclusion("inconclusive", f"held: {sentence}, which all the traffic would reach in {left:.0f} s")

    def _grows(self) -> Growth | None:
        found, lately, other = self._canary.growth(), self._canary.growth(last_half=True), self._stable.growth()
        if found is None or lately is None:
            return None
        usual = max(0.0, other.slope + _SURE * other.error) if other is not None else 0.0
        much = found.added >= max(_LEAST_BYTES, _LEAST_PART * (self._canary.now - found.added))
        return found if much and found.slope > usual + _SURE * found.error and lately.slope >= found.slope / 2 else None

    def _limit(self, used: Resources) -> tuple[float, str]:
        if used.limit is not None:
            limit = used.limit / used.replicas
            return limit, f"the limit is {_bytes(limit)}"
        limit = max(_ASSUMED, _TIMES * self._stable.now)
        return limit, f"no limit is known, {_bytes(limit)} is taken for it"


def _bytes(value: float) -> str:
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} bytes"
