"""What stages do beside running commands: their environment, the release, its deployment, who may roll out."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import bodies
from dawsos.actions.bodies import (
    ActionContext,
    build_release,
    needs_release,
    own_command,
    run_commands,
    step_environment,
)
from dawsos.adapters.git import Commit
from dawsos.adapters.services import SERVICES
from dawsos.adapters.toolchain import lock_digest
from dawsos.engine.contract import Action, StageAttempt, StageOutcome
from dawsos.errors import ReleaseFailed
from dawsos.model.pipeline import Pipeline
from dawsos.model.process import ProcessSpec
from dawsos.model.status import StageState
from dawsos.releases import bundle as releases
from dawsos.runs.recorder import Session
from support.facts import fact
from support.paper import URL, Paper
from support.world import COMMIT

COMMITTED = Commit(COMMIT, "subject", "Ada", 1_700_000_000, "main")


def scene(paper: Paper, session: Session) -> ActionContext:
    return ActionContext(paper.tools, paper.pipeline, COMMITTED, paper.project.root, session)


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    return Paper(tmp_path / "project", monkeypatch)


def changed(work: StageAttempt, **changes: Any) -> StageAttempt:
    return replace(work, stage=work.stage.model_copy(update=changes))


def evidence(work: StageAttempt, name: str = "steps.json") -> Any:
    return json.loads((work.artifacts / name).read_text())


async def acted(action: Action, work: StageAttempt) -> StageOutcome:
    return await action(work)


# The environment of steps.


def test_steps_see_what_is_declared_and_nothing_of_the_caller_s(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    monkeypatch.setenv("PASSED", "on purpose")
    session = paper.session()
    stage = paper.pipeline.stage("lint").model_copy(update={"pass_env": ("PASSED", "ABSENT"), "env": {"OWN": "1"}})
    env = asyncio.run(step_environment(scene(paper, session), stage))
    assert not env.keys() & {"LEAKED", "ABSENT", "RELEASE", "BASE_URL", "VIRTUAL_ENV"}
    told = {key: env[key] for key in ("PASSED", "OWN", "GIT_SHA", "PROJECT", "SOURCE_DATE_EPOCH", "HOME")}
    assert told == {
        "PASSED": "on purpose", "OWN": "1", "GIT_SHA": COMMIT, "PROJECT": str(paper.project.root),
        "SOURCE_DATE_EPOCH": "1700000000", "HOME": str(paper.project.home / "home"),
    }  # fmt: skip


def test_a_secret_that_is_passed_on_is_masked_from_then_on(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "hunter22-hunter22")
    stage = paper.pipeline.stage("lint").model_copy(update={"pass_env": ("API_TOKEN",)})
    asyncio.run(step_environment(scene(paper, paper.session()), stage))
    assert paper.tools.masker.clean("hunter22-hunter22") == "***"


@pytest.mark.parametrize(("options", "seed"), [({"drawn": 7}, "7"), ({"drawn": 7, "seed": 0}, "0")])
def test_a_seed_is_the_one_drawn_or_the_one_asked_for(options: dict[str, Any], seed: str, paper: Paper) -> None:
    session = paper.session(options=options)
    stage = paper.pipeline.stage("unit").model_copy(update={"env": {"SEED": "x{seed}", "KEPT": "{other}"}})
    env = asyncio.run(step_environment(scene(paper, session), stage))
    assert (env["SEED"], env["KEPT"]) == (f"x{seed}", "{other}")


def test_steps_behind_the_build_may_look_at_the_release_and_those_of_an_environment_at_it(paper: Paper) -> None:
    release = paper.release()
    paper.serve(release, environment="staging")
    session = paper.session()
    uat = paper.pipeline.stage("uat").model_copy(update={"environment": "staging"})
    assert needs_release(paper.pipeline, uat)
    assert not needs_release(paper.pipeline, paper.pipeline.stage("unit"))
    assert "RELEASE" not in asyncio.run(step_environment(scene(paper, session), uat)), "nothing is built yet"
    paper.built(session, release)
    env = asyncio.run(step_environment(scene(paper, session), uat))
    assert (env["RELEASE"], env["BASE_URL"], env["GREETING"]) == (str(release.path), URL, "hello")


def test_steps_find_this_very_tool_by_its_name(tmp_path: Path) -> None:
    path = own_command(tmp_path / "bin")
    assert path.name == "dawsos"
    assert os.access(path, os.X_OK)
    assert str(Path(bodies.__file__).parents[2]) in path.read_text()
    before = path.stat().st_mtime_ns
    assert own_command(tmp_path / "bin").stat().st_mtime_ns == before
    path.write_text("#!/bin/sh\necho another\n")
    assert "echo another" not in own_command(tmp_path / "bin").read_text()
    assert [left.name for left in (tmp_path / "bin").iterdir()] == ["dawsos"]


# Commands and the release.

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
    work = paper.work(session, "build")
    assert asyncio.run(build_release(scene(paper, session), work)) == StageOutcome(StageState.PASSED)
    release = releases.load(paper.project.releases, session.state.release)
    assert (release.commit, (release.site / "app" / "__init__.py").read_text()) == (COMMIT, "VERSION = 1\n")
    assert evidence(work, "release.json")["release"] == release.digest
    (step,) = evidence(work)
    assert (step["name"], step["classification"], step["exit_code"]) == ("build the release", "ok", 0)
    # Built again it is the same one.
    assert asyncio.run(build_release(scene(paper, session), work)) == StageOutcome(StageState.PASSED)
    assert session.state.release == release.digest


def test_a_release_that_does_not_build_leaves_its_words_as_evidence(paper: Paper) -> None:
    session = with_toolchain(paper, "echo error: no module named demo; exit 1").session()
    work = paper.work(session, "build")
    with pytest.raises(ReleaseFailed, match="no module named demo"):
        asyncio.run(build_release(scene(paper, session), work))
    (step,) = evidence(work)
    assert (step["classification"], step["exit_code"]) == ("failed", 1)
    assert step["tail"][-1] == "error: no module named demo"
    assert session.state.release == ""


def test_a_builder_of_images_that_fails_is_a_failed_step_with_its_words(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = with_toolchain(paper, MAKE_WHEEL).session()
    work = paper.work(session, "build")

    async def refuse(_scene: object, asked: StageAttempt, _release: object) -> None:
        (asked.artifacts / "images.log").write_text("COPY failed: no space left\n")
        raise ReleaseFailed("`docker buildx` failed")

    monkeypatch.setattr("dawsos.actions.images.build_images", refuse)
    with pytest.raises(ReleaseFailed, match="docker buildx"):
        asyncio.run(build_release(scene(paper, session), work))
    assert [(step["name"], step["exit_code"]) for step in evidence(work)] == [
        ("build the release", 0),
        ("build the images", 1),
    ]
    assert evidence(work)[-1]["tail"] == ["COPY failed: no space left"]


def test_a_build_whose_own_steps_fail_builds_nothing(paper: Paper) -> None:
    session = with_toolchain(paper, MAKE_WHEEL).session()
    step = paper.pipeline.stage("lint").steps[0].model_copy(update={"run": "exit 3"})
    work = changed(paper.work(session, "build"), steps=(step,))
    assert asyncio.run(build_release(scene(paper, session), work)).result == "failed"
    assert session.state.release == ""


def test_commands_run_in_the_checkout(paper: Paper) -> None:
    session = paper.session()
    step = paper.pipeline.stage("lint").steps[0].model_copy(update={"run": "pwd > $ARTIFACTS/where"})
    work = changed(paper.work(session, "lint"), steps=(step,))
    assert asyncio.run(run_commands(scene(paper, session), work)).result == "passed"
    assert (work.artifacts / "where").read_text().strip() == str(paper.project.root)


class Vault:
    """A service that only sleeps, and whose address holds a password."""

    name = "redis"

    def prepare(self, folder: Path) -> tuple[ProcessSpec, dict[str, str]]:
        spec = ProcessSpec(self.name, "services", ("/bin/sleep", "60"), str(folder), {}, stop_grace=0.1)
        return spec, {"REDIS_URL": "redis://:served-hunter22@127.0.0.1:7/0"}


LEAKS = (
    'mkdir $ARTIFACTS/deep; echo "said $API_TOKEN"; '
    "for name in report.xml deep/dump.bin; do "
    'printf "\\377 %s and %s." "$API_TOKEN" "$REDIS_URL" > $ARTIFACTS/$name.new; mv $ARTIFACTS/$name.new $ARTIFACTS/$name; '
    "done; "
)


@pytest.mark.parametrize("ends", ["passed", "failed", "stopped"])
def test_no_secret_of_a_step_or_its_service_stays_in_the_evidence(
    ends: str, paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What steps print is masked as it comes; what they write themselves is masked before anybody reads it."""
    monkeypatch.setenv("API_TOKEN", "passed-hunter22")
    monkeypatch.setitem(SERVICES, "redis", Vault())
    session = paper.session()
    then = {"passed": "true", "failed": "exit 3", "stopped": "sleep 60"}[ends]
    step = paper.pipeline.stage("lint").steps[0].model_copy(update={"run": LEAKS + then})
    work = changed(paper.work(session, "lint"), steps=(step,), pass_env=("API_TOKEN",), services=("redis",))

    async def run() -> str:
        running = asyncio.create_task(run_commands(scene(paper, session), work))
        if ends != "stopped":
            return (await running).result
        async with asyncio.timeout(20):
            while not (work.artifacts / "deep" / "dump.bin").exists():
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return "stopped"

    assert asyncio.run(run()) == ends
    masked = b"\xff *** and redis://:***@127.0.0.1:7/0."
    assert (work.artifacts / "report.xml").read_bytes() == masked
    assert (work.artifacts / "deep" / "dump.bin").read_bytes() == masked
    kept = {path: path.read_bytes() for path in work.artifacts.rglob("*") if path.is_file()}
    assert [path for path, content in kept.items() if b"hunter22" in content] == []


# Who may roll out.


def test_no_release_goes_to_production_without_its_evidence(paper: Paper) -> None:
    session = paper.session()
    paper.built(session, paper.release())
    rollout = bodies.bodies(scene(paper, session))["rollout"]
    with pytest.raises(ReleaseFailed):
        asyncio.run(acted(rollout, paper.work(session, "canary")))
    assert paper.production.deployments() == ()


def test_the_end_of_a_rollout_that_was_let_in_waits_for_nothing(paper: Paper) -> None:
    release = paper.release()
    paper.serve(release, "new")
    session = paper.session()
    paper.built(session, release)
    session.record(
        fact(
            "rollout_started",
            release=release.digest,
            deployment="new",
            stable_release="",
            stable_deployment="",
            ladder=[50, 100],
            policy={},
            traffic="real",
            first=True,
            drill="",
        ),
        "canary",
    )
    rollout = bodies.bodies(scene(paper, session))["rollout"]
    assert asyncio.run(acted(rollout, paper.work(session, "canary"))) == StageOutcome(StageState.PASSED)


def test_production_refuses_a_plain_deployment_without_evidence_as_it_does_a_rollout(paper: Paper) -> None:
    paper.serve(paper.release("1"))
    session = paper.session()
    paper.built(session, paper.release("2"))
    work = changed(paper.work(session, "canary"), uses="deploy")
    with pytest.raises(ReleaseFailed, match="may not go to production: stage lint: its statement is missing"):
        asyncio.run(acted(bodies.bodies(scene(paper, session))["deploy"], work))
    assert paper.production.deployments() == ("old",)
