"""The contract of the engine: what it needs to run a stage, and the outcome of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dawsos.model.pipeline import Gate, Stage
from dawsos.model.plan import Fingerprint
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict
from dawsos.ports import Clock, Recorder


@dataclass(frozen=True)
class StageOutcome:
    """How the work of a stage ended, before its gates are evaluated."""

    result: StageState
    reason: str = ""


@dataclass(frozen=True)
class StageAttempt:
    """One attempt at one stage.  ``artifacts`` is the folder for the evidence.

    ``done`` says that an earlier owner of the run did the work and left the evidence: only the gates and the approval follow, so
    that a person approves the evidence that was shown and not that of a repetition.
    """

    stage: Stage
    number: int
    artifacts: Path
    fingerprint: Fingerprint | None
    recorder: Recorder
    clock: Clock
    done: bool = False


Action = Callable[[StageAttempt], Awaitable[StageOutcome]]
Evaluate = Callable[[Gate, Path], GateVerdict]
Approve = Callable[[StageAttempt, tuple[GateVerdict, ...]], Awaitable[StageOutcome]]
Keep = Callable[[StageAttempt], Awaitable[None]]
Prepare = Callable[[StageAttempt], Awaitable[None]]


async def nothing_to_prepare(_attempt: StageAttempt) -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class StageRuntime:
    """The effects a stage is run with: the action for each ``uses``, the gates, the approval, the cache.

    ``prepare`` fetches what the machine lacks, before the stage's budget begins to run.
    """

    actions: Mapping[str, Action]
    evaluate: Evaluate
    approve: Approve
    keep: Keep
    prepare: Prepare = nothing_to_prepare
