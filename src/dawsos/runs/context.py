"""What everything that works for one run shares."""

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

    def runner(self) -> ProcessRunner:
        """Return what runs commands and masks secrets in what they print."""
        return self.tools.runner()
