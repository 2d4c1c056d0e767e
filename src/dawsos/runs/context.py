"""What all code that works for one run shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dawsos.adapters.git import Commit
from dawsos.adapters.process import ProcessRunner
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import Tools
from dawsos.runs.recorder import Session


@dataclass(frozen=True)
class RunContext:
    """The run's pipeline, its commit with the checkout ``root``, and its recorder."""

    tools: Tools
    pipeline: Pipeline
    commit: Commit
    root: Path
    session: Session
    # The rollout is begun here, and conducted by a job of its environment.
    hands_over: bool = False

    def runner(self) -> ProcessRunner:
        """Return the runner of commands, which masks secrets in their output."""
        return self.tools.runner()
