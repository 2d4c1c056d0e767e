"""Verifies production after a deployment: the shipped release serves, its daily work is done, and it can be observed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawsos.actions import passed
from dawsos.actions.serving import stable_of
from dawsos.adapters.http import get
from dawsos.errors import BadInput
from dawsos.exporters.alerts_rule import Scope, quoted
from dawsos.exporters.alerts_service import service_rules
from dawsos.exporters.registry import EXPORTERS
from dawsos.model.events import CheckResult
from dawsos.model.observability import Observability
from dawsos.model.pipeline import Pipeline
from dawsos.observability.asking import Question, Serving
from dawsos.observability.checks import observe
from dawsos.platforms.commands import ServiceCommands
from dawsos.platforms.pages import compared, health_check, metrics_check, pages_of, version_check
from dawsos.ports import Clock
from dawsos.runs.project import Tools


async def verify_deployment(
    tools: Tools, pipeline: Pipeline, named: tuple[str, str], logs: Path, root: Path
) -> list[CheckResult]:
    """Check the environment of ``named`` = (environment, profile): version of /health, latest page, metrics, the service's own
    checks, and what observes it.

    An environment that is down is started first.  ``root`` is the checkout that has the files of dashboards.  Raises
    InfrastructureError when no release serves there, and BadInput for a token that has no value.
    """
    name, profile = named
    settings, service = pipeline.environment(name, profile), pipeline.service
    tokens = _tokens(tools, pipeline, named)
    stable = await stable_of(tools, pipeline, named)
    release, commands = stable.release, stable.commands
    logs.mkdir(parents=True, exist_ok=True)

    async def ask(page: str) -> Mapping[str, Any]:
        return await get(stable.url + page)

    said = await pages_of(service, ask)
    found = [
        health_check(service, said),
        version_check(service, said, release.commit),
        await metrics_check(service, ask),
    ]
    # The service's own checks may wait for work in progress, after which the latest page is no longer stale.
    for job in service.verify:
        outcome = await commands.run(job.run, logs / f"{job.name}.log", job.env)
        found.append(compared(job.name, f"exit {outcome.exit_code}", "exit 0"))
    if service.latest:
        found.append(await _latest(tools.clock, commands, stable.url, service.latest, logs))
    role = f"{pipeline.service_name}-stable"
    serving = Serving(name, stable.url, release.digest, release.commit, role, settings.replicas, service.health)
    dashboards = _dashboards(pipeline, settings.observability, root)
    question = Question(tools.clock, tokens, stable.variables, dashboards, _silent(pipeline))
    observed = await observe(serving, settings.observability, question)
    return [*found, *(replace(one, measured=tools.masker.clean(one.measured)) for one in observed)]


def _tokens(tools: Tools, pipeline: Pipeline, named: tuple[str, str]) -> Mapping[str, str]:
    """Return the tokens by their variables, which nothing prints from now on; raises BadInput for one that is none."""
    name, profile = named
    found = passed.tokens(tools.project, name, pipeline.environment(name, profile), os.environ)
    tools.masker.add(found.values())
    for variable, token in found.items():
        if not token.isascii() or not token.isprintable() or " " in token:
            raise BadInput(
                f"environments.{name}.observability: {variable} holds no bearer token: it has blanks or line breaks",
                fix="set the token alone, without a line break at its end",
            )
    return found


def _dashboards(pipeline: Pipeline, settings: Observability, root: Path) -> dict[str, str | None]:
    """Return the text of each dashboard by its path: the files that are named, else what the export gives; None for no file."""
    if settings.dashboards:
        return {path: _text(root / path) for path in settings.dashboards}
    options = pipeline.exports.grafana
    return {} if options is None else dict(EXPORTERS["grafana"].render(pipeline, options))


def _silent(pipeline: Pipeline) -> tuple[str, ...]:
    """Return matchers of the alerts about the service that the export makes: what they say is about the users, now.

    Those about the pipeline tell of its past, also of a rollback before this release; low traffic is no fault of a release.
    """
    options = pipeline.exports.alerts
    if options is None:
        return ()
    rules = service_rules(Scope(pipeline, options))
    own = "".join(f", {label}={quoted(value)}" for label, value in options.labels.items())
    return tuple(f'alertname="{rule.name}"{own}' for rule in rules if rule.severity != "info")


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


# A service that is making its newest data serves the last good one as stale meanwhile: DawsOS, for seconds after midnight.
_STALE_SECONDS = 60.0


async def _latest(clock: Clock, commands: ServiceCommands, url: str, path: str, logs: Path) -> CheckResult:
    """Ask for the latest page, again while it is stale, for at most a minute: what stays stale is not in the making."""
    variables = await commands.seed(logs / "seed.log")
    token = await commands.token(variables, logs / "token.log")
    deadline = clock.monotonic() + _STALE_SECONDS
    while True:
        answer = await get(url + path, token=token)
        stale = answer["headers"].get("x-pricing-pack-stale") == "true"
        if not stale or clock.monotonic() >= deadline:
            break
        await clock.sleep(1)
    return compared(path, f"{answer['status_code']}{' stale' if stale else ''}", "200")
