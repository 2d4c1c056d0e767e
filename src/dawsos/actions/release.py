"""The action that builds the release of the commit: a bundle, and images where there is a builder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dawsos.actions.commands import run_commands, toolchain_of
from dawsos.actions.images import LOG, build_images
from dawsos.adapters.files import tail, write_json
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.events import ReleaseBuilt
from dawsos.model.release import Release
from dawsos.model.status import StageState
from dawsos.releases import bundle as releases
from dawsos.releases.images import Choice
from dawsos.runs.context import RunContext


async def build_release(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    """Build the release of the commit; its steps, if any, run first."""
    if attempt.stage.steps:
        outcome = await run_commands(context, attempt)
        if outcome.result is not StageState.PASSED:
            return outcome
    service = context.pipeline.service
    name = attempt.stage.toolchain or next(iter(context.pipeline.toolchains))
    venv = await toolchain_of(context, name)
    log = attempt.artifacts / "build.log"
    steps: list[dict[str, Any]] = []
    try:
        release = await releases.build(
            releases.Recipe(context.root / service.project, context.root / service.requirements, context.commit),
            venv / "bin" / "python", folder=context.tools.project.releases, kept=context.tools.project.packages, log=log,
            runner=context.runner(),
        )  # fmt: skip
    except ReleaseFailed:
        steps.append(step_record("build the release", "failed", 1, log))
        write_json(attempt.artifacts / "steps.json", steps)
        raise
    steps.append(step_record("build the release", "ok", 0, log))
    choice, images = await _images(context, attempt, release, steps)
    write_json(attempt.artifacts / "steps.json", steps)
    facts = {
        "release": release.digest,
        "commit": release.commit,
        "bytes": release.size,
        "builder": choice.name,
        "why": choice.reason,
        "python": release.python,
        "images": images,
    }
    write_json(attempt.artifacts / "release.json", facts)
    built = ReleaseBuilt(
        release.digest, release.commit, choice.name, choice.reason, str(release.path), release.size, images
    )
    context.session.record(built, attempt.stage.id)
    return StageOutcome(StageState.PASSED)


async def _images(
    context: RunContext, attempt: StageAttempt, release: Release, steps: list[dict[str, Any]]
) -> tuple[Choice, dict[str, str]]:
    """Build the images as a step of their own, so that a failed builder is reported as that and not as a missing file."""
    try:
        choice, built = await build_images(context, attempt, release)
    except ReleaseFailed:
        steps.append(step_record("build the images", "failed", 1, attempt.artifacts / LOG))
        write_json(attempt.artifacts / "steps.json", steps)
        raise
    if choice.builder is not None:
        steps.append(step_record(f"build the images with {choice.name}", "ok", 0, attempt.artifacts / LOG))
    return choice, built


def step_record(name: str, classification: str, code: int, log: Path) -> dict[str, Any]:
    """Return the entry of ``steps.json`` for a step that pipeline.yaml does not declare."""
    return {
        "name": name,
        "command": name,
        "classification": classification,
        "exit_code": code,
        "seconds": 0.0,
        "log": log.name,
        "tail": tail(log, 40),
    }
