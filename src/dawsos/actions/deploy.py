"""The action that deploys the run's release to an environment, without a canary."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from dawsos.actions.admission import admit_release
from dawsos.actions.environments import deployments_of, load_release, open_environment
from dawsos.actions.release import step_record
from dawsos.adapters.files import write_json
from dawsos.adapters.http import get
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.events import Deployed
from dawsos.model.names import deployment_id
from dawsos.model.service import Service
from dawsos.model.status import StageState
from dawsos.platforms.commands import ServiceCommands
from dawsos.platforms.contract import EnvironmentStatus
from dawsos.platforms.pages import pages_of
from dawsos.runs.context import RunContext

_SETTLED = "it serves already, deployed with the same settings: nothing to do"
# How often, and with what pause in seconds, the health page is asked until it answers.
_TRIES, _PAUSE = 20, 0.5


async def deploy_release(context: RunContext, attempt: StageAttempt) -> StageOutcome:
    """Deploy the run's release to the stage's environment and leave ``health.json`` as evidence.

    Raises ReleaseFailed when production does not admit it, or when it does not come up.
    """
    tools, session, name = context.tools, context.session, attempt.stage.environment_name
    if context.pipeline.is_production(name):
        # No canary protects the users here, so the evidence must.
        await admit_release(context, attempt.stage)
    settings = context.pipeline.environment(name, session.state.profile)
    release = await load_release(tools, settings, session.state)
    platform = await open_environment(tools, context.pipeline, name, session.state.profile, context.root)
    status = await platform.status()
    deployment, old = deployment_id(release.digest, session.id), status.roles.stable
    if old is not None and status.release_of(old) == release.digest and status.is_ready(old):
        deployment = old
    service = context.pipeline.service
    steps = _Steps(attempt.artifacts)

    def commands() -> ServiceCommands:
        return ServiceCommands(service, name, platform.commands(deployment, release), tools.masker)

    log = attempt.artifacts / "deploy.log"
    if deployment == old and _is_settled(context, name):
        steps.keep(step_record(_SETTLED, "ok", 0, log))
    else:
        await steps.step("migrate", commands().migrate(log))
        await steps.step("seed", commands().seed(log))
        await steps.step("start", platform.deploy(deployment, release))
        try:
            # New commands: only now the workers of the deployment have their ports.
            await steps.step("jobs before traffic", commands().before_traffic(attempt.artifacts))
        except ReleaseFailed:
            if deployment != old:
                await platform.remove(deployment)
            raise
        await platform.route(deployment, None, 0)
    for stale in (await platform.status()).deployments:
        if stale != deployment:
            await platform.remove(stale)
    status = await platform.status()
    replicas = status.deployments[deployment].replicas
    session.record(Deployed(name, release.digest, deployment, status.url, replicas), attempt.stage.id)
    health = await health_of(status, deployment, service, release.commit)
    write_json(attempt.artifacts / "health.json", health)
    return StageOutcome(StageState.PASSED)


def _is_settled(context: RunContext, environment: str) -> bool:
    """Return whether the last deployment here was of this release with this run's settings, so that nothing is left to do.

    The caller asks this only of a release that serves and is ready: its migrations, seed and jobs before traffic ran before it
    served.  ``--no-cache`` repeats them.
    """
    run, history = context.session.state, deployments_of(context.tools, environment)
    if not history or run.options.get("no_cache"):
        return False
    # The same release is of the same commit, so pipeline.yaml is the same too, and the profile decides the settings.
    deployed, profile = history[-1]
    return (deployed.release, profile) == (run.release, run.profile)


class _Steps:
    """Runs the steps of the deployment one after the other, and writes ``steps.json`` for the gates."""

    def __init__(self, artifacts: Path) -> None:
        self._log, self._evidence = artifacts / "deploy.log", artifacts / "steps.json"
        self._steps: list[dict[str, Any]] = []

    def keep(self, record: dict[str, Any]) -> None:
        """Append ``record`` to ``steps.json``."""
        self._steps.append(record)
        write_json(self._evidence, self._steps)

    async def step(self, name: str, action: Awaitable[object]) -> None:
        try:
            await action
        except ReleaseFailed as error:
            tail = str(error).splitlines()
            self.keep({**step_record(name, "failed", 1, self._log), "tail": tail})
            raise
        self.keep(step_record(name, "ok", 0, self._log))


async def health_of(status: EnvironmentStatus, deployment: str, service: Service, commit: str) -> dict[str, Any]:
    """Ask the environment for its health page (for up to ten seconds until it answers); return the evidence."""

    async def ask(page: str) -> Mapping[str, Any]:
        return await get(status.url + page)

    for _ in range(_TRIES):
        said = await pages_of(service, ask)
        if said.health["status_code"] == 200:
            break
        await asyncio.sleep(_PAUSE)
    seen = status.deployments[deployment]
    return {
        "url": said.health["url"],
        "status_code": said.health["status_code"],
        "error": said.health["error"],
        "body": said.health["body"],
        "expected_status": service.healthy,
        "version": said.version,
        "expected_version": commit,
        "replicas": seen.replicas,
        "ready": seen.ready_replicas,
        "workers_not_ready": list(seen.workers_not_ready),
        "restarts": seen.restarts,
        "crash_looping": seen.crash_looping,
    }
