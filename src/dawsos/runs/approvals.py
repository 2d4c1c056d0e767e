"""Approvals: a person's yes or no over one digest of the release, the evidence it passed on and the report that was shown.

A decision is signed when it is taken and counts only with that signature: an event that somebody else put into the journal
approves nothing.  The signature says that the decision was recorded here, not who typed the name.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

from dawsos.adapters.digests import storable, tree_digests
from dawsos.adapters.files import write_json
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import BadInput
from dawsos.model.events import ApprovalGiven, ApprovalRequested
from dawsos.model.pipeline import Approval
from dawsos.model.run import ApprovalRecord, ApprovalRequest, Run
from dawsos.model.status import ApprovalDecision, StageState
from dawsos.ports import Keyring, Prompter
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements, verification
from dawsos.runs.evidence import approval_digest
from dawsos.runs.project import Tools, load_run
from dawsos.runs.recorder import Session

_EXPIRES = Approval().expires


@dataclass(frozen=True)
class Preapproval:
    """An approval given with ``ship --approve-as NAME --reason TEXT``, before anything was known; recorded as such."""

    name: str
    reason: str


@dataclass(frozen=True)
class ApprovalStatus:
    """The state of a request: who has approved, each person once, and the first rejection."""

    yes: tuple[ApprovalRecord, ...]
    no: ApprovalRecord | None = None

    def names(self) -> set[str]:
        return {record.name for record in self.yes} | ({self.no.name} if self.no else set())


def must_be_allowed(name: str, of: tuple[str, ...]) -> None:
    """Raise BadInput when ``of`` lists who may decide and ``name`` is not in it."""
    if of and name not in of:
        raise BadInput(f"{name} may not approve; who may: {', '.join(of)}", fix="see approval in pipeline.yaml")


def approval_status(run: Run, request: ApprovalRequest, keyring: Keyring, now: float) -> ApprovalStatus:
    """Return the state of ``request``; only signed and unexpired decisions count."""
    yes: dict[str, ApprovalRecord] = {}
    for record in run.approvals:
        same = (record.stage, record.digest) == (request.stage, request.digest)
        if not same or record.expires_at <= now or not _signed(run, record, keyring):
            continue
        if record.decision is ApprovalDecision.REJECTED:
            return ApprovalStatus(tuple(yes.values()), record)
        yes.setdefault(record.name, record)
    return ApprovalStatus(tuple(yes.values()))


def _signed(run: Run, record: ApprovalRecord, keyring: Keyring) -> bool:
    try:
        statement = dsse.open_envelope(record.statement, keyring).statement
    except dsse.Untrusted:
        return False
    predicate = statement["predicate"]
    same = all(predicate.get(key) == getattr(record, key) for key in ("stage", "digest", "decision", "name", "reason"))
    return same and predicate.get("expires") == record.expires_at and verification.subject(statement) == run.release


@dataclass(frozen=True)
class _Question:
    """What one stage of a run asks, and the means to answer."""

    session: Session
    attempt: StageAttempt
    request: ApprovalRequest

    def status(self) -> ApprovalStatus:
        now = self.attempt.clock.now()
        return approval_status(self.session.refresh(), self.request, self.session.tools.keyring(), now)

    def answered(self) -> bool:
        now = self.status()
        return now.no is not None or len(now.yes) >= self.request.needed

    def decide(self, decision: ApprovalDecision, person: Preapproval, how: str) -> None:
        given = _given(self.session.tools, self.session.state, self.request, _Decision(decision, person, how))
        self.session.record(given, self.request.stage)


@dataclass(frozen=True)
class _Decision:
    """What a person decided, before it is signed."""

    decision: ApprovalDecision
    person: Preapproval
    how: str


def _given(tools: Tools, run: Run, request: ApprovalRequest, decided: _Decision) -> ApprovalGiven:
    """Return the decision as the signed answer to ``request``."""
    now = tools.clock.now()
    expires = _EXPIRES if request.expires is None else request.expires
    record = ApprovalRecord(
        request.stage, request.digest, decided.decision, storable(tools.masker.clean(decided.person.name)),
        storable(tools.masker.clean(decided.person.reason)), decided.how, now, now + expires,
    )  # fmt: skip
    signed = dsse.sign(statements.approval(run, record, request.role), tools.signer())
    return ApprovalGiven(
        record.digest, record.decision, record.name, record.reason, record.how, record.expires_at, signed
    )


async def ask(
    session: Session, attempt: StageAttempt, beforehand: Preapproval | None, prompter: Prompter
) -> StageOutcome:
    """Get the decision for the stage: what is in the journal, what was given beforehand, or what is typed now.

    Without a terminal and with too few decisions the outcome is ``waiting``.
    """
    approval = attempt.stage.approval
    if approval is None:
        return StageOutcome(StageState.PASSED)
    state = session.refresh()
    stage = attempt.stage.id
    gates = [gate.body() for gate in state.stages[stage].gates]
    files = await asyncio.to_thread(tree_digests, attempt.artifacts)
    digest = approval_digest(state.release, gates, files)
    session.record(
        ApprovalRequested(digest, approval.role, state.release, approval.of, approval.needed, approval.expires), stage
    )
    question = _Question(session, attempt, session.state.approval_requests[-1])
    if beforehand is not None and beforehand.name not in question.status().names():
        question.decide(ApprovalDecision.APPROVED, beforehand, "beforehand")
    while not question.answered() and prompter.interactive():
        if not await _prompt(question, prompter):
            break
    return _outcome(question, approval)


def _outcome(question: _Question, approval: Approval) -> StageOutcome:
    status = question.status()
    decided = (*status.yes, *([status.no] if status.no else []))
    write_json(question.attempt.artifacts / "approval.json", {"approvals": [asdict(record) for record in decided]})
    if status.no is not None:
        return StageOutcome(StageState.REJECTED, f"{status.no.name} rejected: {status.no.reason}")
    if len(status.yes) < approval.needed:
        given = f"; {len(status.yes)} of {approval.needed} have" if approval.needed > 1 else ""
        digest = question.request.digest[:12]
        return StageOutcome(StageState.WAITING, f"the {approval.role} has not approved {digest} yet{given}")
    return StageOutcome(StageState.PASSED)


async def _prompt(question: _Question, prompter: Prompter) -> bool:
    """Ask on the terminal; a decision from another terminal ends the question too.

    Returns False when the typed text is not an answer.
    """
    session, request = question.session, question.request
    session.suspend_reporters()
    status = question.status()
    given = f" ({len(status.yes)} of {request.needed} given)" if request.needed > 1 else ""
    line = await prompter.ask(
        f"\nApproval by the {request.role} over {request.digest[:12]}{given}. "
        f"Report: {session.tools.project.report(session.id)}\nType: yes NAME REASON | no NAME REASON\n> ",
        question.answered,
    )
    if line is None:
        return True
    answer, name, reason = [*line.strip().split(maxsplit=2), "", "", ""][:3]
    if answer.lower() not in ("yes", "no") or not name:
        return False
    if request.of and name not in request.of:
        prompter.say(f"{name} may not decide; who may: {', '.join(request.of)}\n")
    elif name in status.names():
        prompter.say(f"{name} has decided already\n")
    else:
        decision = ApprovalDecision.APPROVED if answer.lower() == "yes" else ApprovalDecision.REJECTED
        question.decide(decision, Preapproval(name, reason), "terminal")
    return True


def decide(tools: Tools, run_name: str, *, decision: ApprovalDecision, name: str, reason: str) -> tuple[str, str]:
    """Record a decision on a waiting run from another process; return the run and the digest.  Raises BadInput."""
    run = load_run(tools, run_name)
    if not run.approval_requests:
        raise BadInput(f"run {run.id} does not ask for an approval", fix="see dawsos status")
    if not run.unfinished:
        raise BadInput(f"run {run.id} has ended ({run.result}) and takes no decision", fix="ship again")
    request = run.approval_requests[-1]
    must_be_allowed(name, request.of)
    status = approval_status(run, request, tools.keyring(), tools.clock.now())
    if status.no is not None or len(status.yes) >= request.needed:
        raise BadInput(f"run {run.id} was decided already", fix=f"dawsos show {run.id}")
    if name in status.names():
        raise BadInput(f"{name} has approved already; {len(status.yes)} of {request.needed} have", fix="another person")
    given = _given(tools, run, request, _Decision(decision, Preapproval(name, reason), "command"))
    tools.journal.append(run.id, given, request.stage)
    return run.id, request.digest
