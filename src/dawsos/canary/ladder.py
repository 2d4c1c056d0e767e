"""The ladder of weights as a state table.

Rule 1: every decision about the weight is made here, from the state, a judgement and the time; nothing else moves it.
Rule 2: a verdict that is missing from the table is a defect (KeyError), never a silent hold.

=============  =======================  ============================  =========================
verdict        within the step's time   time is over                  deadline passed as well
=============  =======================  ============================  =========================
healthy        hold                     advance (promote at the top)  advance
inconclusive   hold                     hold                          rollback
no_data        hold                     hold                          rollback
failing        rollback                 rollback                      rollback
=============  =======================  ============================  =========================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dawsos.model.rollout import Decision, Judgement, RolloutPolicy, Verdict

Phase = Literal["within", "over", "late"]

_TABLE: dict[tuple[Verdict, Phase], Decision] = {
    ("healthy", "within"): "hold",
    ("healthy", "over"): "advance",
    ("healthy", "late"): "advance",
    ("inconclusive", "within"): "hold",
    ("inconclusive", "over"): "hold",
    ("inconclusive", "late"): "rollback",
    ("no_data", "within"): "hold",
    ("no_data", "over"): "hold",
    ("no_data", "late"): "rollback",
    ("failing", "within"): "rollback",
    ("failing", "over"): "rollback",
    ("failing", "late"): "rollback",
}


@dataclass(frozen=True)
class LadderState:
    """Which rung the canary stands on and since when (seconds on the controller's clock)."""

    index: int
    since: float


def phase(state: LadderState, now: float, policy: RolloutPolicy) -> Phase:
    """Return where ``now`` lies in the step's time; the deadline counts from the end of the step's duration."""
    elapsed = now - state.since
    duration = policy.ladder[state.index].duration
    if elapsed < duration:
        return "within"
    return "over" if elapsed < duration + policy.no_data_deadline else "late"


def decide(state: LadderState, judgement: Judgement, now: float, policy: RolloutPolicy) -> tuple[Decision, str]:
    """Return the decision and its reason, a sentence for a person."""
    when = phase(state, now, policy)
    decision = _TABLE[judgement.verdict, when]
    if decision == "advance" and state.index == len(policy.ladder) - 1:
        return "promote", f"healthy at {policy.ladder[-1].weight} % for {policy.ladder[-1].duration:g} s"
    if decision == "rollback" and judgement.verdict != "failing":
        return (
            decision,
            f"no healthy verdict within {policy.no_data_deadline:g} s after the step's time: {judgement.reason}",
        )
    return decision, judgement.reason
