"""A rollout policy as a Flagger manifest has it: which of the simulated faults its checks can see, and over which time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic import model_validator

from dawsos.model.policy import RolloutPolicy

# Flagger looks back over a minute where a metric does not say its interval, and never checks more often than this.
WINDOW, SHORTEST_INTERVAL = 60.0, 10.0


@dataclass(frozen=True)
class FlaggerChecks:
    """What is checked.  ``errors`` and ``slow`` are the seconds over which the share of errors and the latency are measured, None
    when no check does; at most the share ``slow_share`` may be slower than the limit (0.05: the limit is that of p95);
    ``failures``: a check reads the failure counter."""

    errors: float | None = WINDOW
    slow: float | None = WINDOW
    slow_share: float = 0.05
    failures: bool = True


class ManifestPolicy(RolloutPolicy):
    """The policy of one manifest.  Its ladder may end below 100 %: Flagger promotes from there."""

    checks: FlaggerChecks = FlaggerChecks()

    @model_validator(mode="after")
    def _weights_increase(self) -> Self:
        weights = [step.weight for step in self.ladder]
        if sorted(set(weights)) != weights:
            raise ValueError(f"ladder weights must increase, got {' '.join(map(str, weights))}")
        return self


def checks_of(policy: RolloutPolicy) -> FlaggerChecks:
    """Return what Flagger would check with a policy: all of it, over a minute or the interval where it is longer, unless a manifest
    says something else."""
    if isinstance(policy, ManifestPolicy):
        return policy.checks
    window = max(WINDOW, policy.check_interval)
    return FlaggerChecks(window, window)
