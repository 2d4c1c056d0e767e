"""The rollout of an environment with ``driver: flagger``: the release comes to its Deployment, and Flagger is waited for.

The release's own commands (``migrate``, ``seed``, ``before_traffic``) run as Jobs before the Deployment changes, because Flagger may
give a new template users as soon as it sees it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from dawsos.adapters.kubernetes import Cluster, connected
from dawsos.config.documents import Documents
from dawsos.engine.contract import StageAttempt
from dawsos.errors import BadInput, ReleaseFailed
from dawsos.exporters.flagger import namespace_of, render
from dawsos.exporters.flagger_metrics import interval
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.exports import FlaggerOptions
from dawsos.model.names import deployment_id
from dawsos.model.pipeline import Pipeline
from dawsos.model.release import Release
from dawsos.platforms.commands import ServiceCommands
from dawsos.platforms.kubernetes.commands import JobCommands
from dawsos.platforms.kubernetes.flagger import FlaggerCanary
from dawsos.platforms.kubernetes.flagger_target import FlaggerTarget, NewTemplate
from dawsos.platforms.kubernetes.images import deliver
from dawsos.rollout.controller import Finished
from dawsos.rollout.flagger import FlaggerConductor, Plan
from dawsos.runs.context import RunContext

# The provider whose HTTPRoute the tool can read and cut.
_PROVIDER = "gatewayapi:v1"
_FIX = "docs/exports.md explains exports.flagger; or set driver: dawsos"


async def roll_out_with_flagger(
    context: RunContext, attempt: StageAttempt, release: Release, settings: EnvironmentSettings
) -> Finished:
    """Bring the release to its users by Flagger, or go on with a rollout of this run; raises BadInput, InfrastructureError.

    Flagger and the cluster hold all state, so that it may be called again after a kill.
    """
    session, pipeline = context.session, context.pipeline
    profile = session.state.profile
    options = options_of(pipeline, profile)
    record = session.state.rollout
    deployment = record.deployment if record is not None else deployment_id(release.digest, session.id)
    async with connected(str(settings.context)) as cluster:
        ended = record is not None and bool(record.outcome)
        images = {} if ended else await _images(context, attempt, release, settings)
        workers = tuple(worker.name for worker in pipeline.service.workers)
        new = NewTemplate(deployment, release.digest, release.commit, images, workers)
        plan = Plan(
            environment=attempt.stage.environment_name,
            url=url_of(settings, options),
            new=new,
            policy=pipeline.policy(profile),
            documents=documents_of(pipeline, options),
            interval=float(interval(pipeline.policy(profile))),
            threshold=pipeline.policy(profile).failed_checks,
            judged=options.judge is not None,
        )
        namespace, name = namespace_of(pipeline, options), options.deployment or pipeline.name
        canary, target = FlaggerCanary(cluster, namespace, name), FlaggerTarget(cluster, namespace, name)

        async def prepare() -> None:
            # What the Deployment cannot take is told before anything of the release runs.
            await target.template(new)
            await _prepare(_commands(context, cluster, target, new), attempt.artifacts)

        conductor = FlaggerConductor(attempt.stage.id, plan, canary, target, session, session.tools.clock, prepare)
        return await conductor.conduct(record)


def _commands(context: RunContext, cluster: Cluster, target: FlaggerTarget, new: NewTemplate) -> ServiceCommands:
    """Return the service's commands, as Jobs in pods like those that the Deployment will have."""
    masker = context.session.masker
    # The name is a label of the pods, by which the Deployment must not find them.
    name, template = f"{target.name}-dawsos", partial(target.template, new)
    jobs = JobCommands(cluster, target.namespace, name, template, {}, context.tools.clock, masker)
    return ServiceCommands(context.pipeline.service, target.namespace, jobs, masker)


async def _prepare(commands: ServiceCommands, logs: Path) -> None:
    """Run what must have run before the release gets users; raises ReleaseFailed, and InfrastructureError."""
    log = logs / "deploy.log"
    await commands.migrate(log)
    await commands.seed(log)
    await commands.before_traffic(logs)


def options_of(pipeline: Pipeline, profile: str) -> FlaggerOptions:
    """Return the options of the export for this rollout, with the policy of the run's profile; raises BadInput."""
    options = pipeline.exports.flagger
    if options is None:
        raise BadInput("driver flagger needs exports.flagger in pipeline.yaml: it says what Flagger shall do", fix=_FIX)
    if _PROVIDER not in options.providers:
        raise BadInput(
            f"driver flagger needs the provider {_PROVIDER}: exports.flagger.providers has {', '.join(options.providers)}",
            fix=f'write providers: ["{_PROVIDER}"], or set driver: dawsos',
        )
    return options.model_copy(update={"providers": (_PROVIDER,), "profile": profile})


def url_of(settings: EnvironmentSettings, options: FlaggerOptions) -> str:
    """Return the address at which users reach the service."""
    return settings.url or f"http://{options.hosts[0]}"


def documents_of(pipeline: Pipeline, options: FlaggerOptions) -> list[dict[str, Any]]:
    """Return the objects of the export."""
    ((name, text),) = render(pipeline, options).items()
    return Documents(text, name).values


async def _images(
    context: RunContext, attempt: StageAttempt, release: Release, settings: EnvironmentSettings
) -> dict[str, str]:
    if settings.images is None:
        raise BadInput("pipeline.yaml does not say how images get to the cluster", fix="give the environment `images`")
    if not release.images:
        raise ReleaseFailed(
            f"release {release.digest[:12]} has no images: a cluster runs nothing else",
            fix="give the service `images` and a builder (docs/images.md), then ship again",
        )
    runner, log, root = context.tools.runner(), attempt.artifacts / "images.log", context.root or Path.cwd()
    return {image.name: await deliver(image, settings.images, runner, log, root=root) for image in release.images}
