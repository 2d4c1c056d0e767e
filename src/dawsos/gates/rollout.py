"""The release reached 100 % of the traffic."""

from __future__ import annotations

from collections.abc import Mapping

from dawsos.gates.evidence import get, one, parse_json, verdict
from dawsos.model.rollout import Strict
from dawsos.model.verdicts import GateVerdict

EVIDENCE = "rollout.json"


class Options(Strict):
    """The rollout ended promoted.  Its limits are the policy's.  No options."""


def files(options: Options) -> tuple[str, ...]:
    return (EVIDENCE,)


def evaluate(name: str, options: Options, evidence: Mapping[str, bytes]) -> GateVerdict:
    facts = parse_json(EVIDENCE, one(evidence, EVIDENCE))
    outcome = str(get(EVIDENCE, facts, "outcome"))
    rate, p95 = facts.get("error_rate"), facts.get("p95")
    numbers = "".join(
        [
            f", errors {rate:.2%}" if isinstance(rate, float) else "",
            f", p95 {p95 * 1000:.0f} ms" if isinstance(p95, float) else "",
        ]
    )
    return verdict(
        (name, "rollout"), outcome == "promoted", f"{outcome} at {facts.get('weight', 0)} %{numbers}", "promoted at 100 %",
        message=str(facts.get("reason", "")), evidence=[EVIDENCE],
    )  # fmt: skip
