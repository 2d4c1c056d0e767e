"""Reads the files, the cache and the releases, and makes the plan of a run from them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dawsos.adapters import oci
from dawsos.adapters.cache import StageCache
from dawsos.adapters.files import read_json
from dawsos.model.pipeline import Pipeline, Stage
from dawsos.model.plan import Action, Fingerprint, Plan
from dawsos.planning.fingerprint import uncertain
from dawsos.planning.plan import KeptResult, PlanOptions, StageFacts, cacheable, carried_out_here, plan_stage
from dawsos.runs.inputs import Upstream, looks_at_release, stage_fingerprint


@dataclass(frozen=True)
class Source:
    """The input of a plan: the checkout ``root``, its files' hashes, the commit, the seed of the command line and the profile."""

    root: Path
    hashes: Mapping[str, str]
    commit: str
    seed: int | None = None
    profile: str = ""


class Planner:
    """Plans the stages of ``pipeline`` for ``source``; ``releases`` and ``images`` are the folders of what builds left."""

    def __init__(self, pipeline: Pipeline, source: Source, cache: StageCache, releases: Path, images: Path) -> None:
        self._pipeline = pipeline
        self._source = source
        self._cache = cache
        self._releases = releases
        self._images = images

    def plan(self, stages: Sequence[Stage], options: PlanOptions, now: float, release: str = "") -> Plan:
        """Return the plan of ``stages`` at the time ``now``; ``release`` is the one that the run has built already."""
        building = not release and any(stage.uses == "release" for stage in stages)
        planned = []
        for stage in stages:
            elsewhere = bool(options.named) and stage.id not in options.named and self.counts_elsewhere(stage)
            facts = self._facts(stage, release, unknown=building, elsewhere=elsewhere)
            one = plan_stage(facts, options, now)
            if stage.uses == "release" and one.action is Action.RESTORE and one.fingerprint is not None:
                release, building = self.kept_release(stage, one.fingerprint), False
            planned.append(one)
        return Plan(carried_out_here(stages, planned))

    def counts_elsewhere(self, stage: Stage) -> bool:
        """Return whether the stage is a deployment that another job may have carried out: one without users."""
        return stage.uses == "deploy" and not self._pipeline.is_production(stage.environment_name)

    def fingerprint(self, stage: Stage, release: str) -> Fingerprint:
        """Return the fingerprint of the stage if it looks at ``release``."""
        source = self._source
        upstream = Upstream(release, source.commit, source.seed, source.profile)
        return stage_fingerprint(self._pipeline, stage, (source.root, source.hashes), upstream, os.environ)

    def _facts(self, stage: Stage, release: str, *, unknown: bool, elsewhere: bool) -> StageFacts:
        if not (cacheable(stage) or elsewhere) or (unknown and looks_at_release(self._pipeline, stage)):
            return StageFacts(stage, None, elsewhere=elsewhere)
        made = self.fingerprint(stage, release)
        found = self._cache.lookup(stage.id, made.digest)
        kept = None if found is None else self._kept(stage, made, found)
        doubt = "" if kept is not None else self._cache.doubt(stage.id, made.digest)
        latest = self._cache.latest_manifest(stage.id)
        return StageFacts(stage, made, kept, latest, doubt, elsewhere, uncertain(stage, self._source.hashes))

    def _kept(self, stage: Stage, made: Fingerprint, found: Mapping[str, Any]) -> KeptResult:
        known = [gate["valid_until"] for gate in found["gates"] if gate.get("valid_until") is not None]
        kept = KeptResult(found["run"], found["finished_at"], min(known, default=None))
        if stage.uses != "release":
            return kept
        return replace(kept, release_missing=not self._is_kept(self._built(stage, made)))

    def kept_release(self, stage: Stage, made: Fingerprint) -> str:
        """Return the digest of the release that a cached build made, an empty text when it cannot be read."""
        return str(self._built(stage, made).get("release", ""))

    def _is_kept(self, facts: Mapping[str, Any]) -> bool:
        needed = needed_images(self._pipeline, self._source.profile)
        return is_kept(self._releases, self._images, facts, needed)

    def _built(self, stage: Stage, made: Fingerprint) -> dict[str, Any]:
        return read_json(self._cache.artifacts(stage.id, made.digest) / "release.json") or {}


def needed_images(pipeline: Pipeline, profile: str) -> tuple[str, ...]:
    """Return the names of the images that a release must have to run with the profile."""
    return tuple(image.name for image in pipeline.service.images) if pipeline.runs_images(profile) else ()


def is_kept(releases: Path, images: Path, facts: Mapping[str, Any], needed: Iterable[str]) -> bool:
    """Return whether the release of ``facts`` (a build's release.json) is still kept, and with it each image that is ``needed``."""
    release, built = str(facts.get("release", "")), facts.get("images") or {}
    here = all(oci.is_here(images, str(built.get(name, ""))) for name in needed)
    return here and bool(release) and (releases / release).exists()
