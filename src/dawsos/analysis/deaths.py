"""Processes that end by themselves: evidence against the canary from the first on, while none of stable's does.  Pure.

This is a rule, not a bet: one death holds the step and dims the canary, the second rolls it back.  Where stable's processes die too,
the canary is not to blame; the crash loop remains the outer bound.
"""

from __future__ import annotations

from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Conclusion, Sample
from dawsos.model.status import Cause

_PROOF = 2
# The part of its weight that a canary keeps after the first death.
DEATH_DIM = 0.2


class Deaths:
    """Counts the deaths of one rollout."""

    def __init__(self, policy: RolloutPolicy) -> None:
        # A single death must not hold the step until its deadline.
        self._hold = min(policy.crash_loop.window, policy.no_data_deadline / 2)
        self.canary = self.stable = 0
        self._since = 0.0

    def observe(self, sample: Sample) -> None:
        """Take in one more sample, whatever else it tells."""
        died = sample.deaths or 0
        self.canary += died
        self.stable += sample.stable_deaths or 0
        self._since = 0.0 if died else self._since + max(0.0, sample.seconds)

    @property
    def suspected(self) -> bool:
        """True after the first death, until nothing more has happened for a while."""
        return self.canary > 0 and not self.stable and self._since <= self._hold

    def proof(self) -> Conclusion | None:
        """Return that the canary failed, None while it is not shown."""
        if self.canary < _PROOF or self.stable:
            return None
        return Conclusion("failing", self._sentence(), Cause.CRASH_LOOP, "deaths", float(self.canary), 1.0)

    def doubt(self) -> Conclusion | None:
        """Return why the step is held, None when nothing died of late."""
        if not self.suspected:
            return None
        return Conclusion("inconclusive", f"suspicion: {self._sentence()}; a second time rolls it back")

    def _sentence(self) -> str:
        times = "once" if self.canary == 1 else f"{self.canary} times"
        return f"a process of the canary ended by itself {times}, none of stable's did"
