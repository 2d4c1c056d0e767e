"""Carries out approve, reject and down."""

from __future__ import annotations

from dawsos.cli.console import make_console, say
from dawsos.cli.output import here
from dawsos.model.status import ApprovalDecision


def approve(*, run_id: str, name: str, reason: str) -> None:
    """``dawsos approve``."""
    _decide(run_id, ApprovalDecision.APPROVED, name, reason)


def reject(*, run_id: str, name: str, reason: str) -> None:
    """``dawsos reject``."""
    _decide(run_id, ApprovalDecision.REJECTED, name, reason)


def _decide(run_id: str, decision: ApprovalDecision, name: str, reason: str) -> None:
    from dawsos.verbs.decide import decide

    made = decide(here(), run_id, decision=decision, name=name, reason=reason)
    say(
        make_console(),
        f"{made.decision} {made.digest[:12]} of run {made.run} as {made.name}\nnext     dawsos resume {made.run}",
    )


def down(*, environment: str, purge: bool) -> None:
    """``dawsos down``."""
    from dawsos.verbs.down import down as take_down

    ended = take_down(here(), purge=purge, name=environment)
    told = f"down: {', '.join(ended.stopped) or 'nothing was running'}"
    left = [f"left alone on its cluster: {name}; dawsos down {name} takes it down" for name in ended.left]
    say(make_console(), "\n".join([told, *left]))
