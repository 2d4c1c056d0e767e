"""The planner looks at files, cache and releases; what it finds decides what becomes of each stage."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from dawsos.adapters.cache import StageCache
from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import write_json
from dawsos.model.environment import EnvironmentSettings
from dawsos.model.pipeline import Pipeline
from dawsos.model.plan import Action, Plan
from dawsos.model.run import StageRecord
from dawsos.model.service import Image
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict
from dawsos.planning.plan import PlanOptions
from dawsos.runs.planner import Planner, Source, is_kept, needed_images
from support.images import kept_image
from support.world import pipeline_of

PIPELINE: Pipeline = pipeline_of("""
version: 2
name: tiny
slo: {error_rate: 1%, warm_p95: 1s, cold_p95: 2s}
service: {project: ., requirements: requirements.txt, command: python -m http.server}
environments: {production: {}}
stages:
  - {id: lint, inputs: ["*.py"], steps: [{run: "true"}], gates: [exit_status]}
  - {id: fuzz, inputs: ["*.py"], env: {SEED: "{seed}"}, steps: [{run: "true"}], gates: [exit_status]}
  - {id: build, needs: [lint], uses: release, inputs: ["*.py"], gates: [exit_status]}
  - {id: sbom, needs: [build], steps: [{run: "true"}], gates: [exit_status]}
  - {id: canary, needs: [sbom], uses: rollout, environment: production, gates: [rollout]}
rollout:
  ladder: [{weight: 100, duration: 1s}]
""")
RELEASE = "ab" * 32
NOW = 1000.0


class Kept:
    """A cache and a store of releases in one folder."""

    def __init__(self, folder: Path) -> None:
        self.releases = folder / "releases"
        self.cache = StageCache(folder / "cache", lambda fingerprint, kept: "")
        self._artifacts = folder / "artifacts"

    def planner(self, files: Mapping[str, str] | None = None, commit: str = "c1", seed: int | None = None) -> Planner:
        source = Source(self.releases.parent, {"a.py": "1"} if files is None else files, commit, seed)
        return Planner(PIPELINE, source, self.cache, self.releases, self.releases.parent / "images")

    def plan(self, planner: Planner | None = None, release: str = "", **options: str | bool) -> Plan:
        wanted = PlanOptions(bool(options.get("no_cache")), str(options.get("hotfix", "")))
        return (planner or self.planner()).plan(PIPELINE.stages, wanted, NOW, release)

    def keep(self, stage: str, release: str = "", *, valid_until: float | None = None, **source: str) -> None:
        """Keep a result of the stage on the files of the default planner."""
        made = self.planner(**source).fingerprint(PIPELINE.stage(stage), release)  # type: ignore[arg-type]
        shutil.rmtree(self._artifacts, ignore_errors=True)
        write_json(self._artifacts / "steps.json", [])
        if stage == "build":
            write_json(self._artifacts / "release.json", {"release": RELEASE})
        verdict = GateVerdict("exit_status", "exit_status", "pass", "0", "0", "", (), valid_until=valid_until)
        evidence = tree_digests(self._artifacts)
        record = StageRecord(stage, StageState.PASSED, 900.0, 901.0, gates=(verdict,), evidence=evidence)
        self.cache.keep(record, made, self._artifacts, run="r1", statement="")


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    made = Kept(tmp_path)
    (made.releases / RELEASE).mkdir(parents=True)
    return made


def actions(plan: Plan) -> dict[str, str]:
    return {one.stage: str(one.action) for one in plan.stages}


ALL_RUN = dict.fromkeys(("lint", "fuzz", "build", "sbom", "canary"), "run")


def test_what_depends_on_a_release_that_is_still_to_be_built_has_no_fingerprint(kept: Kept) -> None:
    kept.keep("sbom", RELEASE)
    plan = kept.plan()
    assert actions(plan) == ALL_RUN
    assert {one.stage: one.fingerprint is None for one in plan.stages} == {
        "lint": False, "fuzz": False, "build": False, "sbom": True, "canary": True,
    }  # fmt: skip


def test_behind_a_restored_build_its_release_decides(kept: Kept) -> None:
    kept.keep("build")
    kept.keep("sbom", RELEASE)
    assert actions(kept.plan()) == {**ALL_RUN, "build": "restore", "sbom": "restore"}
    kept.keep("lint")
    assert actions(kept.plan()) == {**ALL_RUN, "lint": "restore", "build": "restore", "sbom": "restore"}


def test_a_build_without_its_release_is_built_again(kept: Kept) -> None:
    kept.keep("build")
    kept.keep("sbom", RELEASE)
    (kept.releases / RELEASE).rmdir()
    plan = kept.plan()
    assert actions(plan) == ALL_RUN
    assert plan.stage("build").reason == "its release, or an image of it, is no longer in the store"


def test_a_build_whose_images_run_somewhere_is_restored_only_with_all_of_them(kept: Kept) -> None:
    images = kept.releases.parent / "images"
    cluster = {"context": "c", "namespace": "n", "release": "r", "chart": "charts/x", "images": {"import": "cat"}}
    settings = EnvironmentSettings.model_validate({"platform": "kubernetes", **cluster})
    wanted = Image(name="backend", dockerfile="Dockerfile", base="localhost/base")
    pipeline = PIPELINE.model_copy(
        update={
            "environments": {"production": settings},
            "service": PIPELINE.service.model_copy(update={"images": (wanted,)}),
        }
    )
    (kept.releases / RELEASE).mkdir(exist_ok=True)
    needed = needed_images(pipeline, "")
    assert needed == ("backend",)
    facts = {"release": RELEASE, "images": {"backend": kept_image(images).digest}}
    assert is_kept(kept.releases, images, facts, needed)
    # What an older version kept, and what was built where no image ran, has none.
    assert not is_kept(kept.releases, images, {"release": RELEASE}, needed)
    shutil.rmtree(images)
    assert not is_kept(kept.releases, images, facts, needed)
    # Where nothing runs an image nobody misses it.
    assert is_kept(kept.releases, images, facts, needed_images(PIPELINE, ""))


def test_a_build_that_does_not_say_what_it_made_is_built_again(kept: Kept) -> None:
    """What lies in the cache may be of another version of the tool."""
    kept.keep("build")
    made = kept.planner().fingerprint(PIPELINE.stage("build"), "")
    path = kept.cache.artifacts("build", made.digest) / "release.json"
    for text in ("{}", "[]", "no json"):
        path.write_text(text)
        assert kept.planner().kept_release(PIPELINE.stage("build"), made) == ""


def test_a_resumed_run_knows_the_release_that_it_has_built(kept: Kept) -> None:
    kept.keep("sbom", RELEASE)
    plan = kept.plan(release=RELEASE)
    assert plan.stage("sbom").action is Action.RESTORE
    assert kept.plan(release="cd" * 32).stage("sbom").action is Action.RUN


def test_another_commit_is_another_release_and_no_other_lint(kept: Kept) -> None:
    kept.keep("lint")
    kept.keep("build")
    plan = kept.plan(kept.planner(commit="c2"))
    assert actions(plan) == {**ALL_RUN, "lint": "restore"}
    assert plan.stage("build").changes == ("changed  upstream commit",)


def test_a_seed_that_is_asked_for_is_an_input_of_what_takes_it(kept: Kept) -> None:
    kept.keep("lint")
    kept.keep("fuzz")
    assert actions(kept.plan()) == {**ALL_RUN, "lint": "restore", "fuzz": "restore"}
    assert actions(kept.plan(kept.planner(seed=7))) == {**ALL_RUN, "lint": "restore"}


def test_the_first_waiver_that_runs_out_makes_the_stage_run(kept: Kept) -> None:
    kept.keep("lint", valid_until=NOW + 1)
    assert kept.plan().stage("lint").action is Action.RESTORE
    kept.keep("fuzz", valid_until=NOW)
    assert kept.plan().stage("fuzz").reason == "a waiver or the data it passed on is too old"


def test_changed_files_are_compared_with_the_newest_result(kept: Kept) -> None:
    kept.keep("lint")
    planned = kept.plan(kept.planner({"a.py": "2", "b.py": "1"})).stage("lint")
    assert planned.changes == ("added    file b.py", "changed  file a.py")


def test_no_cache_is_for_every_stage(kept: Kept) -> None:
    kept.keep("lint")
    assert actions(kept.plan(no_cache=True)) == ALL_RUN
