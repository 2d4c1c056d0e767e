"""``dawsos approve`` and ``dawsos reject``: a person's decision over the digest that a waiting run asks for."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.model.status import ApprovalDecision
from dawsos.runs import approvals
from dawsos.runs.project import Project, open_tools


@dataclass(frozen=True)
class Decided:
    """What was decided: ``digest`` is the SHA-256 over release, verdicts, evidence and report."""

    run: str
    digest: str
    decision: ApprovalDecision
    name: str


def decide(project: Project, run_name: str, *, decision: ApprovalDecision, name: str, reason: str) -> Decided:
    """Sign and record the decision of ``name``; raises BadInput when the run asks for none or ``name`` may not decide."""
    run, digest = approvals.decide(
        open_tools(project), run_name, decision=ApprovalDecision(decision), name=name, reason=reason
    )
    return Decided(run, digest, decision, name)
