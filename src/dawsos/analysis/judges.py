"""Every judge by the name it has in ``pipeline.yaml``.  Pure."""

from __future__ import annotations

from collections.abc import Callable

from dawsos.analysis.flagger import FlaggerRule
from dawsos.analysis.statistical.judge import Judge, Statistical
from dawsos.analysis.thresholds import Thresholds
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import JudgeName

JUDGES: dict[JudgeName, Callable[[RolloutPolicy], Judge]] = {
    "statistical": Statistical,
    "thresholds": Thresholds,
    "flagger": FlaggerRule,
}


def make_judge(policy: RolloutPolicy, *, first: bool = False, warm: bool = True) -> Judge:
    """Return the judge that ``policy`` names; ``first``: there is no stable release to compare with; ``warm``: the canary's start
    is over, or has had its time, before its first user."""
    if policy.judge == "statistical":
        return Statistical(policy, first=first, warm=warm)
    return JUDGES[policy.judge](policy)
