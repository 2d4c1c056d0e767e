"""``dawsos plan``: what would run, what would be restored, and why."""

from __future__ import annotations

import json
import time

from dawsos.adapters import git
from dawsos.adapters.cache import StageCache
from dawsos.model.pipeline import Pipeline
from dawsos.model.plan import Plan, PlannedStage
from dawsos.planning.selection import select
from dawsos.runs import evidence
from dawsos.runs.inputs import Upstream, cacheable, expired, stage_fingerprint
from dawsos.runs.project import Project, load, open_tools


def plan(project: Project, wanted: tuple[str, ...]) -> Plan:
    """Return what `ship` (no stage named) or `run STAGE...` would do with the working tree as it is; raises BadInput."""
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
            inputs = "1 input" if len(changes) == 1 else f"{len(changes)} inputs"
            planned.append(PlannedStage(stage.id, "run", f"{inputs} changed", made, changes))
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
