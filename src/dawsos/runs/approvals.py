"""People's yes or no over one digest: the release, the evidence it passed on and the report they were shown.

A decision is signed when it is taken and counts only with that signature: an event that somebody else put into the journal
approves nothing.  The signature says that it was recorded here, not who typed the name.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from dawsos.adapters.digests import storable, tree_digests
from dawsos.adapters.files import write_json
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import BadInput
from dawsos.model.pipeline import Approval
from dawsos.model.run import ApprovalRecord, Run
from dawsos.ports import Keyring
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements
from dawsos.provenance import verification as check
from dawsos.runs.evidence import approval_digest
from dawsos.runs.project import Tools, load_run
from dawsos.runs.recorder import Session

_POLL = 0.5
_EXPIRES = Approval().expires


@dataclass(frozen=True)
class Preapproval:
    """An approval given with ``ship --approve-as NAME --reason TEXT``, before anything was known; recorded as such."""

    name: str
    reason: str


@dataclass(frozen=True)
class ApprovalStatus:
    """How a question stands: who has approved, each once, and the first rejection."""

    yes: tuple[ApprovalRecord, ...]
    no: ApprovalRecord | None = None

    def names(self) -> set[str]:
        return {record.name for record in self.yes} | ({self.no.name} if self.no else set())


def must_be_allowed(name: str, of: tuple[str, ...]) -> None:
    """Raise BadInput when ``of`` names who may decide and ``name`` is not among them."""
    if of and name not in of:
        raise BadInput(f"{name} may not approve; who may: {', '.join(of)}", fix="see approval in pipeline.yaml")


def approval_status(run: Run, request: tuple[str, str], keyring: Keyring, now: float) -> ApprovalStatus:
    """Return how the question ``request`` = (stage, digest) stands: only signed and unexpired decisions count."""
    yes: dict[str, ApprovalRecord] = {}
    for record in run.approvals:
        if (record.stage, record.digest) != request or record.expires_at <= now or not _signed(run, record, keyring):
            continue
        if record.decision == "rejected":
            return ApprovalStatus(tuple(yes.values()), record)
        yes.setdefault(record.name, record)
    return ApprovalStatus(tuple(yes.values()))


def _signed(run: Run, record: ApprovalRecord, keyring: Keyring) -> bool:
    try:
        said = dsse.open_envelope(record.statement, keyring).statement
    except dsse.Untrusted:
        return False
    told = said["predicate"]
    same = all(told.get(key) == getattr(record, key) for key in ("stage", "digest", "decision", "name", "reason"))
    return same and told.get("expires") == record.expires_at and check.subject(said) == run.release


@dataclass(frozen=True)
class _Question:
    """What one stage of a run asks, and the means to answer."""

    session: Session
    work: StageAttempt
    approval: Approval
    digest: str

    def stand(self) -> ApprovalStatus:
        now = self.work.clock.now()
        return approval_status(
            self.session.refresh(), (self.work.stage.id, self.digest), self.session.tools.keyring(), now
        )

    def answered(self) -> bool:
        now = self.stand()
        return now.no is not None or len(now.yes) >= self.approval.needed

    def decide(self, decision: str, name: str, reason: str, how: str) -> None:
        tools, run = self.session.tools, self.session.state
        request = {"stage": self.work.stage.id, "digest": self.digest, **_request(self.approval)}
        record = _record(tools, run, request, ApprovalRecord("", "", decision, name, reason, how, 0.0))
        self.session.record("approval_given", self.work.stage.id, **_body(record))


def _request(approval: Approval) -> dict[str, object]:
    return {
        "role": approval.role,
        "of": list(approval.of),
        "needed": approval.needed,
        "expires": approval.expires,
    }


def _record(tools: Tools, run: Run, request: dict[str, object], given: ApprovalRecord) -> ApprovalRecord:
    """Return the decision ``given`` as the answer to ``request``, signed."""
    now = tools.clock.now()
    record = ApprovalRecord(
        str(request["stage"]), str(request["digest"]), given.decision, storable(tools.masker.clean(given.name)),
        storable(tools.masker.clean(given.reason)), given.how, now, now + float(str(request.get("expires", _EXPIRES))),
    )  # fmt: skip
    signed = dsse.sign(statements.approval(run, record, str(request.get("role", ""))), tools.signer())
    return ApprovalRecord(**{**asdict(record), "statement": signed})


def _body(record: ApprovalRecord) -> dict[str, object]:
    return {key: value for key, value in asdict(record).items() if key not in ("stage", "at")}


async def ask(session: Session, work: StageAttempt, beforehand: Preapproval | None) -> StageOutcome:
    """Get the decision for the stage: what is in the journal, what was given beforehand, or what is typed now.

    Without a terminal and with too few decisions the outcome is ``waiting``.
    """
    approval = work.stage.approval
    if approval is None:
        return StageOutcome("passed")
    state = session.refresh()
    gates = [asdict(gate) for gate in state.stages[work.stage.id].gates]
    digest = approval_digest(state.release, gates, tree_digests(work.artifacts))
    question = _Question(session, work, approval, digest)
    session.record("approval_requested", work.stage.id, digest=digest, subject=state.release, **_request(approval))
    if beforehand is not None and beforehand.name not in question.stand().names():
        question.decide("approved", beforehand.name, beforehand.reason, "beforehand")
    while not question.answered() and sys.stdin.isatty() and sys.stderr.isatty():
        if not await _prompt(question):
            break
    stand = question.stand()
    decided = (*stand.yes, *([stand.no] if stand.no else []))
    write_json(work.artifacts / "approval.json", {"approvals": [asdict(record) for record in decided]})
    if stand.no is not None:
        return StageOutcome("rejected", f"{stand.no.name} rejected: {stand.no.reason}")
    if len(stand.yes) < approval.needed:
        given = f"; {len(stand.yes)} of {approval.needed} have" if approval.needed > 1 else ""
        return StageOutcome("waiting", f"the {approval.role} has not approved {digest[:12]} yet{given}")
    return StageOutcome("passed")


async def _prompt(question: _Question) -> bool:
    """Ask on the terminal; a decision from another terminal ends the question as well.  False: what was typed is no answer."""
    session, approval = question.session, question.approval
    suspend = getattr(session.reporter, "suspend", None)
    if suspend is not None:
        suspend()
    stand = question.stand()
    given = f" ({len(stand.yes)} of {approval.needed} given)" if approval.needed > 1 else ""
    sys.stderr.write(
        f"\nApproval by the {approval.role} over {question.digest[:12]}{given}. "
        f"Report: {session.tools.project.report(session.id)}\nType: yes NAME REASON | no NAME REASON\n> "
    )
    sys.stderr.flush()
    line = await _typed(question.answered)
    if line is None:
        return True
    answer, name, reason = [*line.split(maxsplit=2), "", "", ""][:3]
    if answer.lower() not in ("yes", "no") or not name:
        return False
    if approval.of and name not in approval.of:
        sys.stderr.write(f"{name} may not decide; who may: {', '.join(approval.of)}\n")
    elif name in stand.names():
        sys.stderr.write(f"{name} has decided already\n")
    else:
        question.decide("approved" if answer.lower() == "yes" else "rejected", name, reason, "terminal")
    return True


async def _typed(answered: Callable[[], bool]) -> str | None:
    """Return the next line typed, None when the question was answered elsewhere before."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def on_input() -> None:
        if not typed.done():
            typed.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), on_input)
    try:
        while not typed.done():
            if answered():
                return None
            await asyncio.wait([typed], timeout=_POLL)
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return typed.result()


def decide(tools: Tools, run_name: str, *, decision: str, name: str, reason: str) -> tuple[str, str]:
    """Record a decision on a waiting run from outside it; return the run and the digest.  Raises BadInput."""
    run = load_run(tools, run_name)
    if not run.approval_requests:
        raise BadInput(f"run {run.id} does not ask for an approval", fix="see dawsos status")
    if run.result not in ("", "waiting"):
        raise BadInput(f"run {run.id} has ended ({run.result}); nothing can be decided any more", fix="ship again")
    request = run.approval_requests[-1]
    must_be_allowed(name, tuple(request.get("of", ())))
    stand = approval_status(run, (request["stage"], request["digest"]), tools.keyring(), tools.clock.now())
    if stand.no is not None or len(stand.yes) >= request.get("needed", 1):
        raise BadInput(f"run {run.id} was decided already", fix=f"dawsos show {run.id}")
    if name in stand.names():
        raise BadInput(
            f"{name} has approved already; {len(stand.yes)} of {request['needed']} have", fix="another person"
        )
    record = _record(tools, run, request, ApprovalRecord("", "", decision, name, reason, "command", 0.0))
    tools.journal.append(run.id, "approval_given", request["stage"], **_body(record))
    return run.id, request["digest"]
