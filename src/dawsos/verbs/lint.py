"""``dawsos lint``: check pipeline.yaml and say what it means; ``--fix`` upgrades an older version."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from dawsos.adapters import interpreters, programs
from dawsos.adapters.files import write_text
from dawsos.adapters.git_inputs import worktree_inputs
from dawsos.config.documents import line_of, parse
from dawsos.config.named_files import must_have_files
from dawsos.config.remarks import remarks
from dawsos.config.upgrade import upgrade_text
from dawsos.errors import BadInput
from dawsos.model.pipeline import Pipeline
from dawsos.model.plan import ABSENT, POINTER, UNSURE
from dawsos.planning.fingerprint import matches, unmatched
from dawsos.runs.project import PIPELINE_FILE, Project, load


@dataclass(frozen=True)
class PipelineFacts:
    """What a pipeline says: its stages, how many gates they have, the rollout in weights (per cent) and seconds.

    ``remarks``: what is allowed and is probably not meant, a line each.
    """

    stages: tuple[str, ...]
    gates: int
    ladder: tuple[int, ...]
    rollout_seconds: float
    judge: str
    failed_checks: int
    check_interval: float
    remarks: tuple[str, ...] = ()


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
        remarks=(*remarks(pipeline, pipeline.stages), *_absent(pipeline), *_remarks(project, pipeline)),
    )


def _absent(pipeline: Pipeline) -> Iterator[str]:
    for name, one in pipeline.toolchains.items():
        for program in programs.missing(one.programs, os.environ):
            yield f"toolchains.{name}.programs: there is no {program} on PATH here"
        if one.python is not None and interpreters.named(one.python) is None:
            yield f"toolchains.{name}.python: there is no python{one.python} on PATH here"


def _remarks(project: Project, pipeline: Pipeline) -> Iterator[str]:
    """Tell what the inputs of the stages are not: a pattern without a file, a file whose content is unknown or is not here."""
    try:
        files = worktree_inputs(project.root)
    except BadInput as error:
        # The file may be checked before there is a repository.
        yield f"{PIPELINE_FILE}: the inputs were not compared with files: {error.message}"
        return
    document = parse((project.root / PIPELINE_FILE).read_text(encoding="utf-8"), PIPELINE_FILE)
    for number, stage in enumerate(pipeline.stages):
        for pattern in unmatched(files, stage.inputs):
            index = stage.inputs.index(pattern)
            line = line_of(document, ("stages", number, "inputs", index))
            place = f"{PIPELINE_FILE}:{line}: stages[{number}].inputs[{index}]"
            yield f"{place}: {pattern!r} matches no file that git knows, so {stage.id} is never restored"
    inputs = [pattern for stage in pipeline.stages for pattern in stage.inputs if not pattern.startswith("!")]
    for path, value in files.items():
        if (found := _not_here(value)) and matches(path, inputs):
            yield f"{path}: {found}"


def _not_here(value: str) -> str:
    """Return what is wrong with a file whose hash is ``value``, an empty text for most."""
    if value.startswith(UNSURE):
        return f"{value.removeprefix(UNSURE)}; a stage with this input is never restored"
    if value.endswith(POINTER):
        return "its content is not here, only the pointer of Git LFS; git lfs pull fetches it"
    if value.endswith(ABSENT):
        return "the submodule is not here, its folder is empty; git submodule update --init fetches it"
    return ""


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
