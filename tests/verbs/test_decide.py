"""``approve`` and ``reject``: a decision is signed and recorded, and refused where nobody asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dawsos.errors import BadInput
from dawsos.model.status import ApprovalDecision
from dawsos.runs.project import load_run
from dawsos.verbs.decide import decide
from runs.test_approvals import asking, outcome
from support.paper import Paper


@pytest.mark.parametrize("decision", ApprovalDecision)
def test_a_decision_is_recorded_with_the_digest(decision: ApprovalDecision, tmp_path: Path) -> None:
    told = asking(tmp_path)
    outcome(told)
    made = decide(told.tools.project, told.session.id, decision=decision, name="Ada", reason="seen")
    (record,) = load_run(told.tools, told.session.id).approvals
    assert (made.run, made.digest, made.decision, made.name) == (told.session.id, record.digest, decision, "Ada")
    assert (record.decision, record.reason, record.how) == (decision, "seen", "command")


def test_a_run_that_asks_for_nothing_takes_no_decision(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    paper.session()
    with pytest.raises(BadInput, match="does not ask for an approval"):
        decide(paper.project, "last", decision=ApprovalDecision.APPROVED, name="Ada", reason="")
