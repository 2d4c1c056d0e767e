"""The executor on this machine: each step is a process, started and stopped by the runner."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.executors.contract import StepContext
from dawsos.executors.steps import run_steps
from dawsos.ports import Runner


@dataclass(frozen=True)
class LocalExecutor:
    """Implements ``contract.Executor``."""

    runner: Runner

    async def run(self, attempt: StageAttempt, context: StepContext) -> StageOutcome:
        return await run_steps(attempt, context, self.runner)
