"""The release is built, recorded and kept; what stops the build is evidence."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from actions.test_commands import changed, evidence
from dawsos.actions.release import build_release
from dawsos.adapters.toolchain import lock_digest
from dawsos.engine.contract import StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.pipeline import Pipeline
from dawsos.model.status import StageState
from dawsos.releases import bundle as releases
from support.paper import Paper
from support.world import COMMIT


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path / "project")


PIP = """#!/bin/sh
case "$*" in
  *" wheel "*) echo "$MOOD"; {wheel} ;;
  *--target*) while [ "$1" != --target ]; do shift; done; mkdir -p "$2/app"; echo 'VERSION = 1' > "$2/app/__init__.py" ;;
esac
"""


def with_toolchain(paper: Paper, wheel: str) -> Paper:
    """Give the project a toolchain whose Python is a script that does what pip would."""
    lock = paper.project.root / "requirements.txt"
    lock.write_text("demo==1 --hash=sha256:0\n")
    venv = paper.project.toolchains / lock_digest(lock)[:16]
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text(PIP.replace("{wheel}", wheel))
    (venv / "bin" / "python").chmod(0o755)
    (venv / "ready").touch()
    toolchains = {"python": {"requirements": "requirements.txt"}}
    paper.pipeline = Pipeline.model_validate({**dict(paper.pipeline), "toolchains": toolchains})
    return paper


MAKE_WHEEL = 'while [ "$1" != -w ]; do shift; done; mkdir -p "$2"; touch "$2/demo-1-py3-none-any.whl"'


def test_a_release_is_built_recorded_and_kept(paper: Paper) -> None:
    session = with_toolchain(paper, MAKE_WHEEL).session()
    work = paper.attempt(session, "build")
    assert asyncio.run(build_release(paper.context(session), work)) == StageOutcome(StageState.PASSED)
    release = releases.load(paper.project.releases, session.state.release)
    assert (release.commit, (release.site / "app" / "__init__.py").read_text()) == (COMMIT, "VERSION = 1\n")
    assert evidence(work, "release.json")["release"] == release.digest
    (step,) = evidence(work)
    assert (step["name"], step["classification"], step["exit_code"]) == ("build the release", "ok", 0)
    # Built again it is the same one.
    assert asyncio.run(build_release(paper.context(session), work)) == StageOutcome(StageState.PASSED)
    assert session.state.release == release.digest


def test_a_release_that_does_not_build_leaves_its_words_as_evidence(paper: Paper) -> None:
    session = with_toolchain(paper, "echo error: no module named demo; exit 1").session()
    work = paper.attempt(session, "build")
    with pytest.raises(ReleaseFailed, match="no module named demo"):
        asyncio.run(build_release(paper.context(session), work))
    (step,) = evidence(work)
    assert (step["classification"], step["exit_code"]) == ("failed", 1)
    assert step["tail"][-1] == "error: no module named demo"
    assert session.state.release == ""


def test_a_builder_of_images_that_fails_is_a_failed_step_with_its_words(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = with_toolchain(paper, MAKE_WHEEL).session()
    work = paper.attempt(session, "build")

    async def refuse(_scene: object, asked: StageAttempt, _release: object) -> None:
        (asked.artifacts / "images.log").write_text("COPY failed: no space left\n")
        raise ReleaseFailed("`docker buildx` failed")

    monkeypatch.setattr("dawsos.actions.release.build_images", refuse)
    with pytest.raises(ReleaseFailed, match="docker buildx"):
        asyncio.run(build_release(paper.context(session), work))
    assert [(step["name"], step["exit_code"]) for step in evidence(work)] == [
        ("build the release", 0),
        ("build the images", 1),
    ]
    assert evidence(work)[-1]["tail"] == ["COPY failed: no space left"]


def test_a_build_whose_own_steps_fail_builds_nothing(paper: Paper) -> None:
    session = with_toolchain(paper, MAKE_WHEEL).session()
    step = paper.pipeline.stage("lint").steps[0].model_copy(update={"run": "exit 3"})
    work = changed(paper.attempt(session, "build"), steps=(step,))
    assert asyncio.run(build_release(paper.context(session), work)).result == "failed"
    assert session.state.release == ""
