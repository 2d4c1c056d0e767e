"""The action that builds the release of the commit: a bundle, and images where there is a builder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from dawsos.actions.commands import run_commands, step_environment, toolchain_of
from dawsos.actions.images import LOG, build_images
from dawsos.adapters import git, git_checkout
from dawsos.adapters.files import tail, write_json
from dawsos.adapters.programs import version
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import BadInput, ReleaseFailed
from dawsos.model.events import ReleaseBuilt
from dawsos.model.release import Release
from dawsos.model.status import StageState
from dawsos.releases import bundle as releases
from dawsos.releases import folders, packages
from dawsos.releases.images import Choice
from dawsos.runs.context import RunContext


async def build_release(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    """Build the release of the commit; its steps, if any, run first."""
    if attempt.stage.steps:
        outcome = await run_commands(context, attempt)
        if outcome.result is not StageState.PASSED:
            return outcome
    log = attempt.artifacts / "build.log"
    steps: list[dict[str, Any]] = []
    make = _of_packages if context.pipeline.service.build is None else _of_folder
    try:
        release = await make(context, attempt, log)
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
        "images": images,
        **_made_with(context, attempt, release),
    }
    write_json(attempt.artifacts / "release.json", facts)
    built = ReleaseBuilt(
        release.digest, release.commit, choice.name, choice.reason, str(release.path), release.size, images
    )
    context.session.record(built, attempt.stage.id)
    return StageOutcome(StageState.PASSED)


async def _python(context: RunContext, attempt: StageAttempt) -> Path:
    """Return the Python with pip and the build backends: of the stage's toolchain, else of the first that has packages."""
    toolchains, chosen = context.pipeline.toolchains, attempt.stage.toolchain
    names = [name for name in (chosen, *toolchains) if name is not None and toolchains[name].requirements is not None]
    venv = await toolchain_of(context, names[0]) if names else None
    if venv is None:
        raise BadInput(
            "no toolchain has requirements, and Python packages are installed by one",
            fix="write toolchains: {tools: {requirements: FILE}}",
        )
    return venv / "bin" / "python"


async def _of_packages(context: RunContext, attempt: StageAttempt, log: Path) -> Release:
    """Build the release of a Python project."""
    service, project = context.pipeline.service, context.tools.project
    recipe = releases.Recipe(context.root / service.project, context.root / str(service.requirements), context.commit)
    python = await _python(context, attempt)
    return await releases.build(
        recipe, python, folder=project.releases, kept=project.packages, log=log, runner=context.runner()
    )


async def _of_folder(context: RunContext, attempt: StageAttempt, log: Path) -> Release:
    """Let the project's own build make the release, with the variables and programs of the stage."""
    service, project, runner = context.pipeline.service, context.tools.project, context.runner()
    source, lock = context.root / service.project, service.requirements

    async def install(site: Path) -> None:
        python = await _python(context, attempt)
        pip = releases.pip_of(python, context.commit, project.releases, log, runner)
        await packages.install(context.root / str(lock), site, kept=project.packages, pip=pip)

    recipe = folders.FolderRecipe(
        service=service,
        source=source,
        files=await asyncio.to_thread(_files, context, source),
        commit=context.commit,
        environment=await step_environment(context, attempt.stage),
        programs=folders.needed(service, _programs(context, attempt)),
        packages=None if lock is None else install,
    )
    return await folders.build(recipe, folder=project.releases, log=log, budget=attempt.stage.budget, runner=runner)


def _files(context: RunContext, source: Path) -> tuple[str, ...]:
    """Return the files of the release's source: those of the commit, in a ``run`` those of the working tree."""
    if context.session.state.command != "ship":
        return tuple(git.source_files(source))
    sha = context.commit.sha
    return git_checkout.committed_files(context.tools.project.checkout(sha), sha, source)


def _programs(context: RunContext, attempt: StageAttempt) -> tuple[str, ...]:
    name = attempt.stage.toolchain
    return () if name is None else context.pipeline.toolchains[name].programs


def _made_with(context: RunContext, attempt: StageAttempt, release: Release) -> dict[str, Any]:
    """Return what the evidence says about the tools of the build."""
    facts: dict[str, Any] = {"python": release.python} if release.python else {}
    if release.is_folder:
        names = _programs(context, attempt)
        facts |= {"platform": releases.platform_name(), "programs": {name: version(name, os.environ) for name in names}}
    return facts


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
