"""The product owner's yes or no over one digest: the release and the evidence it passed on."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from dawsos.app.project import Tools, load_run, write_json
from dawsos.app.session import Session
from dawsos.engine.work import Outcome, Work
from dawsos.errors import BadInput
from dawsos.model.run import ApprovalRecord
from dawsos.model.verdicts import GateVerdict

_POLL = 0.5


@dataclass(frozen=True)
class Beforehand:
    """An approval given with ``ship --approve-as NAME --reason TEXT``, before anything was known; recorded as such."""

    name: str
    reason: str


def evidence_digest(release: str, artifacts: Path, verdicts: tuple[GateVerdict, ...]) -> str:
    """Return the SHA-256 over the release, every verdict and every evidence file that a verdict names."""
    files = {}
    for name in sorted({name for verdict in verdicts for name in verdict.evidence}):
        path = artifacts / name
        if path.is_file():
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    text = json.dumps(
        {"release": release, "gates": [asdict(verdict) for verdict in verdicts], "files": files}, sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


async def ask(
    session: Session, work: Work, verdicts: tuple[GateVerdict, ...], beforehand: Beforehand | None
) -> Outcome:
    """Get a decision for the stage: one that is in the journal, the one given beforehand, or the one typed now.

    Without a terminal and without a decision the outcome is ``waiting``.
    """
    approval = work.stage.approval
    if approval is None:
        return Outcome("passed")
    digest = evidence_digest(session.state.release, work.artifacts, verdicts)
    session.record(
        "approval_requested", work.stage.id, digest=digest, role=approval.role, subject=session.state.release
    )
    expires = work.clock.now() + approval.expires
    if beforehand is not None and _decision(session, work, digest) is None:
        session.record(
            "approval_given", work.stage.id, digest=digest, decision="approved", name=beforehand.name,
            reason=beforehand.reason, how="beforehand", expires_at=expires,
        )  # fmt: skip
    decision = _decision(session, work, digest)
    if decision is None and sys.stdin.isatty() and sys.stderr.isatty():
        decision = await _prompt(session, work, digest, approval.role)
    if decision is None:
        return Outcome("waiting", f"the {approval.role} has not approved {digest[:12]} yet")
    write_json(work.artifacts / "approval.json", asdict(decision))
    if decision.decision == "approved":
        return Outcome("passed")
    return Outcome("rejected", f"{decision.name} rejected: {decision.reason}")


def _decision(session: Session, work: Work, digest: str) -> ApprovalRecord | None:
    approval = work.stage.approval
    for record in reversed(session.refresh().approvals):
        fresh = approval is not None and work.clock.now() - record.at < approval.expires
        if record.stage == work.stage.id and record.digest == digest and fresh:
            return record
    return None


async def _prompt(session: Session, work: Work, digest: str, role: str) -> ApprovalRecord | None:
    """Ask on the terminal; a decision from another terminal ends the question as well."""
    suspend = getattr(session.reporter, "suspend", None)
    if suspend is not None:
        suspend()
    report = session.tools.project.report(session.id)
    sys.stderr.write(
        f"\nApproval by the {role} over {digest[:12]}. Report: {report}\nType: yes NAME REASON | no NAME REASON\n> "
    )
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def on_input() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), on_input)
    try:
        while not typed.done():
            decision = _decision(session, work, digest)
            if decision is not None:
                return decision
            await asyncio.wait([typed], timeout=_POLL)
    finally:
        loop.remove_reader(sys.stdin.fileno())
    answer, name, reason = [*typed.result().split(maxsplit=2), "", "", ""][:3]
    if answer.lower() not in ("yes", "no") or not name:
        return None
    session.record(
        "approval_given", work.stage.id, digest=digest, decision="approved" if answer.lower() == "yes" else "rejected",
        name=name, reason=reason, how="terminal",
    )  # fmt: skip
    return _decision(session, work, digest)


def decide(tools: Tools, run_name: str, *, decision: str, name: str, reason: str) -> tuple[str, str]:
    """Record a decision on a waiting run from outside it; return the run and the digest.  Raises BadInput."""
    run = load_run(tools, run_name)
    if not run.approval_requests:
        raise BadInput(f"run {run.id} does not ask for an approval", fix="see dawsos status")
    if run.result not in ("", "waiting"):
        raise BadInput(f"run {run.id} has ended ({run.result}); nothing can be decided any more", fix="ship again")
    request = run.approval_requests[-1]
    if any(record.digest == request["digest"] for record in run.approvals):
        raise BadInput(f"run {run.id} was decided already", fix=f"dawsos show {run.id}")
    tools.journal.append(
        run.id, "approval_given", request["stage"], digest=request["digest"], decision=decision, name=name,
        reason=tools.masker.clean(reason), how="command",
    )  # fmt: skip
    return run.id, request["digest"]
