"""The verbs that only read: plan, status, history, show, verify, lint."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any

from rich.console import Console

from dawsos.actions import environments
from dawsos.actions.verification import checks
from dawsos.adapters import git
from dawsos.adapters.cache import StageCache
from dawsos.config.named_files import must_have_files
from dawsos.errors import EXIT_DONE, EXIT_GATE_FAILED, BadInput
from dawsos.model.pipeline import Pipeline
from dawsos.model.plan import Plan, PlannedStage
from dawsos.model.units import format_duration
from dawsos.reporting.evidence_table import render_evidence
from dawsos.reporting.formatting import count
from dawsos.reporting.record import run_to_json
from dawsos.reporting.tables import render_history, render_plan, render_run, render_status
from dawsos.runs import evidence
from dawsos.runs.certification import confirm
from dawsos.runs.inputs import Upstream, cacheable, expired, stage_fingerprint
from dawsos.runs.project import Project, load, load_run, open_tools
from dawsos.verbs.operations import PRODUCTION
from dawsos.verbs.operations import status as status_of
from dawsos.verbs.ship import select


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def make_plan(project: Project, wanted: tuple[str, ...]) -> Plan:
    """Return what `ship` (no stage named) or `run STAGE...` would do with the working tree as it is."""
    pipeline = load(project.root)
    chosen = select(pipeline, wanted, "run" if wanted else "ship")
    hashes = git.worktree_hashes(project.root)
    sha = git.commit(project.root).sha
    cache = StageCache(project.cache, evidence.genuine(open_tools(project)))
    release = _kept_release(project, cache, pipeline, hashes, sha)
    planned = []
    for stage in chosen:
        if not cacheable(stage):
            planned.append(
                PlannedStage(stage.id, "run", "looks at what the environment runs, changes it when it must", None)
            )
            continue
        made = stage_fingerprint(pipeline, stage, project.root, hashes, Upstream(release, sha))
        kept = cache.lookup(stage.id, made.digest)
        latest = cache.latest_manifest(stage.id)
        if kept is not None and expired(kept["gates"], time.time()):
            planned.append(PlannedStage(stage.id, "run", "a waiver or the data it passed on is too old", made))
        elif kept is not None:
            planned.append(PlannedStage(stage.id, "restore", f"unchanged since run {kept['run']}", made))
        elif latest is None:
            planned.append(PlannedStage(stage.id, "run", "never passed here", made))
        else:
            changes = made.changes_since(latest)
            planned.append(PlannedStage(stage.id, "run", f"{count(len(changes), 'input')} changed", made, changes))
    return Plan(tuple(planned))


def _kept_release(project: Project, cache: StageCache, pipeline: Pipeline, hashes: dict[str, str], sha: str) -> str:
    """Return the digest of the release that the build stage would restore, empty when it would build."""
    for stage in pipeline.stages:
        if stage.uses == "release":
            made = stage_fingerprint(pipeline, stage, project.root, hashes, Upstream("", sha))
            path = project.cache / stage.id / made.digest / "artifacts" / "release.json"
            if cache.lookup(stage.id, made.digest) is not None and path.exists():
                return str(json.loads(path.read_text())["release"])
    return ""


def show_plan(project: Project, wanted: tuple[str, ...], *, explain: bool, as_json: bool, console: Console) -> None:
    """Print the plan."""
    plan = make_plan(project, wanted)
    if as_json:
        stages = [
            {
                "stage": p.stage,
                "action": p.action,
                "reason": p.reason,
                "changes": p.changes,
                "fingerprint": p.fingerprint and p.fingerprint.digest,
            }
            for p in plan.stages
        ]
        _print_json({"stages": stages})
    else:
        console.print(render_plan(plan, explain))


def show_status(project: Project, *, as_json: bool, console: Console) -> None:
    """Print what runs now."""
    status = status_of(project)
    if as_json:
        _print_json(status)
    else:
        console.print(render_status(status))


def show_history(project: Project, *, as_json: bool, console: Console) -> None:
    """Print one line per run."""
    tools = open_tools(project)
    runs = [load_run(tools, run) for run in tools.journal.runs()]
    rows = [
        {
            "run": run.id,
            "command": run.command,
            "commit": run.commit,
            "release": run.release or (run.rollout.release if run.rollout else ""),
            "result": run.result or "unfinished",
            "started_at": run.started_at,
            "seconds": (run.finished_at or run.started_at) - run.started_at,
            "reason": run.reason,
        }
        for run in runs
    ]
    if as_json:
        _print_json(rows)
    else:
        console.print(render_history(rows))


def show_run(project: Project, run_name: str, *, as_json: bool, console: Console) -> None:
    """Print one run and whether its journal is intact."""
    tools = open_tools(project)
    run = load_run(tools, run_name)
    problems = evidence.summary_problems(tools, run)
    if as_json:
        _print_json({**run_to_json(run), "journal_problems": problems, "report": str(project.report(run.id))})
        return
    console.print(render_run(run))
    intact = f"intact, {run.last_seq} events" + ("" if run.unfinished else ", summary signed")
    console.print(f"journal  {'; '.join(problems) if problems else intact}", markup=False, soft_wrap=True)
    console.print(f"report   {project.report(run.id)}", markup=False, soft_wrap=True)


def show_evidence(project: Project, name: str, *, check: bool, as_json: bool, console: Console) -> int:
    """Print what speaks for a release, and with ``check`` what is wrong with it; return the exit code."""
    tools = open_tools(project)
    run = evidence.find_run([load_run(tools, known) for known in tools.journal.runs()], name) or load_run(tools, name)
    if not run.release:
        raise BadInput(f"run {run.id} built no release, so there is no evidence of one", fix="see dawsos history")
    certified = asyncio.run(confirm(tools, load(project.root).signing, project.root, run))
    demands = evidence.recorded_demands(tools, run, evidence.attested(run), certified)
    findings = evidence.examine(tools, run, demands, certified)
    problems = [f"{one.stage}: {problem}" for one in findings for problem in one.problems] if check else []
    problems += [f"summary: {problem}" for problem in evidence.summary_problems(tools, run, certified)] if check else []
    if as_json:
        verdict = {"verified": not problems, "problems": problems} if check else {}
        rows = [asdict(one) for one in findings]
        _print_json({"release": run.release, "run": run.id, "commit": run.commit, "statements": rows, **verdict})
    else:
        console.print(render_evidence(run, findings))
        console.print(f"folder   {project.evidence(run.id)}", markup=False, soft_wrap=True)
        for problem in problems:
            console.print(f"wrong    {problem}", markup=False, soft_wrap=True)
        if check and not problems:
            text = f"{len(findings)} statements, their evidence, the journal and the summary are as they were signed"
            console.print(f"verified {text}", markup=False, soft_wrap=True)
    return EXIT_GATE_FAILED if problems else EXIT_DONE


def verify(project: Project, *, as_json: bool, console: Console) -> int:
    """Check production and every journal; return the exit code."""
    tools = open_tools(project)
    pipeline = load(project.root)

    async def look() -> list[dict[str, Any]]:
        profile = environments.deployed_profile(tools, pipeline, PRODUCTION)
        environment = await environments.prepare(tools, pipeline, PRODUCTION, profile)
        return await checks(tools, pipeline, environment, project.home / "verify")

    found = asyncio.run(look())
    for run in tools.journal.runs():
        problems = evidence.summary_problems(tools, load_run(tools, run))
        if problems:
            found.append(
                {"name": f"journal {run}", "result": "fail", "measured": "; ".join(problems), "limit": "intact"}
            )
    if not any(check["name"].startswith("journal") for check in found):
        found.append({"name": "journals", "result": "pass", "measured": "intact", "limit": "intact"})
    if as_json:
        _print_json({"checks": found})
    else:
        for check in found:
            console.print(
                f"{check['result']:4}  {check['name']:24} {check['measured']}  (wanted {check['limit']})", markup=False
            )
    return EXIT_DONE if all(check["result"] == "pass" for check in found) else EXIT_GATE_FAILED


def lint(project: Project, *, as_json: bool, console: Console) -> None:
    """Load pipeline.yaml, which refuses what is wrong with it, and say what it means."""
    pipeline = load(project.root)
    must_have_files(pipeline, pipeline.stages, project.root)
    seconds = sum(step.duration for step in pipeline.rollout.ladder)
    ladder = " ".join(str(step.weight) for step in pipeline.rollout.ladder)
    facts = {
        "stages": [stage.id for stage in pipeline.stages],
        "gates": sum(len(stage.gates) for stage in pipeline.stages),
        "ladder": ladder,
        "rollout_seconds": seconds,
        "rollback_after": f"{pipeline.rollout.failed_checks} failed checks of {format_duration(pipeline.rollout.check_interval)}",
        "cores": os.cpu_count(),
    }
    if as_json:
        _print_json(facts)
        return
    console.print(f"pipeline.yaml is good: {len(pipeline.stages)} stages, {facts['gates']} gates", markup=False)
    console.print(
        f"rollout: {ladder} % within {format_duration(seconds)}; rolls back after {facts['rollback_after']}",
        markup=False,
    )
