"""The body of a stage that deploys the run's release to an environment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from dawsos.actions import environments
from dawsos.actions.bodies import ActionContext, step_record
from dawsos.actions.release_commands import ReleaseCommands
from dawsos.adapters.files import write_json
from dawsos.adapters.http import get
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.events import Deployed, RunStarted
from dawsos.model.names import deployment_id
from dawsos.model.pipeline import Pipeline
from dawsos.model.status import StageState
from dawsos.platforms.local.workers import is_replica
from dawsos.releases import bundle as releases

_SETTLED = "it serves already, deployed with the same settings: nothing to do"


async def deploy_release(scene: ActionContext, work: StageAttempt) -> StageOutcome:
    """Deploy the run's release to the stage's environment and leave ``health.json`` as evidence."""
    tools, session = scene.tools, scene.session
    release = releases.load(tools.project.releases, session.state.release)
    environment = await environments.prepare(
        tools, scene.pipeline, work.stage.environment or "staging", session.state.profile, scene.root
    )
    platform = environment.platform
    deployment, old = deployment_id(release.digest, session.id), platform.roles().stable
    if old is not None and platform.release_of(old) == release.digest and platform.is_ready(old):
        deployment = old
    inside = ReleaseCommands(tools, scene.pipeline, environment, release, deployment)
    log, evidence = work.artifacts / "deploy.log", work.artifacts / "steps.json"
    if deployment == old and _is_settled(scene, environment.name):
        write_json(evidence, [step_record(_SETTLED, "ok", 0, log)])
        return await _deployed(scene, work, environment, deployment, release.commit)
    steps: list[dict[str, Any]] = []

    async def step(name: str, action: Awaitable[object]) -> None:
        try:
            await action
        except ReleaseFailed as error:
            steps.append({**step_record(name, "failed", 1, log), "tail": str(error).splitlines()})
            raise
        else:
            steps.append(step_record(name, "ok", 0, log))
        finally:
            write_json(evidence, steps)

    await step("migrate", inside.migrate(log))
    await step("seed", inside.seed(log))
    wanted = environments.deployment_of(scene.pipeline, environment, release, deployment)
    await step("start", platform.deploy(wanted))
    try:
        await step("jobs before traffic", inside.before_traffic(work.artifacts))
    except ReleaseFailed:
        if deployment != old:
            await platform.remove(deployment)
        raise
    await platform.route(stable=deployment, canary=None, weight=0)
    for stale in platform.deployments():
        if stale != deployment:
            await platform.remove(stale)
    return await _deployed(scene, work, environment, deployment, release.commit)


def _is_settled(scene: ActionContext, environment: str) -> bool:
    """Return whether all that a deployment does was done by an earlier run with the settings of this one.

    Asked of a release that serves and is ready: its migrations, seed and jobs before traffic were done before it served.
    ``--no-cache`` does them again.
    """
    state, profiles = scene.session.state, dict[str, str]()
    last: tuple[str, str | None] | None = None
    for event in scene.tools.journal.of_kinds(("run_started", "deployed")):
        if isinstance(event.fact, RunStarted):
            profiles[event.run] = event.fact.profile
        elif isinstance(event.fact, Deployed) and event.fact.environment == environment:
            last = event.fact.release, profiles.get(event.run)
    return last == (state.release, state.profile) and not state.options.get("no_cache")


async def _deployed(
    scene: ActionContext, work: StageAttempt, environment: environments.Environment, deployment: str, commit: str
) -> StageOutcome:
    """Record what runs in the environment now, and leave its health as evidence."""
    release, replicas = scene.session.state.release, environment.settings.replicas
    scene.session.record(Deployed(environment.name, release, deployment, environment.url, replicas), work.stage.id)
    await write_health(scene.pipeline, environment, deployment, commit, work.artifacts / "health.json")
    return StageOutcome(StageState.PASSED)


async def write_health(
    pipeline: Pipeline, environment: environments.Environment, deployment: str, commit: str, path: Path
) -> None:
    """Ask the environment for its health (for up to ten seconds until it answers) and write the evidence."""
    answer: dict[str, Any] = {}
    for _ in range(20):
        answer = await get(environment.url + pipeline.service.health)
        if answer["status_code"] == 200:
            break
        await asyncio.sleep(0.5)
    processes = [process for process in environment.platform.status().processes if process.group == deployment]
    replicas = [process for process in processes if is_replica(process.name)]
    write_json(
        path,
        {
            "url": answer["url"],
            "status_code": answer["status_code"],
            "error": answer["error"],
            "body": answer["body"],
            "expected_version": commit,
            "replicas": len(replicas),
            "ready": sum(process.state == "ready" for process in replicas),
            "workers_not_ready": sorted(p.name for p in processes if p not in replicas and p.state != "ready"),
            "restarts": sum(len(process.restarts) for process in processes),
            "crash_looping": any(process.crash_looping for process in processes),
        },
    )
