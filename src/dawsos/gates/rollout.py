"""The release reached 100 % of the traffic."""

from __future__ import annotations

from dawsos.gates.contract import Evidence, GateKind, Measurement
from dawsos.gates.documents import get_number, get_text, parse_object, required_file
from dawsos.model.pipeline import GateOptions

EVIDENCE = "rollout.json"


class Options(GateOptions):
    """The rollout ended with a promotion; its limits are those of the rollout's policy.  No options."""


def files(_options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(_options: Options, evidence: Evidence) -> Measurement:
    facts = parse_object(EVIDENCE, required_file(evidence, EVIDENCE))
    outcome, weight = get_text(EVIDENCE, facts, "outcome"), get_number(EVIDENCE, facts, "weight")
    reason = str(facts.get("reason") or outcome)
    measured = [f"{outcome} at {weight:g} %"]
    # A rollout that was rolled back before its first check has neither of the two.
    if facts.get("error_rate") is not None:
        measured.append(f"errors {get_number(EVIDENCE, facts, 'error_rate'):.2%}")
    if facts.get("p95") is not None:
        measured.append(f"p95 {get_number(EVIDENCE, facts, 'p95') * 1000:.0f} ms")
    good = outcome == "promoted" and weight == 100
    if outcome == "promoted" and not good:
        reason = f"the outcome is promoted, but the canary has {weight:g} % of the traffic"
    if good and facts.get("checked") is False:
        reason = f"warning: NOT CHECKED: {reason}"
    return Measurement(
        "pass" if good else "fail",
        ", ".join(measured),
        "promoted at 100 %",
        message=reason,
        evidence=(EVIDENCE,),
        # A driver may take a first release to everybody without any look at it, as Flagger does.
        unchecked=good and facts.get("checked") is False,
        findings=() if good else (f"release {str(facts.get('release', '?'))[:12]}: {reason}",),
    )


GATE = GateKind(Options, files, evaluate)
