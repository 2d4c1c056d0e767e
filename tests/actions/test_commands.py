"""What stages do beside running commands: their environment, the release, its deployment, who may roll out."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dawsos.actions import commands
from dawsos.actions.commands import own_command, run_commands, step_environment
from dawsos.adapters.services import SERVICES
from dawsos.engine.contract import StageAttempt
from dawsos.model.process import ProcessSpec
from dawsos.runs.inputs import needs_release
from support.paper import URL, Paper
from support.world import COMMIT


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paper:
    return Paper(tmp_path / "project")


def changed(work: StageAttempt, **changes: Any) -> StageAttempt:
    return replace(work, stage=work.stage.model_copy(update=changes))


def evidence(work: StageAttempt, name: str = "steps.json") -> Any:
    return json.loads((work.artifacts / name).read_text())


# The environment of steps.


def test_steps_see_what_is_declared_and_nothing_of_the_caller_s(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    monkeypatch.setenv("PASSED", "on purpose")
    session = paper.session()
    stage = paper.pipeline.stage("lint").model_copy(update={"pass_env": ("PASSED", "ABSENT"), "env": {"OWN": "1"}})
    env = asyncio.run(step_environment(paper.context(session), stage))
    assert not env.keys() & {"LEAKED", "ABSENT", "RELEASE", "BASE_URL", "VIRTUAL_ENV"}
    told = {key: env[key] for key in ("PASSED", "OWN", "GIT_SHA", "PROJECT", "SOURCE_DATE_EPOCH", "HOME")}
    assert told == {
        "PASSED": "on purpose", "OWN": "1", "GIT_SHA": COMMIT, "PROJECT": str(paper.project.root),
        "SOURCE_DATE_EPOCH": "1700000000", "HOME": str(paper.project.home / "home"),
    }  # fmt: skip


def test_a_secret_that_is_passed_on_is_masked_from_then_on(paper: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_TOKEN", "hunter22-hunter22")
    stage = paper.pipeline.stage("lint").model_copy(update={"pass_env": ("API_TOKEN",)})
    asyncio.run(step_environment(paper.context(paper.session()), stage))
    assert paper.tools.masker.clean("hunter22-hunter22") == "***"


@pytest.mark.parametrize(("options", "seed"), [({"drawn": 7}, "7"), ({"drawn": 7, "seed": 0}, "0")])
def test_a_seed_is_the_one_drawn_or_the_one_asked_for(options: dict[str, Any], seed: str, paper: Paper) -> None:
    session = paper.session(options=options)
    stage = paper.pipeline.stage("unit").model_copy(update={"env": {"SEED": "x{seed}", "KEPT": "{other}"}})
    env = asyncio.run(step_environment(paper.context(session), stage))
    assert (env["SEED"], env["KEPT"]) == (f"x{seed}", "{other}")


def test_steps_behind_the_build_may_look_at_the_release_and_those_of_an_environment_at_it(paper: Paper) -> None:
    release = paper.release()
    paper.serve(release, environment="staging")
    session = paper.session()
    uat = paper.pipeline.stage("uat").model_copy(update={"environment": "staging"})
    assert needs_release(paper.pipeline, uat)
    assert not needs_release(paper.pipeline, paper.pipeline.stage("unit"))
    assert "RELEASE" not in asyncio.run(step_environment(paper.context(session), uat)), "nothing is built yet"
    paper.built(session, release)
    env = asyncio.run(step_environment(paper.context(session), uat))
    assert (env["RELEASE"], env["BASE_URL"], env["GREETING"]) == (str(release.path), URL, "hello")


def test_steps_find_this_very_tool_by_its_name(tmp_path: Path) -> None:
    path = own_command(tmp_path / "bin")
    assert path.name == "dawsos"
    assert os.access(path, os.X_OK)
    assert str(Path(commands.__file__).parents[2]) in path.read_text()
    before = path.stat().st_mtime_ns
    assert own_command(tmp_path / "bin").stat().st_mtime_ns == before
    path.write_text("#!/bin/sh\necho another\n")
    assert "echo another" not in own_command(tmp_path / "bin").read_text()
    assert [left.name for left in (tmp_path / "bin").iterdir()] == ["dawsos"]


def test_commands_run_in_the_checkout(paper: Paper) -> None:
    session = paper.session()
    step = paper.pipeline.stage("lint").steps[0].model_copy(update={"run": "pwd > $ARTIFACTS/where"})
    work = changed(paper.attempt(session, "lint"), steps=(step,))
    assert asyncio.run(run_commands(paper.context(session), work)).result == "passed"
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
    work = changed(paper.attempt(session, "lint"), steps=(step,), pass_env=("API_TOKEN",), services=("redis",))

    async def run() -> str:
        running = asyncio.create_task(run_commands(paper.context(session), work))
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
