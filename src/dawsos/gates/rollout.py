"""The release reached 100 % of the traffic."""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.gates.documents import Malformed, get, number, one, parse_json, verdict
from dawsos.model.policy import Strict
from dawsos.model.verdicts import GateVerdict

EVIDENCE = "rollout.json"


class Options(Strict):
    """The rollout ended promoted.  Its limits are the policy's.  No options."""


def files(_options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(name: str, _options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    facts = parse_json(EVIDENCE, one(evidence, EVIDENCE))
    outcome = get(EVIDENCE, facts, "outcome")
    if not isinstance(outcome, str) or not outcome:
        raise Malformed(f"{EVIDENCE}: outcome is {outcome!r}, not a word")
    weight = number(f"{EVIDENCE}: weight", get(EVIDENCE, facts, "weight"))
    reason = str(facts.get("reason") or outcome)
    measured = [f"{outcome} at {weight:g} %"]
    # A rollout that was rolled back before its first check has neither number.
    if facts.get("error_rate") is not None:
        measured.append(f"errors {number(f'{EVIDENCE}: error_rate', facts['error_rate']):.2%}")
    if facts.get("p95") is not None:
        measured.append(f"p95 {number(f'{EVIDENCE}: p95', facts['p95']) * 1000:.0f} ms")
    good = outcome == "promoted" and weight == 100
    if outcome == "promoted" and not good:
        reason = f"called promoted with {weight:g} % of the traffic"
    return verdict(
        (name, "rollout"),
        good,
        ", ".join(measured),
        "promoted at 100 %",
        message=reason,
        evidence=[EVIDENCE],
        findings=[] if good else [f"release {str(facts.get('release', '?'))[:12]}: {reason}"],
    )
