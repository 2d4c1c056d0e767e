"""Events: the facts of a run, in the order in which the journal took them.

One frozen class a kind.  The body in the journal has the class's fields as keys.  A reader ignores keys that it does not
know and takes the default for those that are missing, so older and newer journals can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, Self, get_args

from dawsos.model import legacy
from dawsos.model.findings import Finding
from dawsos.model.rollout import Client, Reading, Resources
from dawsos.model.status import ApprovalDecision, Cause, RolloutDecision, RolloutOutcome, RunResult, StageState
from dawsos.model.verdicts import GateVerdict

EventKind = Literal[
    "run_started",
    "run_resumed",
    "key_certified",
    "stage_started",
    "step_started",
    "step_finished",
    "gate_evaluated",
    "stage_restored",
    "stage_finished",
    "stage_skipped",
    "files_changed",
    "release_built",
    "deployed",
    "approval_requested",
    "approval_given",
    "rollout_started",
    "power_estimated",
    "weight_intended",
    "weight_confirmed",
    "rollout_sampled",
    "driver_told",
    "rollback_requested",
    "rollout_decided",
    "rollout_finished",
    "revert_started",
    "revert_finished",
    "verified",
    "run_finished",
]
# What a change of the canary's weight was, beside a step of the ladder: suspicion, or a controller that came back.
WeightChange = Literal["", "dimmed", "restored", "resumed"]
EVENT_KINDS: frozenset[str] = frozenset(get_args(EventKind))

# ``metadata["reader"]`` makes the value of a field of what the journal holds, where that is more than taking it as it is.


def _texts() -> Any:
    return field(default=(), metadata={"reader": tuple})


def _mapping() -> Any:
    return field(default_factory=dict)


@dataclass(frozen=True)
class Fact:
    """The body of an event."""

    KIND: ClassVar[str] = ""

    @property
    def kind(self) -> str:
        """The kind under which the journal keeps this fact."""
        return self.KIND

    def body(self) -> dict[str, Any]:
        """Return the fact as plain values for the journal; what is None is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Return the fact that ``body`` holds; raises TypeError when a key without a default is missing."""
        known: dict[str, Any] = {}
        for each in fields(cls):
            if each.name in body:
                reader = each.metadata.get("reader")
                known[each.name] = reader(body[each.name]) if reader else body[each.name]
        return cls(**known)


@dataclass(frozen=True)
class Unknown(Fact):
    """An event of a kind that this version does not know."""

    name: str
    content: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.name

    def body(self) -> dict[str, Any]:
        return dict(self.content)


@dataclass(frozen=True)
class RunStarted(Fact):
    """A run began.

    ``definition`` is the SHA-256 of pipeline.yaml, ``dirty`` the number of files that are not committed, ``committed_at`` the
    committer's time in seconds since the epoch (None: an older version did not record it).  ``deploys`` and ``rollouts`` map the
    chosen stages that use them to their environments.
    """

    KIND: ClassVar[str] = "run_started"
    command: str = ""
    commit: str = ""
    ref: str = ""
    subject: str = ""
    author: str = ""
    dirty: int = 0
    profile: str = ""
    stages: tuple[str, ...] = _texts()
    definition: str = ""
    options: Mapping[str, Any] = _mapping()
    committed_at: float | None = None
    deploys: Mapping[str, str] = _mapping()
    rollouts: Mapping[str, str] = _mapping()


@dataclass(frozen=True)
class RunResumed(Fact):
    """A new owner, the process ``pid``, took the run over."""

    KIND: ClassVar[str] = "run_resumed"
    pid: int = 0


@dataclass(frozen=True)
class KeyCertified(Fact):
    """The certificate of the key ``key`` (its SHA-256), or the ``problem`` for which there is none."""

    KIND: ClassVar[str] = "key_certified"
    key: str = ""
    identity: str = ""
    issuer: str = ""
    bundle: str = ""
    problem: str = ""


@dataclass(frozen=True)
class StageStarted(Fact):
    """An attempt at a stage began.  ``done``: its evidence is there already, and only its gates and its approval follow."""

    KIND: ClassVar[str] = "stage_started"
    fingerprint: str = ""
    tools: Mapping[str, str] = _mapping()
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
    tools: Mapping[str, str] = _mapping()
    from_run: str = ""
    finished_at: float | None = None
    evidence: Mapping[str, str] = _mapping()
    original: str = ""


@dataclass(frozen=True)
class StageFinished(Fact):
    """An attempt at a stage ended; ``evidence`` maps each file to its SHA-256."""

    KIND: ClassVar[str] = "stage_finished"
    result: StageState = field(metadata={"reader": StageState})
    seconds: float = 0.0
    reason: str = ""
    evidence: Mapping[str, str] = _mapping()


@dataclass(frozen=True)
class StageSkipped(Fact):
    """A stage was left out, and why."""

    KIND: ClassVar[str] = "stage_skipped"
    reason: str = ""


@dataclass(frozen=True)
class FilesChanged(Fact):
    """Tracked files are not as in the commit.

    ``how``: ``put back`` before the stage began; ``seen`` by the stage, because one beside it works with them; ``built``
    into the release; ``added`` to the release without being in the commit.  ``files`` are the first fifty of ``count``.
    """

    KIND: ClassVar[str] = "files_changed"
    how: str = ""
    files: tuple[str, ...] = _texts()
    count: int = 0


@dataclass(frozen=True)
class ReleaseBuilt(Fact):
    """A release was built; ``why`` says why this builder was chosen, ``images`` maps the name of each image to its digest."""

    KIND: ClassVar[str] = "release_built"
    release: str = ""
    commit: str = ""
    builder: str = ""
    why: str = ""
    path: str = ""
    bytes: int = 0
    images: Mapping[str, str] = _mapping()


@dataclass(frozen=True)
class Deployed(Fact):
    """A release runs in an environment."""

    KIND: ClassVar[str] = "deployed"
    environment: str = ""
    release: str = ""
    deployment: str = ""
    url: str = ""
    replicas: int = 0


@dataclass(frozen=True)
class ApprovalRequested(Fact):
    """A stage asks ``needed`` people (one of ``of``, when it names any) to approve ``digest``; ``subject`` is the release."""

    KIND: ClassVar[str] = "approval_requested"
    digest: str = ""
    role: str = ""
    subject: str = ""
    of: tuple[str, ...] = _texts()
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


@dataclass(frozen=True)
class RolloutStarted(Fact):
    """A canary runs beside the stable release; ``first``: there is no stable release.  ``policy`` as plain values."""

    KIND: ClassVar[str] = "rollout_started"
    release: str
    deployment: str
    environment: str = ""
    stable_release: str = ""
    stable_deployment: str = ""
    ladder: tuple[int, ...] = _texts()
    policy: Mapping[str, Any] = _mapping()
    traffic: str = ""
    first: bool = False
    drill: str = ""


@dataclass(frozen=True)
class PowerEstimated(Fact):
    """What the rollout can find at ``rate`` requests a second, of which stable fails the share ``errors``."""

    KIND: ClassVar[str] = "power_estimated"
    rate: float = 0.0
    errors: float = 0.0
    steps: tuple[str, ...] = _texts()
    warnings: tuple[str, ...] = _texts()


@dataclass(frozen=True)
class WeightIntended(Fact):
    """The canary is about to get ``weight`` per cent; ``step`` is the weight of its step, higher while it is dimmed."""

    KIND: ClassVar[str] = "weight_intended"
    weight: int
    step: int | None = None
    change: WeightChange = ""
    why: str = ""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_change(legacy.with_step(body)))


@dataclass(frozen=True)
class WeightConfirmed(Fact):
    """Every proxy gives the canary ``weight`` per cent; it took ``seconds``."""

    KIND: ClassVar[str] = "weight_confirmed"
    weight: int
    seconds: float = 0.0
    change: WeightChange = ""
    why: str = ""

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_change(body))


Buckets = tuple[tuple[float | None, int], ...]


def _buckets(listed: Any) -> Buckets:
    return tuple((edge, int(count)) for edge, count in listed)


@dataclass(frozen=True)
class SideSample:
    """One version's traffic within one sample, as ``rollout.Counts`` has it.

    ``buckets`` are (upper edge in seconds, None for no limit; requests), ``sizes`` the same in bytes.  What the proxy did not
    tell, or an older version did not record, is missing.
    """

    requests: int = 0
    errors: int = 0
    p95: float | None = None
    buckets: Buckets = ()
    codes: Mapping[str, int] = _mapping()
    faults: Mapping[str, int] = _mapping()
    under_way: int | None = None
    waiting: tuple[tuple[float, int], ...] = ()
    sizes: Buckets = ()

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> SideSample:
        """Return the side that plain values hold."""
        under_way = body.get("under_way")
        return cls(
            int(body.get("requests", 0)),
            int(body.get("errors", 0)),
            body.get("p95"),
            _buckets(body.get("buckets", ())),
            {str(key): int(count) for key, count in body.get("codes", {}).items()},
            {str(key): int(count) for key, count in body.get("faults", {}).items()},
            None if under_way is None else int(under_way),
            tuple((float(age), int(count)) for age, count in body.get("waiting", ())),
            _buckets(body.get("sizes", ())),
        )


# What a side leaves out where it was not told: key -> the values that say so.
_UNTOLD: Mapping[str, tuple[Any, ...]] = {
    "codes": ({},),
    "faults": ({},),
    "under_way": (None,),
    "waiting": ((),),
    "sizes": ((),),
}


@dataclass(frozen=True)
class CheckNumbers:
    """What the check measured on the canary."""

    error_rate: float | None = None
    p95: float | None = None
    requests: int = 0

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> CheckNumbers:
        """Return the numbers that plain values hold."""
        return cls(body.get("error_rate"), body.get("p95"), int(body.get("requests", 0)))


def _readings(bodies: Any) -> tuple[Reading, ...]:
    names = {each.name for each in fields(Reading)}
    return tuple(Reading(**{key: value for key, value in body.items() if key in names}) for body in bodies)


@dataclass(frozen=True)
class RolloutSampled(Fact):
    """One sample and the judgement on it.  ``recorded_at`` is the event's own time, set when it is read."""

    KIND: ClassVar[str] = "rollout_sampled"
    at: float = 0.0
    weight: int = 0
    step: int = 0
    seconds: float = 0.0
    canary: SideSample = field(default=SideSample(), metadata={"reader": SideSample.read})
    stable: SideSample = field(default=SideSample(), metadata={"reader": SideSample.read})
    restarts: int = 0
    counters: Mapping[str, float] = _mapping()
    crash_looping: bool = False
    complete: bool = True
    verdict: str = ""
    reason: str = ""
    check: CheckNumbers = field(default=CheckNumbers(), metadata={"reader": CheckNumbers.read})
    suspected: bool = False
    evidence: tuple[Reading, ...] = field(default=(), metadata={"reader": _readings})
    canary_resources: Resources | None = field(default=None, metadata={"reader": Resources.read})
    stable_resources: Resources | None = field(default=None, metadata={"reader": Resources.read})
    deaths: int | None = None
    stable_deaths: int | None = None
    client: Client | None = field(default=None, metadata={"reader": Client.read})
    recorded_at: float | None = None

    def body(self) -> dict[str, Any]:
        body = super().body()
        body["evidence"] = [
            {key: value for key, value in reading.items() if value is not None} for reading in body["evidence"]
        ]
        for side in ("canary", "stable"):
            told = {key: value for key, value in body[side].items() if key not in _UNTOLD or value not in _UNTOLD[key]}
            body[side] = told
        return body

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_step(body))


@dataclass(frozen=True)
class DriverTold(Fact):
    """What the driver of a rollout that is not the tool itself (Flagger) said of it, in its own words."""

    KIND: ClassVar[str] = "driver_told"
    message: str = ""
    phase: str = ""


@dataclass(frozen=True)
class RollbackRequested(Fact):
    """A person asks for a rollback."""

    KIND: ClassVar[str] = "rollback_requested"
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class RolloutDecided(Fact):
    """The end of a rollout was decided, before anything of it takes effect.

    ``metric`` names what was measured (a counter of the service where the cause is a failure counter), ``measured`` and
    ``limit`` are its numbers where there are any: shares for errors, seconds for latency, a count for restarts.
    """

    KIND: ClassVar[str] = "rollout_decided"
    decision: RolloutDecision = field(metadata={"reader": RolloutDecision})
    cause: Cause = field(default=Cause.UNKNOWN, metadata={"reader": legacy.known_cause})
    reason: str = ""
    metric: str = ""
    measured: float | None = None
    limit: float | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        return super().read(legacy.with_cause(body))


@dataclass(frozen=True)
class RolloutFinished(Fact):
    """A rollout ended.  ``seconds`` run from the decision to the last request sent to the canary, ``drained`` until it had
    answered what was in flight."""

    KIND: ClassVar[str] = "rollout_finished"
    outcome: RolloutOutcome = field(metadata={"reader": RolloutOutcome})
    reason: str = ""
    seconds: float | None = None
    drained: float | None = None


@dataclass(frozen=True)
class RevertStarted(Fact):
    """``name`` brings an environment back to the release ``release``, which is ready; ``left_*`` is what serves until then."""

    KIND: ClassVar[str] = "revert_started"
    environment: str
    release: str
    deployment: str
    left_release: str = ""
    left_deployment: str = ""
    name: str = ""
    reason: str = ""


@dataclass(frozen=True)
class RevertFinished(Fact):
    """All traffic is on the release of the revert.  ``seconds`` and ``drained`` as for ``RolloutFinished``."""

    KIND: ClassVar[str] = "revert_finished"
    seconds: float | None = None
    drained: float | None = None


# The result of a check for which pipeline.yaml has no settings: it is no pass, and fails nothing.
NOT_CHECKED = "not_checked"


@dataclass(frozen=True)
class CheckResult:
    """One check of a deployment: what was measured against which limit.

    ``result`` is ``pass``, ``fail``, ``error`` (what should be measured could not be) or ``not_checked``.
    """

    name: str
    result: str
    measured: str = ""
    limit: str = ""

    @property
    def passed(self) -> bool:
        return self.result == "pass"

    @property
    def failed(self) -> bool:
        """Whether it was made and did not pass."""
        return self.result not in ("pass", NOT_CHECKED)


def _checks(bodies: Any) -> tuple[CheckResult, ...]:
    names = {each.name for each in fields(CheckResult)}
    return tuple(CheckResult(**{key: value for key, value in body.items() if key in names}) for body in bodies)


@dataclass(frozen=True)
class Verified(Fact):
    """The checks after deployment."""

    KIND: ClassVar[str] = "verified"
    checks: tuple[CheckResult, ...] = field(default=(), metadata={"reader": _checks})


@dataclass(frozen=True)
class RunFinished(Fact):
    """A run ended, or waits."""

    KIND: ClassVar[str] = "run_finished"
    result: RunResult = field(metadata={"reader": RunResult})
    exit_code: int | None = None
    reason: str = ""


_FACTS: tuple[type[Fact], ...] = (
    RunStarted, RunResumed, KeyCertified, StageStarted, StepStarted, StepFinished, GateEvaluated, StageRestored, StageFinished,
    StageSkipped, FilesChanged, ReleaseBuilt, Deployed, ApprovalRequested, ApprovalGiven, RolloutStarted, PowerEstimated,
    WeightIntended, WeightConfirmed, RolloutSampled, DriverTold, RollbackRequested, RolloutDecided, RolloutFinished, RevertStarted,
    RevertFinished, Verified, RunFinished,
)  # fmt: skip
FACTS: dict[str, type[Fact]] = {fact.KIND: fact for fact in _FACTS}


def fact_of(kind: str, body: Mapping[str, Any]) -> Fact:
    """Return the fact of ``kind`` that ``body`` holds; raises TypeError, ValueError or LookupError when it was altered."""
    known = FACTS.get(kind)
    return Unknown(kind, body) if known is None else known.read(body)


@dataclass(frozen=True)
class Event:
    """One fact of a run.  ``seq`` counts from 1 within the run; ``at`` is seconds since the epoch."""

    run: str
    seq: int
    at: float
    fact: Fact
    stage: str = ""

    @property
    def kind(self) -> str:
        return self.fact.kind
