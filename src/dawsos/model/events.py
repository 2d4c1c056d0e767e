"""Events: the facts of a run, in the order in which the journal took them.

One frozen class a kind, by subject in ``model.facts``.  The body in the journal has the class's fields as keys.  A reader ignores
keys that it does not know and takes the default for those that are missing, so older and newer journals can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dawsos.model.facts.base import Fact, Unknown
from dawsos.model.facts.rollout import (
    AnswersCompared,
    Buckets,
    CheckNumbers,
    DriverTold,
    PowerEstimated,
    RevertFinished,
    RevertStarted,
    RollbackRequested,
    RolloutDecided,
    RolloutFinished,
    RolloutSampled,
    RolloutStarted,
    SideSample,
    Start,
    WeightChange,
    WeightConfirmed,
    WeightIntended,
)
from dawsos.model.facts.run import (
    NOT_CHECKED,
    CheckResult,
    Deployed,
    FilesChanged,
    KeyCertified,
    ReleaseBuilt,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStopped,
    Verified,
)
from dawsos.model.facts.stages import (
    ApprovalGiven,
    ApprovalRequested,
    GateEvaluated,
    StageFinished,
    StageRestored,
    StageSkipped,
    StageStarted,
    StepFinished,
    StepStarted,
    verdict_from,
)

__all__ = [
    "EVENT_KINDS",
    "FACTS",
    "NOT_CHECKED",
    "AnswersCompared",
    "ApprovalGiven",
    "ApprovalRequested",
    "Buckets",
    "CheckNumbers",
    "CheckResult",
    "Deployed",
    "DriverTold",
    "Event",
    "EventKind",
    "Fact",
    "FilesChanged",
    "GateEvaluated",
    "KeyCertified",
    "PowerEstimated",
    "ReleaseBuilt",
    "RevertFinished",
    "RevertStarted",
    "RollbackRequested",
    "RolloutDecided",
    "RolloutFinished",
    "RolloutSampled",
    "RolloutStarted",
    "RunFinished",
    "RunResumed",
    "RunStarted",
    "RunStopped",
    "SideSample",
    "StageFinished",
    "StageRestored",
    "StageSkipped",
    "StageStarted",
    "Start",
    "StepFinished",
    "StepStarted",
    "Unknown",
    "Verified",
    "WeightChange",
    "WeightConfirmed",
    "WeightIntended",
    "fact_of",
    "verdict_from",
]

EventKind = Literal[
    "run_started",
    "run_resumed",
    "run_stopped",
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
    "answers_compared",
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
EVENT_KINDS: frozenset[str] = frozenset(get_args(EventKind))

_FACTS: tuple[type[Fact], ...] = (
    RunStarted, RunResumed, KeyCertified, StageStarted, StepStarted, StepFinished, GateEvaluated, StageRestored, StageFinished,
    StageSkipped, FilesChanged, ReleaseBuilt, Deployed, ApprovalRequested, ApprovalGiven, RolloutStarted, AnswersCompared,
    PowerEstimated, WeightIntended, WeightConfirmed, RolloutSampled, DriverTold, RollbackRequested, RolloutDecided, RolloutFinished,
    RevertStarted, RevertFinished, Verified, RunFinished,
    RunStopped,
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
