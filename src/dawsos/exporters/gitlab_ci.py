"""The pipeline as ``.gitlab-ci.yml``: delivery, merge requests, rollback, and a nightly check of production.  Pure.

The jobs are those of the GitHub workflow.  GitLab itself ends the pipeline of an older commit until a job that must not be
interrupted has begun (``auto_cancel: conservative``), and names the person who started a job by hand.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from dawsos.exporters.ci_jobs import (
    CiJob,
    approving,
    ci_jobs,
    home,
    locks,
    stays_on_the_runner,
    to_install,
    turn,
    users_environment,
    waiting,
)
from dawsos.exporters.contract import Exporter, Files
from dawsos.exporters.text import yaml_text
from dawsos.model.exports import GitlabCiOptions
from dawsos.model.pipeline import Pipeline

Job = dict[str, Any]

_COMMENT = (
    "Ships each push. docs/exports.md of DawsOS Pipeline says what the project on GitLab needs: protected environments, a",
    "signing key or sigstore, for `platform: local` a runner with the shell executor, and for the nightly check a schedule.",
)
# Below the project, because GitLab takes artifacts from nowhere else; git ignores the folder.
_WORK = ".dawsos/ci"
_EXPIRES = "1 week"
_ASKED, _BY_SCHEDULE = "$ROLLBACK_REASON", '$CI_PIPELINE_SOURCE == "schedule"'
_MERGE_REQUEST = '$CI_PIPELINE_SOURCE == "merge_request_event"'
_OPERATION_MINUTES = 30


def render(pipeline: Pipeline, options: GitlabCiOptions) -> Files:
    """Return ``.gitlab-ci.yml``; rollback and nightly only for a pipeline that deploys.  Raises BadInput."""
    jobs = ci_jobs(pipeline)
    environment = users_environment(pipeline)
    operations = {} if environment is None else _operations(pipeline, options, environment)
    names = [job.name for job in jobs]
    document = {
        "workflow": {"auto_cancel": {"on_new_commit": "conservative"}, "rules": _pipelines(options)},
        "stages": [*names, *(["operations"] if operations else [])],
        "variables": _asked(pipeline, environment),
        "merge-request": _merge_request(pipeline, options, jobs),
        **{job.name: _ship_job(pipeline, options, job, jobs) for job in jobs},
        **operations,
    }
    return {".gitlab-ci.yml": yaml_text("gitlab_ci", document, comment=_COMMENT)}


def _pipelines(options: GitlabCiOptions) -> list[Job]:
    never = {"if": _ASKED, "auto_cancel": {"on_new_commit": "none"}}
    return [never, {"if": _MERGE_REQUEST}, {"if": f'$CI_COMMIT_BRANCH == "{options.branch}"'}]


def _asked(pipeline: Pipeline, environment: str | None) -> Job:
    """Return the variables; GitLab asks for those with a description when a person starts a pipeline."""
    asked: Job = {"GIT_DEPTH": "0"}
    if any(stage.hotfix_skips for stage in pipeline.stages):
        asked["HOTFIX"] = {
            "value": "",
            "description": "Reason of a hotfix, which skips some stages; empty skips none",
        }
    if environment is not None:
        asked["ROLLBACK_REASON"] = {"value": "", "description": f"Roll back {environment}: why; empty ships the commit"}
        asked["ROLLBACK_TO"] = {"value": "", "description": "Roll back to this release; empty: the release before"}
    return asked


def _ship_job(pipeline: Pipeline, options: GitlabCiOptions, job: CiJob, jobs: Sequence[CiJob]) -> Job:
    made = _job(pipeline, options, job.environment)
    made["stage"] = job.name
    made["needs"] = [{"job": name, "artifacts": True} for name in job.needs]
    # An approval is the start of the job by a person whom the protected environment lets start it.
    last: Job = {"if": f'$CI_COMMIT_BRANCH == "{options.branch}"'} | ({"when": "manual"} if job.approves else {})
    never = [{"if": condition, "when": "never"} for condition in (_MERGE_REQUEST, _ASKED, _BY_SCHEDULE)]
    made["rules"] = [*never, last]
    made["timeout"] = f"{job.timeout_minutes} minutes"
    made["interruptible"] = job.environment is None
    if job.environment is not None:
        made["resource_group"] = turn(pipeline, options, job.environment)
        made["environment"] = _environment(options, job.environment)
    if pipeline.signing.sigstore != "off":
        made["id_tokens"] = {"SIGSTORE_ID_TOKEN": {"aud": "sigstore"}}
    loads = [f"{options.command} results load {_WORK}/results-{name}.tar.gz" for name in job.needs]
    before = [*_prepared(pipeline, options, job.environment), *loads, *_approvals(options, job, jobs)]
    made["script"] = [*before, _ship(pipeline, options, job)]
    needed = any(job.name in other.needs for other in jobs)
    made["after_script"] = _after(pipeline, options, job, needed=needed)
    handed = [f"{_WORK}/results-{job.name}.tar.gz"] if needed else []
    made["artifacts"] = _artifacts(*handed, *([_waits(job)] if job.waits else []))
    return made


def _job(pipeline: Pipeline, options: GitlabCiOptions, environment: str | None) -> Job:
    """Return what every job has: where it runs, and which folder it keeps."""
    kept = home(pipeline, options, environment)
    settings = options.environments.get(environment or "")
    tags = list(settings.runs_on if settings is not None and settings.runs_on else options.tags)
    if environment is not None and not tags and stays_on_the_runner(pipeline, options, environment):
        tags = [environment]
    made: Job = {"tags": tags} if tags else {}
    if kept is not None:
        return made | {"variables": {"DAWSOS_HOME": kept}}
    cache = {"key": {"files": list(locks(pipeline, options)[:2])}, "paths": [".dawsos/tool", ".dawsos/toolchains"]}
    return made | {"image": options.image, "cache": [cache]}


def _environment(options: GitlabCiOptions, environment: str) -> Job:
    settings = options.environments.get(environment)
    return {"name": environment} | ({"url": settings.url} if settings is not None and settings.url else {})


def _tool(pipeline: Pipeline, options: GitlabCiOptions, environment: str | None) -> str:
    """Return the folder into which the tool is installed; what runs on after the job needs its program."""
    kept = home(pipeline, options, environment)
    which = to_install(options)[0].replace("==", "-") if not options.requirements else "locked"
    return f"{_WORK}/installed" if kept is None else f"{kept}/installed/{which}-py{options.python}"


def _prepared(pipeline: Pipeline, options: GitlabCiOptions, environment: str | None) -> list[str]:
    lines = [f"mkdir -p {_WORK}", f"touch {_WORK}/begun"]
    wanted = to_install(options)
    if not wanted:
        return lines
    tool = _tool(pipeline, options, environment)
    return [
        *lines,
        f"python3 -m venv {tool}",
        f"{tool}/bin/python -m pip install --quiet --no-input --no-compile --disable-pip-version-check {shlex.join(wanted)}",
        f'export PATH="$(cd {tool}/bin && pwd):$PATH"',
    ]


def _ship(pipeline: Pipeline, options: GitlabCiOptions, job: CiJob) -> str:
    line = shlex.join([options.command, "ship", "--profile", options.profile])
    if any(stage.hotfix_skips for stage in pipeline.stages):
        line += ' ${HOTFIX:+--hotfix "$HOTFIX"}'
    line += f" {shlex.join(job.ids)}"
    note = f'basename "$({_newest(home(pipeline, options, job.environment))})" > {_waits(job)}'
    return waiting(line, note) if job.waits else line


def _waits(job: CiJob) -> str:
    """Return the file by which a job tells the next one which run waits for an approval."""
    return f"{_WORK}/waits-{job.name}"


def _approvals(options: GitlabCiOptions, job: CiJob, jobs: Sequence[CiJob]) -> list[str]:
    """Return the commands that approve what waits for the start of this job.

    Of a job that was started by hand, GitLab names the person who started it.
    """
    asked = {stage.id for stage in job.approves}
    lines = []
    for other in jobs:
        if not asked.isdisjoint(other.ids):
            approve = approving(options, "$run", "$GITLAB_USER_LOGIN", "started the job $CI_JOB_URL")
            lines.append(f"if [ -s {_waits(other)} ]; then run=$(cat {_waits(other)}); {approve}; fi")
    return lines


def _after(pipeline: Pipeline, options: GitlabCiOptions, job: CiJob, *, needed: bool) -> list[str]:
    """Return what runs also after a failure, in a shell of its own: results for later jobs, and the report."""
    command = options.command if not to_install(options) else f"{_tool(pipeline, options, job.environment)}/bin/dawsos"
    saved = [f"{command} results save {_WORK}/results-{job.name}.tar.gz"] if needed else []
    kept = home(pipeline, options, job.environment)
    # An environment that nobody keeps ends with its job, also on a runner that stays.
    ended = [f"{command} down --purge"] if job.environment is not None and kept is None else []
    return [*saved, *_report(kept), *ended]


def _report(kept: str | None) -> list[str]:
    return [
        f"newest=$({_newest(kept)})",
        f'if [ -n "$newest" ]; then rm -rf {_WORK}/report; cp -R "$newest" {_WORK}/report; fi',
    ]


def _newest(kept: str | None) -> str:
    return f'find "{kept or ".dawsos"}/runs" -mindepth 1 -maxdepth 1 -type d -newer {_WORK}/begun | sort | tail -n 1'


def _artifacts(*more: str) -> Job:
    return {"when": "always", "expire_in": _EXPIRES, "paths": [*more, f"{_WORK}/report"]}


def _merge_request(pipeline: Pipeline, options: GitlabCiOptions, jobs: Sequence[CiJob]) -> Job:
    before = [job for job in jobs if job.environment is None]
    return {
        **_job(pipeline, options, None),
        "stage": jobs[0].name,
        "needs": [],
        "rules": [{"if": _MERGE_REQUEST}],
        "timeout": f"{sum(job.timeout_minutes for job in before) or _OPERATION_MINUTES} minutes",
        "interruptible": True,
        "script": [*_prepared(pipeline, options, None), f"{options.command} run --profile {options.profile}"],
        "after_script": _report(None),
        "artifacts": _artifacts(),
    }


def _operations(pipeline: Pipeline, options: GitlabCiOptions, environment: str) -> Job:
    back = f'{options.command} rollback --as "$GITLAB_USER_LOGIN" --reason "$ROLLBACK_REASON" ${{ROLLBACK_TO:+--to "$ROLLBACK_TO"}}'
    return {
        "rollback": _operation(pipeline, options, environment, _ASKED, back),
        "verify": _operation(pipeline, options, environment, _BY_SCHEDULE, f"{options.command} verify"),
    }


def _operation(pipeline: Pipeline, options: GitlabCiOptions, environment: str, condition: str, line: str) -> Job:
    """Return a job that acts on what serves the users.  It waits for no other job: a rollback ends a rollout under way."""
    return {
        **_job(pipeline, options, environment),
        "stage": "operations",
        "needs": [],
        "rules": [{"if": condition}],
        "timeout": f"{_OPERATION_MINUTES} minutes",
        "interruptible": False,
        "script": [*_prepared(pipeline, options, environment), line],
    }


EXPORTER = Exporter(GitlabCiOptions, render)
