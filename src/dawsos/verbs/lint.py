"""``dawsos lint``: check pipeline.yaml and say what it means; ``--fix`` upgrades an older version."""

from __future__ import annotations

from dataclasses import dataclass

from dawsos.adapters.files import write_text
from dawsos.config.named_files import must_have_files
from dawsos.config.upgrade import upgrade_text
from dawsos.errors import BadInput
from dawsos.runs.project import PIPELINE_FILE, Project, load


@dataclass(frozen=True)
class PipelineFacts:
    """What a pipeline says: its stages, how many gates they have, the rollout in weights (per cent) and seconds."""

    stages: tuple[str, ...]
    gates: int
    ladder: tuple[int, ...]
    rollout_seconds: float
    judge: str
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
        judge=rollout.judge,
        failed_checks=rollout.failed_checks,
        check_interval=rollout.check_interval,
    )


def upgrade_pipeline(project: Project) -> list[str]:
    """Upgrade the project's pipeline.yaml when it is of an older version; return the changes, a line each.

    Raises BadInput, and writes nothing, when the file cannot be read, written or changed safely.
    """
    # If it is a link, its target is the file to change.
    path = (project.root / PIPELINE_FILE).resolve()
    try:
        text = path.read_bytes().decode("utf-8")
        mode = path.stat().st_mode & 0o777
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {path}: {error}", fix="write the file in UTF-8") from error
    now, changes = upgrade_text(text, PIPELINE_FILE)
    if changes:
        try:
            write_text(path, now, durable=True, mode=mode)
        except OSError as error:
            raise BadInput(f"cannot write {path}: {error}", fix="check the disk and the rights") from error
    return changes
