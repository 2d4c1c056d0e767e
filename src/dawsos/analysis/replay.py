"""A recorded rollout, judged again under another policy.  Pure.

The samples are those of the real rollout, at its weights.  So a replay says when another judge would have decided, not what would
have happened after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dawsos.analysis.judges import make_judge
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Sample


@dataclass(frozen=True)
class Replay:
    """What one policy says of a recording.  Times are seconds since its first sample at a weight above 0, None for never;
    ``doubted`` counts the samples that were neither healthy nor failing."""

    name: str
    samples: int
    failing_at: float | None
    weight: int | None
    reason: str
    suspected_at: float | None
    doubted: int


def replay(
    name: str, policy: RolloutPolicy, samples: Sequence[Sample], *, first: bool = False, warm: bool = True
) -> Replay:
    """Judge ``samples`` in order; ``first``: there was no stable release; ``warm``: the canary was seen warm."""
    judge = make_judge(policy, first=first, warm=warm)
    elapsed, doubted = 0.0, 0
    suspected: float | None = None
    reason = "no sample"
    for sample in samples:
        judgement = judge.observe(sample)
        if not sample.weight:
            continue
        elapsed += sample.seconds
        reason = judgement.reason
        if judgement.suspected and suspected is None:
            suspected = elapsed
        if judgement.verdict == "failing":
            return Replay(name, len(samples), elapsed, sample.weight, reason, suspected, doubted)
        doubted += judgement.verdict != "healthy"
    return Replay(name, len(samples), None, None, reason, suspected, doubted)
