"""The action of stages that run commands: their steps, with toolchain, services and declared variables around them.

Imports inside functions are for the start: a run that deploys nothing loads no service and no platform.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from pathlib import Path

from dawsos.adapters import programs, toolchain
from dawsos.adapters.files import write_text
from dawsos.adapters.secret_variables import secrets_in
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.executors.contract import StepContext
from dawsos.executors.registry import EXECUTORS
from dawsos.model.pipeline import Stage
from dawsos.runs.context import RunContext
from dawsos.runs.inputs import SEED, needs_release


async def prepare(context: RunContext, attempt: StageAttempt) -> None:
    """Make the stage's toolchain when it is missing."""
    if attempt.stage.toolchain is not None:
        await toolchain_of(context, attempt.stage.toolchain)


async def toolchain_of(context: RunContext, name: str) -> Path | None:
    """Return the virtual environment of a toolchain, None for one without; makes it when it is missing."""
    chosen = context.pipeline.toolchains[name]
    if chosen.requirements is None:
        return None
    lock, folder = context.root / chosen.requirements, context.tools.project.toolchains
    return await toolchain.ensure(lock, folder, context.runner(), chosen.python)


async def step_environment(context: RunContext, stage: Stage) -> dict[str, str]:
    """Return the whole environment of a stage's steps: declared things only."""
    home = context.tools.project.home / "home"
    home.mkdir(parents=True, exist_ok=True)
    env = toolchain.base_environment(home)
    env |= {"GIT_SHA": context.commit.sha, "PROJECT": str(context.root), "SOURCE_DATE_EPOCH": str(context.commit.time)}
    env["PATH"] += f":{own_command(context.tools.project.home / 'bin').parent}"
    if needs_release(context.pipeline, stage) and context.session.state.release:
        env["RELEASE"] = str(context.tools.project.releases / context.session.state.release)
    if stage.toolchain is not None:
        folders = programs.folders(context.pipeline.toolchains[stage.toolchain].programs, os.environ)
        env["PATH"] = ":".join((*folders, env["PATH"]))
        venv = await toolchain_of(context, stage.toolchain)
        if venv is not None:
            env["PATH"] = f"{venv / 'bin'}:{env['PATH']}"
            env["VIRTUAL_ENV"] = str(venv)
    if stage.environment is not None:
        from dawsos.actions.environments import open_environment

        profile = context.session.state.profile
        platform = await open_environment(context.tools, context.pipeline, stage.environment, profile, context.root)
        status = await platform.status()
        env |= {**await platform.variables(status.roles.stable), "BASE_URL": status.url}
    passed = {name: os.environ[name] for name in stage.pass_env if name in os.environ}
    context.tools.masker.add(secrets_in(passed))
    env |= passed
    options = context.session.state.options
    seed = options.get("drawn") if options.get("seed") is None else options["seed"]
    return {**env, **{name: value.replace(SEED, str(seed)) for name, value in stage.env.items()}}


def own_command(folder: Path) -> Path:
    """Return a ``dawsos`` below ``folder`` that is this very tool, so that steps can call its scanners by name."""
    path = folder / "dawsos"
    source = Path(__file__).resolve().parents[2]
    code = f"import sys; sys.path.insert(0, {str(source)!r}); from dawsos.cli.main import main; main()"
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n'
    if not path.exists() or path.read_text() != script:
        write_text(path, script, mode=0o755)
    return path


async def run_commands(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    """Run the stage's steps with its services around them."""
    env = await step_environment(context, attempt.stage)
    if not attempt.stage.services:
        return await _masked_steps(context, attempt, env)
    from dawsos.adapters.services import SERVICES
    from dawsos.adapters.services.ephemeral import services

    async with services([SERVICES[name] for name in attempt.stage.services], attempt.artifacts) as variables:
        context.tools.masker.add(secrets_in(variables))
        return await _masked_steps(context, attempt, {**env, **variables})


async def _masked_steps(context: RunContext, attempt: StageAttempt, env: dict[str, str]) -> StageOutcome:
    try:
        return await EXECUTORS["local"](context.runner()).run(attempt, StepContext(context.root, env))
    finally:
        # Before a gate, a digest or a person sees the evidence.
        await asyncio.to_thread(context.tools.masker.clean_files, attempt.artifacts)
