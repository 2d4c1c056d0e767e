"""What the stages do that are not plain commands: build a release, deploy it, roll it out.

Imports inside functions are for the start: a run that builds and deploys nothing loads no builder, service or platform.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawsos.adapters import toolchain
from dawsos.adapters.files import tail, write_json, write_text
from dawsos.adapters.git import Commit
from dawsos.adapters.redactor import secrets_in
from dawsos.engine.contract import Action, StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.executors.local import StepContext, run_steps
from dawsos.model.events import ReleaseBuilt
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.status import StageState
from dawsos.runs.evidence import admit
from dawsos.runs.project import Tools
from dawsos.runs.recorder import Session

if TYPE_CHECKING:
    from dawsos.adapters.process import ProcessRunner
    from dawsos.releases.bundle import Release
    from dawsos.releases.images import Choice

# Where a stage's ``env`` has this, its steps get the run's seed: ``dawsos run STAGE --seed N`` replays one.
SEED = "{seed}"


@dataclass(frozen=True)
class ActionContext:
    """What the bodies of one run share: the pipeline, the commit, its checkout, the session."""

    tools: Tools
    pipeline: Pipeline
    commit: Commit
    root: Path
    session: Session

    def runner(self) -> ProcessRunner:
        return self.tools.runner()


def bodies(scene: ActionContext) -> dict[str, Action]:
    """Return the body for each ``uses``."""

    async def commands(work: StageAttempt) -> StageOutcome:
        return await run_commands(scene, work)

    async def release(work: StageAttempt) -> StageOutcome:
        return await build_release(scene, work)

    # The platform and its HTTP client are a third of the start-up time of a run that deploys nothing.
    async def deploy(work: StageAttempt) -> StageOutcome:
        from dawsos.actions.deploy import deploy_release

        if work.stage.environment == "production":
            # Without a canary it needs the evidence all the more.
            await _admit(scene, work.stage)
        return await deploy_release(scene, work)

    async def rollout(work: StageAttempt) -> StageOutcome:
        from dawsos.releases import bundle as releases
        from dawsos.rollout.lifecycle import roll_out

        record = scene.session.state.rollout
        if record is None or record.outcome == "promoted":
            # A rollout under way was let in when it began; its end must not wait for anything.
            try:
                await _admit(scene, work.stage)
            except ReleaseFailed as error:
                # The gate reads why it did not begin, or it could only say that nothing is there.
                refused = {"outcome": "refused", "reason": error.message, "weight": 0}
                write_json(work.artifacts / "rollout.json", {**refused, "release": scene.session.state.release})
                raise
        release = releases.load(scene.tools.project.releases, scene.session.state.release)
        return await roll_out(scene.tools, scene.pipeline, scene.session, release, work, scene.root)

    return {"commands": commands, "release": release, "deploy": deploy, "rollout": rollout}


async def _admit(scene: ActionContext, stage: Stage) -> None:
    """Let the run's release go to production by ``stage``, or raise ReleaseFailed."""
    from dawsos.runs.certification import confirm

    tools, run = scene.tools, scene.session.state
    certified = await confirm(tools, scene.pipeline.signing, scene.root, run)
    admit(tools, scene.pipeline, run, stage, certified)


async def prepare(scene: ActionContext, work: StageAttempt) -> None:
    """Make the stage's toolchain when it is not there yet."""
    if work.stage.toolchain is not None:
        await _toolchain(scene, work.stage.toolchain)


async def _toolchain(scene: ActionContext, name: str) -> Path:
    requirements = scene.root / scene.pipeline.toolchains[name].requirements
    return await toolchain.ensure(requirements, scene.tools.project.toolchains, scene.runner())


async def step_environment(scene: ActionContext, stage: Stage) -> dict[str, str]:
    """Return the whole environment of a stage's steps: declared things only."""
    import os

    home = scene.tools.project.home / "home"
    home.mkdir(parents=True, exist_ok=True)
    env = toolchain.base_environment(home)
    env |= {"GIT_SHA": scene.commit.sha, "PROJECT": str(scene.root), "SOURCE_DATE_EPOCH": str(scene.commit.time)}
    env["PATH"] += f":{own_command(scene.tools.project.home / 'bin').parent}"
    if needs_release(scene.pipeline, stage) and scene.session.state.release:
        env["RELEASE"] = str(scene.tools.project.releases / scene.session.state.release)
    if stage.toolchain is not None:
        venv = await _toolchain(scene, stage.toolchain)
        env["PATH"] = f"{venv / 'bin'}:{env['PATH']}"
        env["VIRTUAL_ENV"] = str(venv)
    if stage.environment is not None:
        from dawsos.actions import environments

        profile = scene.session.state.profile
        environment = await environments.prepare(scene.tools, scene.pipeline, stage.environment, profile, scene.root)
        stable = environment.platform.roles().stable
        env |= {**environments.variables_of(environment, stable), "BASE_URL": environment.url}
    passed = {name: os.environ[name] for name in stage.pass_env if name in os.environ}
    scene.tools.masker.add(secrets_in(passed))
    env |= passed
    options = scene.session.state.options
    seed = options.get("drawn") if options.get("seed") is None else options["seed"]
    return {**env, **{name: value.replace(SEED, str(seed)) for name, value in stage.env.items()}}


def needs_release(pipeline: Pipeline, stage: Stage) -> bool:
    """Return whether ``stage`` comes right behind one that builds the release, and so may look at it."""
    return any(pipeline.stage(need).uses == "release" for need in stage.needs)


def own_command(folder: Path) -> Path:
    """Return a ``dawsos`` below ``folder`` that is this very tool, so that steps can call its scanners by name."""
    path = folder / "dawsos"
    source = Path(__file__).resolve().parents[2]
    code = f"import sys; sys.path.insert(0, {str(source)!r}); from dawsos.cli.main import main; main()"
    script = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n'
    if not path.exists() or path.read_text() != script:
        write_text(path, script, mode=0o755)
    return path


async def run_commands(scene: ActionContext, work: StageAttempt) -> StageOutcome:
    """Run the stage's steps with its services around them."""
    env = await step_environment(scene, work.stage)
    if not work.stage.services:
        return await _masked_steps(scene, work, env)
    from dawsos.adapters.services import SERVICES
    from dawsos.adapters.services.ephemeral import services

    async with services([SERVICES[name] for name in work.stage.services], work.artifacts) as variables:
        scene.tools.masker.add(secrets_in(variables))
        return await _masked_steps(scene, work, {**env, **variables})


async def _masked_steps(scene: ActionContext, work: StageAttempt, env: dict[str, str]) -> StageOutcome:
    try:
        return await run_steps(work, StepContext(scene.root, env), scene.runner())
    finally:
        # Before a gate, a digest or a person sees the evidence.
        scene.tools.masker.clean_files(work.artifacts)


async def build_release(scene: ActionContext, work: StageAttempt) -> StageOutcome:
    """Build the release of the commit; its steps, if any, run first."""
    from dawsos.releases import bundle as releases

    if work.stage.steps:
        outcome = await run_commands(scene, work)
        if outcome.result != "passed":
            return outcome
    service = scene.pipeline.service
    name = work.stage.toolchain or next(iter(scene.pipeline.toolchains))
    venv = await _toolchain(scene, name)
    log = work.artifacts / "build.log"
    steps: list[dict[str, Any]] = []
    try:
        release = await releases.build(
            releases.Recipe(scene.root / service.project, scene.root / service.requirements, scene.commit),
            venv / "bin" / "python", folder=scene.tools.project.releases, kept=scene.tools.project.packages, log=log,
            runner=scene.runner(),
        )  # fmt: skip
    except ReleaseFailed:
        steps.append(step_record("build the release", "failed", 1, log))
        write_json(work.artifacts / "steps.json", steps)
        raise
    steps.append(step_record("build the release", "ok", 0, log))
    choice = await _images(scene, work, release, steps)
    write_json(work.artifacts / "steps.json", steps)
    facts = {
        "release": release.digest,
        "commit": release.commit,
        "bytes": release.size,
        "builder": choice.name,
        "why": choice.reason,
        "python": release.python,
    }
    write_json(work.artifacts / "release.json", facts)
    built = ReleaseBuilt(release.digest, release.commit, choice.name, choice.reason, str(release.path), release.size)
    scene.session.record(built, work.stage.id)
    return StageOutcome(StageState.PASSED)


async def _images(scene: ActionContext, work: StageAttempt, release: Release, steps: list[dict[str, Any]]) -> Choice:
    """Build the images as a step of its own, so that a builder's failure is told as that and not as a missing file."""
    from dawsos.actions.images import LOG, build_images

    try:
        choice = await build_images(scene, work, release)
    except ReleaseFailed:
        steps.append(step_record("build the images", "failed", 1, work.artifacts / LOG))
        write_json(work.artifacts / "steps.json", steps)
        raise
    if choice.builder is not None:
        steps.append(step_record(f"build the images with {choice.name}", "ok", 0, work.artifacts / LOG))
    return choice


def step_record(name: str, classification: str, code: int, log: Path) -> dict[str, Any]:
    return {
        "name": name,
        "command": name,
        "classification": classification,
        "exit_code": code,
        "seconds": 0.0,
        "log": log.name,
        "tail": tail(log, 40),
    }
