"""Every decision about a rollout: the state table of the ladder, and every cause that ends one.

The functions at the end return the fact that ends a rollout.  Nothing else in the tool makes one.

Rule 1: every decision about the weight is made here, from the state, a judgement and the time; nothing else moves it.
Rule 2: a verdict that is missing from the table is a defect (KeyError), never a silent hold.
Rule 3: suspicion dims: the canary's weight is lowered at once and restored when the judge has cleared it.  A dimmed canary
        does not advance; it is rolled back, or restored and then judged again.

=============  =======================  ============================  =========================
verdict        within the step's time   time is over                  deadline passed as well
=============  =======================  ============================  =========================
healthy        hold                     advance (promote at the top)  advance
inconclusive   hold                     hold                          rollback, or hold
no_data        hold                     hold                          rollback, or hold
failing        rollback                 rollback                      rollback
=============  =======================  ============================  =========================

With ``advance: evidence`` the step's time is over as soon as the canary is shown to be within its limits, not before
``shortest_step``.  ``at_deadline`` chooses between rollback and hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dawsos.model.events import AnswersCompared, RolloutDecided
from dawsos.model.policy import RolloutPolicy
from dawsos.model.rollout import Decision, Judgement, Verdict
from dawsos.model.status import Cause, RolloutDecision

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


# Lowering the weight by less is not worth a change of routes.
WORTH_DIMMING = 0.7


@dataclass(frozen=True)
class LadderState:
    """The step that the canary is on, and since when (seconds on the controller's clock).  ``dimmed`` is the canary's weight
    while it is under suspicion, 0 when it is not.
    """

    index: int
    since: float
    dimmed: int = 0


def phase(state: LadderState, now: float, policy: RolloutPolicy, *, proven: bool = False) -> Phase:
    """Return where ``now`` lies in the step's time; the deadline counts from the end of the step's duration."""
    elapsed = now - state.since
    duration = policy.ladder[state.index].duration
    if elapsed < duration:
        early = policy.advance == "evidence" and proven and elapsed >= policy.shortest_step
        return "over" if early else "within"
    return "over" if elapsed < duration + policy.no_data_deadline else "late"


def decide(state: LadderState, judgement: Judgement, now: float, policy: RolloutPolicy) -> tuple[Decision, str]:
    """Return the decision and its reason, a sentence for a person."""
    when = phase(state, now, policy, proven=judgement.proven)
    decision = _TABLE[judgement.verdict, when]
    if decision == "rollback" and judgement.verdict != "failing":
        late = f"no healthy verdict within {policy.no_data_deadline:g} s after the step's time: {judgement.reason}"
        if policy.at_deadline == "rollback":
            return "rollback", late
        decision = "hold"
    if decision != "rollback":
        dimming = _dimming(state, judgement, policy)
        if dimming:
            return dimming, judgement.reason
    if decision == "advance" and state.index == len(policy.ladder) - 1:
        return "promote", f"healthy at {policy.ladder[-1].weight} % for {policy.ladder[-1].duration:g} s"
    return decision, judgement.reason


def dimmed_weight(weight: int, factor: float) -> int:
    """Return the weight to dim to from ``weight``, at least 1; ``weight`` itself when a change would save too little."""
    lower = max(1, round(weight * factor))
    return lower if lower <= WORTH_DIMMING * weight else weight


def _dimming(state: LadderState, judgement: Judgement, policy: RolloutPolicy) -> Decision | None:
    if state.dimmed:
        return "hold" if judgement.suspected else "restore"
    weight = policy.ladder[state.index].weight
    if policy.dim and judgement.suspected and dimmed_weight(weight, judgement.dim_factor) < weight:
        return "dim"
    return None


def ended(decision: Decision, reason: str, judgement: Judgement) -> RolloutDecided:
    """Return the fact of a decision of ``decide`` that ends the rollout."""
    if decision == "promote":
        return RolloutDecided(RolloutDecision.PROMOTE, Cause.HEALTHY, reason)
    if judgement.verdict != "failing":
        return _rollback(Cause.NO_VERDICT, reason)
    return RolloutDecided(
        RolloutDecision.ROLLBACK, judgement.cause, reason, judgement.metric, judgement.measured, judgement.limit
    )


def _rollback(cause: Cause, reason: str) -> RolloutDecided:
    return RolloutDecided(RolloutDecision.ROLLBACK, cause, reason)


def requested(name: str, reason: str) -> RolloutDecided:
    """A person asked for a rollback."""
    return _rollback(Cause.REQUESTED, f"asked for by {name or 'somebody'}: {reason}")


def not_running() -> RolloutDecided:
    """The controller that came back found the canary not ready."""
    return _rollback(Cause.NOT_RUNNING, "the canary is not running any more")


def removed() -> RolloutDecided:
    """The controller that came back found the canary's deployment gone, for example after ``dawsos down``."""
    return _rollback(Cause.REMOVED, "the canary was removed while no controller was there")


def superseded() -> RolloutDecided:
    """The controller that came back found that another release serves: this rollout's stable release must not return."""
    return _rollback(Cause.SUPERSEDED, "another release took production while no controller was there")


def answers_differ(compared: AnswersCompared, at_no_data: Literal["go_on", "rollback"]) -> RolloutDecided | None:
    """The comparison before traffic found that users would get other answers, or could not be made; None: the rollout goes on."""
    if compared.verdict == "fail":
        failed = [page for page in compared.pages if page.verdict == "fail"]
        reason = f"before any traffic: {compared.reason}"
        return RolloutDecided(
            RolloutDecision.ROLLBACK, Cause.ANSWERS, reason, failed[0].name if failed else "", float(len(failed)), 0.0
        )
    if compared.verdict == "no_data" and at_no_data == "rollback":
        way_out = "a release that mends stable goes on with `ship --hotfix REASON`, or `compare: {at_no_data: go_on}` in its commit"
        return _rollback(
            Cause.NO_VERDICT, f"the answers could not be compared before traffic: {compared.reason}; {way_out}"
        )
    return None


def load_failed(reason: str) -> RolloutDecided:
    """The load by which the canary is judged did not start."""
    return _rollback(Cause.LOAD_FAILED, reason)


def interrupted(command: str) -> RolloutDecided:
    """A drill was interrupted: it is rolled back and not continued."""
    return _rollback(Cause.INTERRUPTED, f"the {command} was interrupted")


# Flagger's words for a check that failed: "Halt NAME advancement SENTENCE".
_FLAGGER_CAUSES: tuple[tuple[str, Cause], ...] = (
    ("no values found", Cause.NO_VERDICT),
    ("query", Cause.NO_VERDICT),
    ("canary-scraped", Cause.NO_VERDICT),
    ("canary-requests", Cause.NO_VERDICT),
    ("canary-restarts", Cause.CRASH_LOOP),
    ("success-rate", Cause.ERROR_RATE),
    ("success rate", Cause.ERROR_RATE),
    ("request-duration", Cause.LATENCY),
    ("request duration", Cause.LATENCY),
    ("advancement", Cause.FAILURE_COUNTER),
    ("not ready", Cause.NOT_RUNNING),
    ("progress deadline", Cause.NOT_RUNNING),
)


def flagger_promoted(*, first: bool) -> RolloutDecided:
    """Flagger took the release to all users; a first one without any analysis."""
    if first:
        reason = "Flagger took the first release to all users at once: nothing of it was checked"
        return RolloutDecided(RolloutDecision.PROMOTE, Cause.UNKNOWN, reason)
    return RolloutDecided(
        RolloutDecision.PROMOTE, Cause.HEALTHY, "Flagger's analysis passed, and it promoted the release"
    )


def flagger_failed(told: Sequence[str]) -> RolloutDecided:
    """Flagger rolled the release back; ``told`` is what it said, the oldest first."""
    for message in reversed(told):
        # A gate that holds the weight is no finding.
        if "approval" not in message and any(word in message for word in ("Halt", "not ready", "progress deadline")):
            cause = next((cause for words, cause in _FLAGGER_CAUSES if words in message), Cause.UNKNOWN)
            return _rollback(cause, f"Flagger rolled it back: {message}")
    return _rollback(Cause.UNKNOWN, "Flagger rolled it back and gave no reason")


def rejected(cause: Cause, reason: str, metric: str, measured: float | None, limit: float | None) -> RolloutDecided:
    """The judge beside Flagger rejected the canary, and Flagger rolled it back."""
    return RolloutDecided(RolloutDecision.ROLLBACK, cause, reason, metric, measured, limit)


def overtaken(what: str) -> RolloutDecided:
    """Flagger follows another revision than the one that was shipped."""
    return _rollback(Cause.SUPERSEDED, f"Flagger judges another revision now: {what}")


def stood_still(weight: int, seconds: float) -> RolloutDecided:
    """Flagger held the weight for too long."""
    return _rollback(
        Cause.NO_VERDICT, f"Flagger held the canary at {weight} % for {seconds:.0f} s, and said neither yes nor no"
    )
