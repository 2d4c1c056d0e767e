"""The contract of an executor: it runs the steps of a stage somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from dawsos.engine.contract import StageAttempt, StageOutcome

ExecutorName = Literal["local"]


@dataclass(frozen=True)
class StepContext:
    """Where steps run: the project's root and the whole environment they see."""

    root: Path
    env: Mapping[str, str]


class Executor(Protocol):
    """Runs the steps of a stage.  ``tests/contracts/test_executors.py`` is the suite that every executor passes."""

    async def run(self, attempt: StageAttempt, context: StepContext) -> StageOutcome:
        """Run the steps in order, each through ``sh -euc`` in ``context.root`` with no variables but ``context.env``,
        ``ARTIFACTS`` (a folder whose files are in ``attempt.artifacts`` afterwards) and ``REPEAT``.

        Each step leaves its log and its line in ``steps.json``.  A step that outlives the stage's budget is stopped.  When the
        caller is cancelled, nothing of the step is left running.
        """
        ...
