"""``dawsos lint``: is pipeline.yaml good, and what does it mean?"""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.config.named_files import must_have_files
from dawsos.runs.project import Project, load


@dataclass(frozen=True)
class PipelineFacts:
    """What a pipeline says: its stages, how many gates they have, the rollout in weights (per cent) and seconds."""

    stages: tuple[str, ...]
    gates: int
    ladder: tuple[int, ...]
    rollout_seconds: float
    failed_checks: int
    check_interval: float


def lint(project: Project) -> PipelineFacts:
    """Return what pipeline.yaml means; raises BadInput with every problem of it."""
    pipeline = load(project.root)
    must_have_files(pipeline, pipeline.stages, project.root)
    rollout = pipeline.rollout
    return PipelineFacts(
        stages=tuple(stage.id for stage in pipeline.stages),
        gates=sum(len(stage.gates) for stage in pipeline.stages),
        ladder=tuple(step.weight for step in rollout.ladder),
        rollout_seconds=sum(step.duration for step in rollout.ladder),
        failed_checks=rollout.failed_checks,
        check_interval=rollout.check_interval,
    )
