"""The state of a run: frozen records of its stages, approvals and rollout.  ``fold`` makes them of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dawsos.model.events import AnswersCompared, CheckResult, DriverTold, KeyCertified, PowerEstimated, RolloutSampled
from dawsos.model.status import ApprovalDecision, Cause, RolloutDecision, RolloutOutcome, RunResult, StageState
from dawsos.model.verdicts import GateVerdict


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
    """The state of a stage.

    ``evidence`` maps each file of its artifact folder to its SHA-256, ``tools`` each tool that ran to its version; ``original``
    is the digest of the statement of the run that a restored stage comes from.
    """

    id: str
    state: StageState = StageState.PENDING
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
    evidence: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        return self.state.done


@dataclass(frozen=True)
class ApprovalRequest:
    """A question to people: may ``digest`` (release ``subject``, its evidence, the report shown) go on?"""

    stage: str
    at: float
    digest: str
    role: str
    subject: str = ""
    of: tuple[str, ...] = ()
    needed: int = 1
    expires: float | None = None


@dataclass(frozen=True)
class ApprovalRecord:
    """A person's decision over ``digest``, with the signed statement of it (a DSSE envelope)."""

    stage: str
    digest: str
    decision: ApprovalDecision
    name: str
    reason: str
    how: str
    at: float
    expires_at: float = 0.0
    statement: str = ""


@dataclass(frozen=True)
class DeploymentRecord:
    """A release that was deployed to an environment at ``at``."""

    environment: str
    release: str
    deployment: str
    url: str
    replicas: int
    at: float


@dataclass(frozen=True)
class ChangedFiles:
    """Tracked files that were not as in the commit (see ``events.FilesChanged``)."""

    stage: str
    how: str
    files: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class RolloutRecord:
    """A rollout as it stands.

    ``step`` is the weight of the step, ``weight_intended`` what the canary is to have, less while it is dimmed, ``weight``
    what the proxies confirmed.  ``cause``, ``metric``, ``measured`` and ``limit`` are those of the decision.  ``told`` is what another
    driver (Flagger) said, with the time.
    """

    release: str
    deployment: str
    stable_release: str
    stable_deployment: str
    started_at: float
    stage: str = ""
    environment: str = ""
    ladder: tuple[int, ...] = ()
    traffic: str = ""
    drill: str = ""
    policy: Mapping[str, Any] = field(default_factory=dict)
    weight_intended: int = 0
    weight: int = 0
    step: int = 0
    decision: RolloutDecision = RolloutDecision.NONE
    cause: Cause = Cause.UNKNOWN
    reason: str = ""
    metric: str = ""
    measured: float | None = None
    limit: float | None = None
    outcome: RolloutOutcome = RolloutOutcome.NONE
    rollback_seconds: float | None = None
    drained: float | None = None
    finished_at: float | None = None
    requested: str = ""
    samples: tuple[RolloutSampled, ...] = ()
    weights: tuple[tuple[float, int], ...] = ()
    compared: AnswersCompared | None = None
    power: PowerEstimated | None = None
    told: tuple[tuple[float, DriverTold], ...] = ()

    @property
    def warm(self) -> bool:
        """Whether the canary's start had its time before its first user; an older version took it for granted."""
        return self.compared is None or self.compared.start != "unasked"


@dataclass(frozen=True)
class RevertRecord:
    """An environment that a person brought back to an earlier release (see ``events.RevertStarted``)."""

    environment: str
    release: str
    deployment: str
    left_release: str
    left_deployment: str
    name: str
    reason: str
    started_at: float
    stage: str = ""
    seconds: float | None = None
    drained: float | None = None
    finished_at: float | None = None


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
    options: Mapping[str, Any] = field(default_factory=dict)
    started_at: float = 0.0
    finished_at: float | None = None
    result: RunResult = RunResult.UNFINISHED
    exit_code: int | None = None
    reason: str = ""
    # Why its owner stopped before the end; empty while one is at work, and when it was killed.
    stopped: str = ""
    stages: Mapping[str, StageRecord] = field(default_factory=dict)
    release: str = ""
    builder: str = ""
    builder_why: str = ""
    release_bytes: int = 0
    # Name -> digest of the images that were built of the release.
    images: Mapping[str, str] = field(default_factory=dict)
    deployments: tuple[DeploymentRecord, ...] = ()
    approval_requests: tuple[ApprovalRequest, ...] = ()
    approvals: tuple[ApprovalRecord, ...] = ()
    rollout: RolloutRecord | None = None
    revert: RevertRecord | None = None
    verified: tuple[CheckResult, ...] = ()
    changed_files: tuple[ChangedFiles, ...] = ()
    certificate: KeyCertified | None = None
    last_seq: int = 0

    @property
    def left_out(self) -> tuple[str, ...]:
        """The stages of the commit that a ship of named stages leaves to others."""
        return tuple(map(str, self.options.get("left_out") or ()))

    @property
    def ends_before_users(self) -> bool:
        """True for a ship of named stages that does not give the release to the users: passed, it proves less than a whole one."""
        return bool(self.options.get("before_users"))

    @property
    def handed_over(self) -> bool:
        """True while a job of the environment conducts the rollout, as far as this journal knows."""
        rollout = self.rollout
        return self.result is RunResult.WAITING and rollout is not None and not rollout.outcome and self.in_cluster

    @property
    def in_cluster(self) -> bool:
        """True for a ship whose rollout a job of the environment is to conduct."""
        return bool(self.options.get("in_cluster"))

    @property
    def state(self) -> str:
        """How the run ended, ``stopped``, or an empty text while somebody works on it."""
        return self.result or ("stopped" if self.stopped else "")

    @property
    def unfinished(self) -> bool:
        """True while somebody has to resume or approve it."""
        return self.result in (RunResult.UNFINISHED, RunResult.WAITING)
