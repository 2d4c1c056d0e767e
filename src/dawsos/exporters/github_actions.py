"""The pipeline as GitHub Actions workflows: delivery, pull requests, rollback, and a nightly check of production.  Pure.

Each job calls ``dawsos`` for its stages.  What a job before it passed is restored from an artifact, with its evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dawsos.exporters import github_steps as steps
from dawsos.exporters.ci_jobs import BUILD, QUALITY, CiJob, ci_jobs, home, stays_on_the_runner, turn, users_environment
from dawsos.exporters.contract import Exporter, Files
from dawsos.exporters.text import yaml_text
from dawsos.model.exports import GithubActionsOptions
from dawsos.model.pipeline import Pipeline

_FOLDER = ".github/workflows"
_TITLES = {QUALITY: "Quality gates", BUILD: "Build artifacts"}
# Labels that GitHub knows itself: its hosted runners, and what a self-hosted one gets without being asked.
_GITHUBS = re.compile(r"(ubuntu|windows|macos)-|(self-hosted|linux|windows|macos|x64|arm|arm64)$", re.IGNORECASE)
# The environment of GitHub with the signing key, for jobs that deploy nothing.
_SIGNING = "signing"
# A rollback and a check of production take this long at most, with everything around them.
_OPERATION_MINUTES = 30


def render(pipeline: Pipeline, options: GithubActionsOptions) -> Files:
    """Return the workflows; rollback and nightly only for a pipeline that deploys.  Raises BadInput."""
    made = {"deploy": _deploy(pipeline, options), "pull-request": _pull_request(pipeline, options)}
    environment = users_environment(pipeline)
    if environment is not None:
        made["rollback"] = _rollback(pipeline, options, environment)
        made["nightly"] = _nightly(pipeline, options, environment)
    files = {
        f"{_FOLDER}/{name}.yml": steps.commented(yaml_text("github_actions", workflow, comment=_COMMENTS[name]))
        for name, workflow in made.items()
    }
    labels = _own_labels(pipeline, options)
    if labels:
        runners = {"self-hosted-runner": {"labels": labels}}
        files[".github/actionlint.yaml"] = yaml_text(
            "github_actions", runners, comment=("Labels of self-hosted runners, which actionlint cannot know.",)
        )
    return files


_COMMENTS: Mapping[str, Sequence[str]] = {
    "deploy": (
        "Ships each push. docs/exports.md of DawsOS Pipeline says what the repository on GitHub needs: reviewers of the",
        "environments, a signing key or sigstore, and for `platform: local` a runner that keeps what runs.",
    ),
    "pull-request": (
        "Runs the stages before a deployment: without secrets, without a signature, and nothing is deployed.",
    ),
    "rollback": ("Brings production back to the release before. It waits for no reviewer and for no other workflow.",),
    "nightly": ("Checks each night what serves the users.",),
}


def _deploy(pipeline: Pipeline, options: GithubActionsOptions) -> dict[str, Any]:
    jobs = ci_jobs(pipeline)
    hotfix = {
        "description": "Reason of a hotfix, which skips some stages; empty skips none",
        "required": False,
        "type": "string",
    }
    by_hand = {"inputs": {"hotfix": hotfix}} if any(stage.hotfix_skips for stage in pipeline.stages) else {}
    return {
        "name": "Deploy to production" if users_environment(pipeline) else "Ship",
        "on": {"push": {"branches": [options.branch]}, "workflow_dispatch": by_hand},
        "permissions": {},
        "jobs": {job.name: _ship_job(pipeline, options, job, jobs) for job in jobs},
    }


def _ship_job(pipeline: Pipeline, options: GithubActionsOptions, job: CiJob, jobs: Sequence[CiJob]) -> dict[str, Any]:
    kept = home(pipeline, options, job.environment)
    made: dict[str, Any] = {"name": _TITLES.get(job.name, f"Deploy to {job.environment}")}
    if job.needs:
        made["needs"] = list(job.needs)
    if job.environment is not None:
        # Started by hand on another branch, the workflow judges and builds that, and deploys nothing.
        made["if"] = f"github.ref == 'refs/heads/{options.branch}'"
    made["runs-on"] = _runs_on(pipeline, options, job.environment)
    made["timeout-minutes"] = job.timeout_minutes
    made["concurrency"] = _concurrency(pipeline, options, job.environment)
    made["permissions"] = _permissions(pipeline, options, job)
    guarded = _environment(pipeline, options, job.environment)
    if guarded:
        made["environment"] = guarded
    if kept is not None:
        made["env"] = {"DAWSOS_HOME": kept}
    if job.waits:
        made["outputs"] = steps.outputs(job)
    needed = any(job.name in other.needs for other in jobs)
    made["steps"] = [
        *steps.prepared(pipeline, options, kept),
        *steps.results_before(job, pipeline, options, kept),
        *steps.approvals(job, jobs, pipeline, options),
        steps.ship(job, pipeline, options),
        *steps.results_after(job, pipeline, options, kept, needed=needed),
        *steps.report(job.name, kept, sarif=options.sarif and job.environment is None),
        *([steps.down(options)] if job.environment is not None and kept is None else []),
    ]
    return made


def _runs_on(pipeline: Pipeline, options: GithubActionsOptions, environment: str | None) -> list[str] | str:
    labels: Sequence[str] = options.runs_on
    if environment is not None:
        settings = options.environments.get(environment)
        if settings is not None and settings.runs_on:
            labels = settings.runs_on
        elif stays_on_the_runner(pipeline, options, environment):
            labels = ("self-hosted", environment)
    return labels[0] if len(labels) == 1 else list(labels)


def _own_labels(pipeline: Pipeline, options: GithubActionsOptions) -> list[str]:
    """Return the labels that are no runner of GitHub's: actionlint asks for a list of them."""
    places = [None, *dict.fromkeys(job.environment for job in ci_jobs(pipeline) if job.environment is not None)]
    used = [labels for place in places for labels in [_runs_on(pipeline, options, place)]]
    names = [name for labels in used for name in ([labels] if isinstance(labels, str) else labels)]
    return [name for name in dict.fromkeys(names) if not _GITHUBS.match(name)]


def _concurrency(pipeline: Pipeline, options: GithubActionsOptions, environment: str | None) -> dict[str, Any]:
    """Before the first deployment a newer commit ends the job of an older one; a deployment is never ended."""
    if environment is None:
        return {"group": "before-deployment-${{ github.ref }}", "cancel-in-progress": True}
    return {"group": turn(pipeline, options, environment), "cancel-in-progress": False}


def _permissions(pipeline: Pipeline, options: GithubActionsOptions, job: CiJob) -> dict[str, str]:
    granted = {"contents": "read"}
    if job.approves:
        granted["actions"] = "read"
    if options.sarif and job.environment is None:
        granted["security-events"] = "write"
    if pipeline.signing.sigstore != "off":
        granted["id-token"] = "write"
    return granted


def _environment(pipeline: Pipeline, options: GithubActionsOptions, environment: str | None) -> dict[str, str] | None:
    """Return the environment of GitHub that guards the job's secrets: what one may not deploy to, one gets no secret of."""
    if environment is None:
        return None if pipeline.signing.sigstore == "required" else {"name": _SIGNING}
    settings = options.environments.get(environment)
    return {"name": environment} | ({"url": settings.url} if settings is not None and settings.url else {})


def _pull_request(pipeline: Pipeline, options: GithubActionsOptions) -> dict[str, Any]:
    # `dawsos run` without a stage takes what comes before a deployment.
    before = [job for job in ci_jobs(pipeline) if job.environment is None]
    job = {
        "name": "Quality gates",
        "runs-on": _runs_on(pipeline, options, None),
        "timeout-minutes": sum(one.timeout_minutes for one in before),
        "permissions": {"contents": "read"},
        "steps": [
            *steps.prepared(pipeline, options, None),
            {"name": "Run the stages", "run": f"{options.command} run --profile {options.profile}"},
            *steps.report("pull-request", None, sarif=False),
        ],
    }
    return {
        "name": "Pull request",
        "on": {"pull_request": {"branches": [options.branch]}},
        "permissions": {},
        "concurrency": {"group": "pull-request-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": {QUALITY: job},
    }


def _operation(
    pipeline: Pipeline, options: GithubActionsOptions, environment: str, what: Sequence[steps.Step]
) -> dict[str, Any]:
    """Return a job that acts on what serves the users, on the runner that has it."""
    kept = home(pipeline, options, environment)
    made: dict[str, Any] = {
        "runs-on": _runs_on(pipeline, options, environment),
        "timeout-minutes": _OPERATION_MINUTES,
        "permissions": {"contents": "read"},
    }
    if kept is not None:
        made["env"] = {"DAWSOS_HOME": kept}
    return made | {"steps": [*steps.prepared(pipeline, options, kept), *what]}


def _rollback(pipeline: Pipeline, options: GithubActionsOptions, environment: str) -> dict[str, Any]:
    inputs = {
        "reason": {"description": "Why production is rolled back", "required": True, "type": "string"},
        "to": {"description": "A release or commit; empty: the release before", "required": False, "type": "string"},
    }
    variables = {"ASKED_BY": "${{ github.actor }}", "REASON": "${{ inputs.reason }}", "TO": "${{ inputs.to }}"}
    line = f'{options.command} rollback --as "$ASKED_BY" --reason "$REASON" ${{TO:+--to "$TO"}}'
    roll_back = {"name": "Roll back", "env": steps.TRUSTED | variables, "run": line}
    report = steps.report("rollback", home(pipeline, options, environment), sarif=False)
    job = _operation(pipeline, options, environment, [roll_back, *report])
    return {
        "name": f"Roll back {environment}",
        "on": {"workflow_dispatch": {"inputs": inputs}},
        "permissions": {},
        "concurrency": {"group": f"rollback-{environment}", "cancel-in-progress": False},
        "jobs": {"rollback": {"name": f"Roll back {environment}", **job}},
    }


def _nightly(pipeline: Pipeline, options: GithubActionsOptions, environment: str) -> dict[str, Any]:
    verify = {"name": "Verify", "env": steps.TRUSTED, "run": f"{options.command} verify"}
    job = _operation(pipeline, options, environment, [verify])
    return {
        "name": f"Verify {environment}",
        "on": {"schedule": [{"cron": options.nightly}], "workflow_dispatch": {}},
        "permissions": {},
        "concurrency": {"group": f"verify-{environment}", "cancel-in-progress": False},
        "jobs": {"verify": {"name": f"Verify {environment}", **job}},
    }


EXPORTER = Exporter(GithubActionsOptions, render)
