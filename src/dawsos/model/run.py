"""A run as it stands: frozen records of its stages, approvals and rollout.  ``fold`` makes them of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dawsos.model.verdicts import GateVerdict

DONE_STATES = ("passed", "restored", "skipped")


@dataclass(frozen=True)
class StepRecord:
    """A step as it went; ``classification`` is empty while it runs."""

    name: str
    command: str
    classification: str = ""
    exit_code: int | None = None
    seconds: float = 0.0
    log: str = ""


@dataclass(frozen=True)
class StageRecord:
    """A stage as it stands.  ``state``: pending, running, passed, failed, infrastructure, timeout, cancelled, waiting,
    rejected, rolled_back, restored, skipped.

    ``evidence`` maps each file of its artifact folder to its SHA-256, ``tools`` what ran to its version; ``original`` is the
    digest of the statement of the run that a restored stage comes from.
    """

    id: str
    state: str = "pending"
    started_at: float | None = None
    finished_at: float | None = None
    seconds: float = 0.0
    attempt: int = 0
    fingerprint: str = ""
    reason: str = ""
    from_run: str = ""
    original: str = ""
    steps: tuple[StepRecord, ...] = ()
    gates: tuple[GateVerdict, ...] = ()
    evidence: dict[str, str] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.state in DONE_STATES


@dataclass(frozen=True)
class ApprovalRecord:
    """A person's decision over ``digest``, with the signed statement of it (a DSSE envelope)."""

    stage: str
    digest: str
    decision: str
    name: str
    reason: str
    how: str
    at: float
    expires_at: float = 0.0
    statement: str = ""


@dataclass(frozen=True)
class RolloutRecord:
    """A rollout as it stands; ``samples`` are the bodies of its ``rollout_sampled`` events.  ``rung`` is the weight of the
    step, ``weight_intended`` what the canary has, less while it is dimmed."""

    release: str
    deployment: str
    stable_release: str
    stable_deployment: str
    started_at: float
    ladder: tuple[int, ...] = ()
    traffic: str = ""
    drill: str = ""
    policy: dict[str, Any] = field(default_factory=dict)
    weight_intended: int = 0
    weight: int = 0
    decision: str = ""
    reason: str = ""
    outcome: str = ""
    rollback_seconds: float | None = None
    drained: float | None = None
    finished_at: float | None = None
    requested: str = ""
    samples: tuple[dict[str, Any], ...] = ()
    weights: tuple[tuple[float, int], ...] = ()
    rung: int = 0
    power: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Everything known of a run."""

    id: str = ""
    command: str = ""
    commit: str = ""
    ref: str = ""
    dirty: int = 0
    profile: str = ""
    definition: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    started_at: float = 0.0
    finished_at: float | None = None
    result: str = ""
    exit_code: int | None = None
    reason: str = ""
    stages: dict[str, StageRecord] = field(default_factory=dict)
    release: str = ""
    builder: str = ""
    builder_why: str = ""
    release_bytes: int = 0
    deployments: tuple[dict[str, Any], ...] = ()
    approval_requests: tuple[dict[str, Any], ...] = ()
    approvals: tuple[ApprovalRecord, ...] = ()
    rollout: RolloutRecord | None = None
    verified: tuple[dict[str, Any], ...] = ()
    changed_files: tuple[dict[str, Any], ...] = ()
    certificate: dict[str, Any] = field(default_factory=dict)
    last_seq: int = 0

    @property
    def unfinished(self) -> bool:
        """True while the run may go on: it never ended, or it ended waiting for an approval."""
        return self.result in ("", "waiting")
