"""Post-deployment verification: is what serves what was shipped, and does it do its daily work?"""

from __future__ import annotations

from pathlib import Path

from dawsos.actions import environments
from dawsos.actions.environments import Environment
from dawsos.actions.release_commands import ReleaseCommands
from dawsos.adapters.http import get
from dawsos.errors import InfrastructureError
from dawsos.model.events import CheckResult
from dawsos.model.pipeline import Pipeline
from dawsos.releases import bundle as releases
from dawsos.runs.project import Tools
from dawsos.runs.recorder import Session


async def verify_production(tools: Tools, pipeline: Pipeline, session: Session) -> list[CheckResult]:
    """Return the checks on production for a run that shipped."""
    environment = await environments.prepare(tools, pipeline, "production", session.state.profile)
    return await checks(tools, pipeline, environment, tools.project.run_folder(session.id) / "verify")


async def checks(tools: Tools, pipeline: Pipeline, environment: Environment, logs: Path) -> list[CheckResult]:
    """Return the checks: version of /health, latest page, metrics, and the service's own checks."""
    stable = environment.platform.roles().stable
    if stable is None:
        raise InfrastructureError(f"no release serves {environment.name}", fix="dawsos ship")
    release = releases.load(tools.project.releases, environment.platform.release_of(stable))
    inside = ReleaseCommands(tools, pipeline, environment, release, stable)
    logs.mkdir(parents=True, exist_ok=True)
    health = await get(environment.url + pipeline.service.health)
    body = health["body"] if isinstance(health["body"], dict) else {}
    found = [
        _check("health", f"{health['status_code']} {body.get('status', health['error'])}", "200 healthy"),
        _check("version", str(body.get("version", "")), release.commit),
        await _metrics(pipeline, environment),
    ]
    if pipeline.service.latest:
        found.append(await _latest(inside, str(pipeline.service.latest), logs))
    for job in pipeline.service.verify:
        outcome = await inside.run(job.run, logs / f"{job.name}.log", job.env)
        found.append(_check(job.name, f"exit {outcome.exit_code}", "exit 0"))
    return found


def _check(name: str, measured: str, limit: str) -> CheckResult:
    return CheckResult(name, "pass" if measured == limit else "fail", measured, limit)


# The usual name of a service's counter of requests: a page that has it is a metrics page, and of a service that counts.
_COUNTER = "http_requests_total"


async def _metrics(pipeline: Pipeline, environment: Environment) -> CheckResult:
    answer = await get(environment.url + pipeline.service.metrics)
    there = answer["status_code"] == 200
    seen = _COUNTER if _COUNTER in str(answer["body"]) else f"200 without {_COUNTER}"
    return _check("metrics", seen if there else f"status {answer['status_code']}", _COUNTER)


async def _latest(inside: ReleaseCommands, path: str, logs: Path) -> CheckResult:
    variables = await inside.seed(logs / "seed.log")
    token = await inside.token(variables, logs / "token")
    answer = await get(inside.environment.url + path, token=token)
    stale = answer["headers"].get("x-pricing-pack-stale") == "true"
    return _check(path, f"{answer['status_code']}{' stale' if stale else ''}", "200")
