"""What a release's processes and commands get: settings of their environment, and what they see of the machine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.actions.environments import deployed_profile, deployment_of, prepare, release_argv
from dawsos.adapters.toolchain import lock_digest
from dawsos.errors import BadInput
from dawsos.model.environment import EnvironmentSettings, StandIn
from dawsos.model.pipeline import Pipeline, Profile, Toolchain
from dawsos.platforms.local.platform import LocalPlatform
from dawsos.releases.bundle import Release
from dawsos.runs.project import Project, open_tools
from support.facts import fact
from support.paper import Paper
from support.world import PIPELINE, pipeline_of


def _release(path: Path) -> Release:
    return Release("d" * 64, path, "c" * 40, 1, "cpython")


def test_python_is_the_releases_interpreter_wherever_the_word_stands(tmp_path: Path) -> None:
    interpreter = _release(tmp_path).interpreter
    assert release_argv("python -m app.serve --name 'a b'", _release(tmp_path)) == (
        interpreter, "-S", "-P", "-m", "app.serve", "--name", "a b",
    )  # fmt: skip
    assert release_argv("env X=1 {python} job.py", _release(tmp_path)) == (
        "env", "X=1", interpreter, "-S", "-P", "job.py",
    )  # fmt: skip
    assert release_argv("pythonic run", _release(tmp_path)) == ("pythonic", "run")


def test_a_release_has_its_own_packages_and_none_of_the_machine_or_the_folder(tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "folder"
    for place, module in ((site, "packed"), (folder, "lying_about")):
        place.mkdir()
        (place / f"{module}.py").write_text("")
    script = "import importlib.util, sys; import packed; print(importlib.util.find_spec('lying_about'), 'site' in sys.modules)"
    argv = (*release_argv("python", _release(tmp_path)), "-c", script)
    done = subprocess.run(argv, cwd=folder, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["None", "False"], done.stderr


def test_a_deployment_has_as_many_replicas_as_its_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Paper(tmp_path, monkeypatch)
    environment = paper.environment()
    for replicas in (1, 4):
        there = replace(environment, settings=environment.settings.model_copy(update={"replicas": replicas}))
        assert deployment_of(paper.pipeline, there, paper.release(), "d").replicas == replicas


def test_who_acts_on_what_runs_has_the_profile_of_the_last_deployment_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paper = Paper(tmp_path, monkeypatch)
    pipeline = paper.pipeline.model_copy(update={"profiles": {"laptop": Profile(), "drill": Profile()}})
    assert deployed_profile(paper.tools, pipeline, "production") == ""
    for number, (profile, environment) in enumerate([("laptop", "production"), ("drill", "staging")]):
        session = paper.session(f"20260301-12000{number}-c0ffee0-aa", profile=profile)
        session.record(fact("deployed", environment=environment, release="r", deployment="d", url="", replicas=1), "x")
    paper.session("20260301-120009-c0ffee0-aa", profile="drill")  # deployed nothing
    assert deployed_profile(paper.tools, pipeline, "production") == "laptop"
    assert deployed_profile(paper.tools, pipeline, "staging") == "drill"
    with pytest.raises(BadInput, match="production was deployed with the profile 'laptop', which"):
        deployed_profile(paper.tools, paper.pipeline, "production")


@pytest.fixture
def outside(tmp_path: Path) -> Pipeline:
    """A pipeline whose staging has a stand-in and takes a key, in a project where that stand-in and its toolchain are."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "played.py").write_text("import time; time.sleep(60)")
    (tmp_path / "tools.txt").touch()
    venv = tmp_path / ".dawsos" / "toolchains" / lock_digest(tmp_path / "tools.txt")[:16]
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    (venv / "ready").touch()
    stand_in = StandIn(source="outside", command="python -m played", toolchain="tools", ports=("STANDIN_PORT",))
    settings = EnvironmentSettings(
        stand_ins=("outside",), env={"URL": "http://h:{STANDIN_PORT}/{QUEUE_PORT}", "A": "b"}, pass_env=("POLYGON_KEY",)
    )
    changes = {
        "toolchains": {"tools": Toolchain(requirements="tools.txt")}, "stand_ins": {"outside": stand_in},
        "environments": {"staging": settings},
    }  # fmt: skip
    return pipeline_of(PIPELINE).model_copy(update=changes)


def test_a_prepared_environment_has_its_stand_ins_its_variables_and_what_was_passed(
    tmp_path: Path, outside: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ensure_proxy(platform: LocalPlatform) -> str:
        return "http://h"

    monkeypatch.setattr(LocalPlatform, "ensure_proxy", ensure_proxy)
    tools = open_tools(Project(tmp_path, tmp_path / ".dawsos"))
    monkeypatch.delenv("POLYGON_KEY", raising=False)
    with pytest.raises(BadInput, match="POLYGON_KEY is not set"):
        asyncio.run(prepare(tools, outside, "staging", "", tmp_path))
    assert not tools.project.environment("staging").exists()
    monkeypatch.setenv("POLYGON_KEY", "a real key")
    platform = LocalPlatform(tools.project.environment("staging"), "staging")
    try:
        environment = asyncio.run(prepare(tools, outside, "staging", "", tmp_path))
        port = environment.variables["STANDIN_PORT"]
        assert environment.variables == {
            "STANDIN_PORT": port, "URL": f"http://h:{port}/{{QUEUE_PORT}}", "A": "b", "POLYGON_KEY": "a real key",
        }  # fmt: skip
        assert tools.masker.clean("it is a real key") == "it is ***"
        assert [(p.name, p.state) for p in platform.status().processes] == [("outside", "ready")]
    finally:
        asyncio.run(platform.down(purge=True))
