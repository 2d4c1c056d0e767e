"""Facts of one stage: its attempts, steps, gates and approvals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from dawsos.model.facts.base import Fact, mapping, texts
from dawsos.model.findings import Finding
from dawsos.model.status import ApprovalDecision, StageState
from dawsos.model.verdicts import GateVerdict


@dataclass(frozen=True)
class StageStarted(Fact):
    """An attempt at a stage began.  ``done``: its evidence is there already, and only its gates and its approval follow."""

    KIND: ClassVar[str] = "stage_started"
    fingerprint: str = ""
    tools: Mapping[str, str] = mapping()
    attempt: int = 1
    done: bool = False


@dataclass(frozen=True)
class StepStarted(Fact):
    """A step began."""

    KIND: ClassVar[str] = "step_started"
    index: int = 0
    name: str = ""
    command: str = ""


@dataclass(frozen=True)
class StepFinished(Fact):
    """A step ended; ``classification`` is a ``process.StepClass``."""

    KIND: ClassVar[str] = "step_finished"
    index: int = 0
    name: str = ""
    classification: str = ""
    exit_code: int | None = None
    seconds: float = 0.0
    log: str = ""


@dataclass(frozen=True)
class GateEvaluated(Fact):
    """A gate gave its verdict.  The body is the verdict itself."""

    KIND: ClassVar[str] = "gate_evaluated"
    verdict: GateVerdict

    def body(self) -> dict[str, Any]:
        return self.verdict.body()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return cls(verdict_from(body))


def verdict_from(body: Mapping[str, Any]) -> GateVerdict:
    """Return the verdict that plain values hold; raises LookupError when one is missing."""
    return GateVerdict(
        gate=body["gate"],
        kind=body["kind"],
        result=body["result"],
        measured=body["measured"],
        limit=body["limit"],
        message=body["message"],
        evidence=tuple(body.get("evidence", ())),
        findings=tuple(body.get("findings", ())),
        valid_until=body.get("valid_until"),
        places=tuple(Finding.from_body(place) for place in body.get("places", ())),
        unchecked=body.get("unchecked"),
    )


@dataclass(frozen=True)
class StageRestored(Fact):
    """The result of ``from_run`` stands for this run; ``original`` is the SHA-256 of the statement made there."""

    KIND: ClassVar[str] = "stage_restored"
    fingerprint: str = ""
    tools: Mapping[str, str] = mapping()
    from_run: str = ""
    finished_at: float | None = None
    evidence: Mapping[str, str] = mapping()
    original: str = ""


@dataclass(frozen=True)
class StageFinished(Fact):
    """An attempt at a stage ended; ``evidence`` maps each file to its SHA-256."""

    KIND: ClassVar[str] = "stage_finished"
    result: StageState = field(metadata={"reader": StageState})
    seconds: float = 0.0
    reason: str = ""
    evidence: Mapping[str, str] = mapping()


@dataclass(frozen=True)
class StageSkipped(Fact):
    """A stage was left out, and why."""

    KIND: ClassVar[str] = "stage_skipped"
    reason: str = ""


@dataclass(frozen=True)
class ApprovalRequested(Fact):
    """A stage asks ``needed`` people (one of ``of``, when it names any) to approve ``digest``; ``subject`` is the release."""

    KIND: ClassVar[str] = "approval_requested"
    digest: str = ""
    role: str = ""
    subject: str = ""
    of: tuple[str, ...] = texts()
    needed: int = 1
    expires: float | None = None


@dataclass(frozen=True)
class ApprovalGiven(Fact):
    """A person decided; ``how`` is terminal, command or beforehand, ``statement`` the DSSE envelope that signs it."""

    KIND: ClassVar[str] = "approval_given"
    digest: str
    decision: ApprovalDecision = field(metadata={"reader": ApprovalDecision})
    name: str
    reason: str = ""
    how: str = ""
    expires_at: float = 0.0
    statement: str = ""
