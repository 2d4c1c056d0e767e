"""The steps of the jobs of a GitHub Actions workflow, as plain values.  Pure.

Nothing of an event gets into the text of a command: what is not known when the workflow is made reaches it as a variable.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from dawsos.exporters.ci_jobs import CiJob, approving, locks, to_install, variables, waiting
from dawsos.model.exports import CiOptions
from dawsos.model.pipeline import Pipeline

Step = dict[str, Any]

# Action -> (commit, tag).  A tag can be moved to other code, a commit cannot.  Each pair was read from the tags of the action's own
# repository, and found in the workflows of others.
PINS = {
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/cache": ("27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "github/codeql-action": ("8aad20d150bbac5944a9f9d289da16a4b0d87c1e", "v4.36.2"),
}
# Outside of the working tree, whose files decide the fingerprints of stages.
WORK = "${{ runner.temp }}/dawsos"
_RESULTS, _RESULTS_DAYS = "results.tar.gz", 7
# What a permission is for, beside it.
_WHY = {
    "actions: read": "who reviewed the environment",
    "security-events: write": "upload of findings",
    "id-token: write": "the identity that sigstore certifies",
}
# What a job needs that only checks what others signed.
TRUSTED = {"DAWSOS_TRUSTED_KEYS": "${{ vars.DAWSOS_TRUSTED_KEYS }}"}
_ALWAYS, _NOT_CANCELLED = {"if": "${{ always() }}"}, {"if": "${{ !cancelled() }}"}
_APPROVER = """\
python - >> "$GITHUB_OUTPUT" <<'END'
import json, os, re, sys, urllib.request

url = "{GITHUB_API_URL}/repos/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/approvals".format(**os.environ)
headers = {"Authorization": "Bearer " + os.environ["TOKEN"], "Accept": "application/vnd.github+json"}
with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
    reviews = json.load(answer)
name = os.environ["ENVIRONMENT"]
people = [
    review["user"]["login"]
    for review in reviews
    if review["state"] == "approved" and any(each["name"] == name for each in review["environments"])
]
if not people:
    sys.exit(f"nobody reviewed the environment {name} in this run: give it required reviewers")
if not re.fullmatch(r"[A-Za-z0-9-]+(\\[bot\\])?", people[-1]):
    sys.exit(f"{people[-1]!r} is no login")
print(f"name={people[-1]}")
END
"""


def uses(action: str, name: str, values: Step | None = None, **more: Any) -> Step:
    """Return a step that calls ``action`` (``owner/name`` or a folder of it) at its pinned commit."""
    owner, repository, *folder = action.split("/")
    commit, _ = PINS[f"{owner}/{repository}"]
    step: Step = {"name": name, **more, "uses": f"{'/'.join([owner, repository, *folder])}@{commit}"}
    return step | ({"with": values} if values else {})


def commented(text: str) -> str:
    """Return the text of a workflow with the tag beside each pinned action, and the reason beside each permission."""
    for commit, tag in PINS.values():
        text = re.sub(rf"@{commit}$", f"@{commit} # {tag}", text, flags=re.MULTILINE)
    for permission, why in _WHY.items():
        text = re.sub(rf"^( +{permission})$", rf"\1 # {why}", text, flags=re.MULTILINE)
    return text


def prepared(pipeline: Pipeline, options: CiOptions, home: str | None) -> list[Step]:
    """Return the steps that every job begins with: the commit, Python, the tool, and its caches where no folder is kept."""
    checkout = {"fetch-depth": 0, "persist-credentials": False}
    begin = {"name": "Begin", "env": {"WORK": WORK}, "run": 'mkdir -p "$WORK"\ntouch "$WORK/begun"\n'}
    steps = [
        uses("actions/checkout", "Check out the commit", checkout),
        begin,
        uses("actions/setup-python", "Set up Python", {"python-version": options.python}, id="python"),
    ]
    if home is None:
        steps.append(_toolchains(pipeline, options))
    return steps + _installed(options, home)


def _toolchains(pipeline: Pipeline, options: CiOptions) -> Step:
    # A quote within a text of an expression is written twice: https://docs.github.com/actions, "Literals".
    hashed = ", ".join("'{}'".format(name.replace("'", "''")) for name in locks(pipeline, options))
    python = "${{ steps.python.outputs.python-version }}"
    key = f"dawsos-toolchains-${{{{ runner.os }}}}-${{{{ runner.arch }}}}-{python}-${{{{ hashFiles({hashed}) }}}}"
    return uses("actions/cache", "Keep the toolchains", {"path": ".dawsos/tool\n.dawsos/toolchains\n", "key": key})


def _installed(options: CiOptions, home: str | None) -> list[Step]:
    wanted = to_install(options)
    if not wanted:
        return []
    # What runs on after the job needs its program: it lies with the environment, one for each version of tool and Python.
    which = f"${{{{ hashFiles('{options.requirements}') }}}}" if options.requirements else wanted[0].replace("==", "-")
    place = f"{WORK}/tool" if home is None else f"{home}/installed/{which}-py{options.python}"
    lines = [
        'python -m venv "$TOOL"',
        f'"$TOOL/bin/python" -m pip install --quiet --no-input --no-compile --disable-pip-version-check {shlex.join(wanted)}',
        'echo "$TOOL/bin" >> "$GITHUB_PATH"',
    ]
    return [{"name": "Install dawsos", "env": {"TOOL": place}, "run": "\n".join(lines) + "\n"}]


def trust(pipeline: Pipeline) -> dict[str, str]:
    """Return the variables by which a command signs results and knows those of others; no other step of a job gets them."""
    return TRUSTED if pipeline.signing.sigstore == "required" else secrets(["DAWSOS_SIGNING_KEY"]) | TRUSTED


def results_before(job: CiJob, pipeline: Pipeline, options: CiOptions, home: str | None) -> list[Step]:
    """Return the steps that take the results of earlier jobs, and for the first job those of earlier runs."""
    steps = []
    for name in job.needs:
        values = {"name": f"results-{name}", "path": f"{WORK}/from-{name}"}
        steps.append(uses("actions/download-artifact", f"Get the results of {name}", values))
        path = f"{WORK}/from-{name}/{_RESULTS}"
        steps.append(_with_results("Take", f"the results of {name}", path, pipeline, options))
    if not job.needs and home is None:
        values = {"path": f"{WORK}/{_RESULTS}", "key": _results_key(job), "restore-keys": f"{_results_prefix(job)}-"}
        steps.append(uses("actions/cache/restore", "Get the results of earlier runs", values, id="results"))
        found = {"if": "steps.results.outputs.cache-matched-key != ''"}
        steps.append(
            _with_results("Take", "the results of earlier runs", f"{WORK}/{_RESULTS}", pipeline, options, **found)
        )
    return steps


def _with_results(
    verb: Literal["Take", "Save"], what: str, path: str, pipeline: Pipeline, options: CiOptions, **more: str
) -> Step:
    command = {"Take": "load", "Save": "save"}[verb]
    variables = {**trust(pipeline), "RESULTS": path}
    return {
        "name": f"{verb} {what}",
        **more,
        "env": variables,
        "run": f'{options.command} results {command} "$RESULTS"',
    }


def _results_prefix(job: CiJob) -> str:
    return f"dawsos-results-{job.name}-${{{{ runner.os }}}}-${{{{ runner.arch }}}}"


def _results_key(job: CiJob) -> str:
    return f"{_results_prefix(job)}-${{{{ github.run_id }}}}-${{{{ github.run_attempt }}}}"


def results_after(job: CiJob, pipeline: Pipeline, options: CiOptions, home: str | None, *, needed: bool) -> list[Step]:
    """Return the steps that hand the results on: to later jobs, and from the first job to later runs, also from a red one."""
    first = not job.needs and home is None
    if not needed and not first:
        return []
    path = f"{WORK}/{_RESULTS}"
    steps = [_with_results("Save", "the results", path, pipeline, options, **_NOT_CANCELLED)]
    if first:
        values: Step = {"path": path, "key": _results_key(job)}
        steps.append(uses("actions/cache/save", "Keep the results for later runs", values, **_NOT_CANCELLED))
    if needed:
        handed = {"name": f"results-{job.name}", "path": path, "if-no-files-found": "error"}
        steps.append(uses("actions/upload-artifact", "Hand the results on", handed | {"retention-days": _RESULTS_DAYS}))
    return steps


def approvals(job: CiJob, jobs: Sequence[CiJob], pipeline: Pipeline, options: CiOptions) -> list[Step]:
    """Return the steps that ask GitHub who reviewed the environment of this job, and approve what waits for that."""
    asked = {stage.id for stage in job.approves}
    steps: list[Step] = []
    for other in jobs:
        if asked.isdisjoint(other.ids):
            continue
        waits = {"if": f"needs.{other.name}.outputs.waiting == 'true'"}
        variables = {"TOKEN": "${{ github.token }}", "ENVIRONMENT": job.environment}
        if not steps:
            steps.append({"name": "Ask who approved", "id": "approver", **waits, "env": variables, "run": _APPROVER})
        given = {
            **trust(pipeline), "APPROVER": "${{ steps.approver.outputs.name }}", "RUN": f"${{{{ needs.{other.name}.outputs.run }}}}",
            "RUN_URL": "${{ github.server_url }}/${{ github.repository }}/actions/runs/${{ github.run_id }}",
        }  # fmt: skip
        reason = f"reviewed the environment {job.environment} of $RUN_URL"
        steps.append(
            {"name": f"Approve {', '.join(sorted(asked & set(other.ids)))}", **waits, "env": given}
            | {"run": approving(options, "$RUN", "$APPROVER", reason)}
        )
    return steps


def outputs(job: CiJob) -> dict[str, str]:
    """Return what a job that may wait for an approval tells the job that gives it."""
    told = {"waiting": "${{ steps.ship.outputs.waiting }}", "run": "${{ steps.report.outputs.run }}"}
    return told if job.waits else {}


def ship(job: CiJob, pipeline: Pipeline, options: CiOptions) -> Step:
    """Return the step that ships the stages of the job, with the variables that they take from it."""
    given = trust(pipeline) | secrets(variables(pipeline, options, job))
    line = shlex.join([options.command, "ship", "--profile", options.profile])
    if any(stage.hotfix_skips for stage in pipeline.stages):
        given["HOTFIX"] = "${{ inputs.hotfix }}"
        line += ' ${HOTFIX:+--hotfix "$HOTFIX"}'
    line += f" {shlex.join(job.ids)}"
    run = waiting(line, 'echo "waiting=true" >> "$GITHUB_OUTPUT"') if job.waits else line
    return {"name": f"Ship {', '.join(job.ids)}", "id": "ship", "env": given, "run": run}


def report(name: str, home: str | None, *, sarif: bool) -> list[Step]:
    """Return the steps that keep the report with its evidence, and that show the findings to GitHub."""
    lines = [
        f'newest=$(find "{home or ".dawsos"}/runs" -mindepth 1 -maxdepth 1 -type d -newer "$BEGUN" | sort | tail -n 1)',
        'if [ -z "$newest" ]; then echo "nothing was run"; exit 0; fi',
        'cp -R "$newest" "$REPORT"',
        'echo "run=$(basename "$newest")" >> "$GITHUB_OUTPUT"',
        'if [ -e "$REPORT/findings.sarif" ]; then echo "findings=true" >> "$GITHUB_OUTPUT"; fi',
    ]
    places = {"BEGUN": f"{WORK}/begun", "REPORT": f"{WORK}/report"}
    collect: Step = {"name": "Collect the report", "id": "report", **_ALWAYS, "env": places}
    collect["run"] = "\n".join(lines) + "\n"
    values = {"name": f"report-{name}", "path": f"{WORK}/report", "if-no-files-found": "warn"}
    steps = [collect, uses("actions/upload-artifact", "Keep the report and the evidence", values, **_ALWAYS)]
    if sarif:
        found = {"sarif_file": f"{WORK}/report/findings.sarif", "category": f"dawsos-{name}"}
        there = {"if": "${{ !cancelled() && steps.report.outputs.findings == 'true' }}"}
        steps.append(uses("github/codeql-action/upload-sarif", "Show the findings", found, **there))
    return steps


def down(options: CiOptions) -> Step:
    """Return the step that ends an environment which nobody keeps: also a runner that stays has nothing left of it."""
    return {"name": "Take the environment down", **_ALWAYS, "run": f"{options.command} down --purge"}


def secrets(names: Iterable[str]) -> dict[str, str]:
    """Return variable -> the expression for the secret of that name."""
    return {name: f"${{{{ secrets.{name} }}}}" for name in names}
