"""``dawsos judge``: the judge beside Flagger, as a service that Flagger's webhooks ask."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Coroutine
from typing import Any

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.kubernetes import IN_CLUSTER, connected
from dawsos.adapters.pages import Endpoint, serve_answers
from dawsos.errors import BadInput
from dawsos.exporters.flagger import namespace_of
from dawsos.model.cluster import Gateway
from dawsos.model.exports import FlaggerOptions
from dawsos.model.pipeline import Pipeline
from dawsos.platforms.kubernetes.flagger import FlaggerCanary
from dawsos.platforms.kubernetes.flagger_telemetry import FlaggerTelemetry
from dawsos.rollout.flagger_judge import JudgeService
from dawsos.runs.project import Project, load

_ADDRESS = re.compile(r"(.*):(\d{1,5})")


def judge(project: Project, listen: str, context: str | None, say: Callable[[str], None]) -> None:
    """Watch the Canary of ``exports.flagger`` and answer Flagger at ``listen`` (ADDRESS:PORT) until Ctrl-C or TERM.

    ``say`` gets each thing that it sees or does.  Raises BadInput, and InfrastructureError when the port is taken.
    """
    pipeline = load(project.root)
    address = address_of(listen)
    options = options_of(pipeline)
    asyncio.run(_serve(pipeline, options, (address, context_of(pipeline, options, context)), say))


def address_of(text: str) -> tuple[str, int]:
    """Return host and port; raises BadInput."""
    match = _ADDRESS.fullmatch(text)
    if not match or int(match[2]) > 65535:
        raise BadInput(f"--listen {text!r} is no address with a port", fix="write it like 0.0.0.0:8080")
    return match[1].strip("[]"), int(match[2])


def options_of(pipeline: Pipeline) -> FlaggerOptions:
    """Return the options of the export that the judge needs; raises BadInput."""
    options = pipeline.exports.flagger
    if options is None or options.judge is None:
        raise BadInput(
            "pipeline.yaml: exports.flagger.judge: Flagger is not told where the judge answers",
            fix="write exports: {flagger: {judge: http://dawsos-judge.NAMESPACE, ...}}; docs/exports.md explains it",
        )
    return options


def context_of(pipeline: Pipeline, options: FlaggerOptions, context: str | None) -> str:
    """Return the context: the one that was asked for, the pod's own rights, or the environment's; raises BadInput."""
    if context:
        return context
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return IN_CLUSTER
    environment = pipeline.rollout_stage().environment
    settings = pipeline.environment(environment, options.profile or "production")
    if settings.context is None:
        raise BadInput(f"the environment {environment} names no context of a kubeconfig", fix="give --context NAME")
    return settings.context


def gateway_of(pipeline: Pipeline, options: FlaggerOptions) -> Gateway:
    """Return where the numbers come from; raises BadInput for pods, whose Services Flagger names otherwise than a chart."""
    gateway = pipeline.environment(pipeline.rollout_stage().environment, options.profile or "production").gateway
    if gateway.kind == "pods":
        raise BadInput(
            "the judge beside Flagger needs the counters of a gateway, and the environment says gateway: {kind: pods}",
            fix="set gateway: {kind: contour}, traefik, istio or envoy-gateway",
        )
    return gateway


async def _serve(
    pipeline: Pipeline, options: FlaggerOptions, place: tuple[tuple[str, int], str], say: Callable[[str], None]
) -> None:
    (address, context), policy = place, pipeline.policy(options.profile)
    namespace, name = namespace_of(pipeline, options), options.deployment or pipeline.name
    gateway = gateway_of(pipeline, options)
    clock, ports = SystemClock(), (options.port, options.target_port)
    async with connected(context) as cluster:
        telemetry = FlaggerTelemetry(cluster, (namespace, name), gateway, ports, policy, clock)
        service = JudgeService(FlaggerCanary(cluster, namespace, name), telemetry, policy, clock, say)
        say(f"judge of {namespace}/{name} begins")
        where = Endpoint(*address)
        answering = serve_answers(service.answers, where, lambda port: say(f"it answers Flagger on port {port}"))
        try:
            await _first_of(answering, service.run())
        finally:
            await telemetry.close()


async def _first_of(*parts: Coroutine[Any, Any, None]) -> None:
    """Run until one part ends, and end the others: a judge that does not look any more must not answer either."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
