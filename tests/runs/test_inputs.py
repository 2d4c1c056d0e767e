"""What a stage's fingerprint is made of, and how long a kept result holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.test_load import SMALL, load
from dawsos.errors import BadInput
from dawsos.runs.inputs import Upstream, stage_fingerprint

PIPELINE = load(
    SMALL.replace(
        "rollout:\n",
        "  - {id: build, needs: [unit], uses: release, gates: [exit_status]}\n"
        "  - {id: staging, needs: [build], uses: deploy, environment: staging, gates: [health]}\n"
        "  - {id: docs, steps: [{run: 'true'}], gates: [exit_status]}\nrollout:\n",
        1,
    )
)


def test_a_fingerprint_knows_the_toolchain_the_release_and_the_commit_where_they_matter(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a==1\n")

    def manifest(stage: str, release: str = "r", sha: str = "s") -> dict[str, str]:
        return stage_fingerprint(PIPELINE, PIPELINE.stage(stage), (tmp_path, {}), Upstream(release, sha), {}).manifest

    before = manifest("lint")
    assert "tool python" in before
    assert before == manifest("lint", "another", "another"), "what needs neither does not run again for them"
    assert manifest("build", sha="t") != manifest("build")
    assert manifest("staging", release="q") != manifest("staging")
    (tmp_path / "requirements.txt").write_text("a==2\n")
    assert {key for key, value in manifest("lint").items() if before[key] != value} == {
        "tool toolchain requirements.txt"
    }


def test_a_lock_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*requirements\.txt"):
        stage_fingerprint(PIPELINE, PIPELINE.stage("lint"), (tmp_path, {}), Upstream("", ""), {})


def test_a_stage_right_behind_the_build_looks_at_the_release_and_one_with_history_at_the_commit(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a==1\n")
    stages = "  - {id: sbom, needs: [build], steps: [{run: 'true'}], gates: [exit_status]}\n"
    stages += "  - {id: security, history: true, steps: [{run: 'true'}], gates: [exit_status]}\n"
    build = "  - {id: build, uses: release, gates: [exit_status]}\n"
    pipeline = load(SMALL.replace("rollout:\n", f"{build}{stages}rollout:\n", 1))

    def manifest(stage: str, above: Upstream) -> dict[str, str]:
        return stage_fingerprint(pipeline, pipeline.stage(stage), (tmp_path, {}), above, {}).manifest

    assert manifest("sbom", Upstream("r", "s")) == manifest("sbom", Upstream("r", "t"))
    assert manifest("sbom", Upstream("r", "s")) != manifest("sbom", Upstream("q", "s"))
    assert manifest("security", Upstream("r", "s")) == manifest("security", Upstream("q", "s"))
    assert manifest("security", Upstream("r", "s")) != manifest("security", Upstream("r", "t"))


def test_only_a_stage_that_takes_the_seed_runs_again_for_one(tmp_path: Path) -> None:
    seeded = "  - {id: property, env: {SEED: '{seed}'}, steps: [{run: 'true'}], gates: [exit_status]}\n"
    pipeline = load(SMALL.replace("rollout:\n", f"{seeded}rollout:\n", 1))
    (tmp_path / "requirements.txt").write_text("a==1\n")

    def manifest(stage: str, seed: int | None) -> dict[str, str]:
        return stage_fingerprint(pipeline, pipeline.stage(stage), (tmp_path, {}), Upstream("", "", seed), {}).manifest

    assert manifest("lint", 7) == manifest("lint", None)
    assert manifest("property", 7)["upstream seed"] == "7"
    assert manifest("property", 7) != manifest("property", 8) != manifest("property", None)


def test_a_stage_that_asks_people_runs_again_for_another_release(tmp_path: Path) -> None:
    """Their word is over one release: restored for another one it would be refused by production, again and again."""
    asking = "  - {id: sign, steps: [{run: 'true'}], gates: [exit_status], approval: {role: owner}}\n"
    pipeline = load(SMALL.replace("rollout:\n", f"{asking}rollout:\n", 1))
    (tmp_path / "requirements.txt").write_text("a==1\n")
    one, other = (
        stage_fingerprint(pipeline, pipeline.stage("sign"), (tmp_path, {}), Upstream(release, "s"), {}).digest
        for release in ("r", "q")
    )
    assert one != other


def test_settings_of_an_environment_decide_what_a_stage_finds_there(tmp_path: Path) -> None:
    """The same release with the variables of another profile was not run again."""
    smoke = "  - {id: smoke, environment: staging, steps: [{run: 'true'}], gates: [exit_status]}\n"
    text = SMALL.replace("rollout:\n", f"{smoke}rollout:\n", 1).replace(
        "    check_interval: 1s\n", "    check_interval: 1s\n    environments: {staging: {env: {COLOUR: blue}}}\n"
    )
    (tmp_path / "requirements.txt").touch()

    def manifest(stage: str, profile: str, text: str = text) -> dict[str, str]:
        pipeline = load(text)
        above = Upstream("r", "c", profile=profile)
        return stage_fingerprint(pipeline, pipeline.stage(stage), (tmp_path, {}), above, {}).manifest

    written, laptop = manifest("smoke", ""), manifest("smoke", "laptop")
    assert [key for key in written if written[key] != laptop[key]] == ["upstream environment"]
    assert manifest("lint", "") == manifest("lint", "laptop")
    assert manifest("smoke", "laptop", text.replace("COLOUR: blue", "COLOUR: red")) == written
