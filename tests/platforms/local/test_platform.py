"""What the local platform adds to its environment: the variables of a release and of its commands.

That it keeps the contract with real processes is held by contracts/platform.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from dawsos.actions.environments import open_environment
from dawsos.adapters.toolchain import lock_digest
from dawsos.errors import InfrastructureError
from dawsos.model.environment import EnvironmentSettings, StandIn
from dawsos.model.pipeline import Pipeline, Toolchain
from dawsos.model.release import Release
from dawsos.platforms.contract import EnvironmentSpec, PlatformHost
from dawsos.platforms.local.environment import LocalEnvironment
from dawsos.platforms.local.platform import LocalPlatform, _Prepared
from dawsos.platforms.local.state import Desired, write_desired
from dawsos.runs.project import Project, open_tools
from support.paper import Paper
from support.world import PIPELINE, pipeline_of

URL = "http://127.0.0.1:{QUEUE_PORT}"


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Paper(tmp_path / "project").release("1")


@pytest.fixture
def platform(tmp_path: Path) -> LocalPlatform:
    """A platform whose environment has the deployment ``d1`` with a worker, and was prepared."""
    paper = Paper(tmp_path / "other")
    folder = tmp_path / "environment"
    write_desired(folder, Desired(deployments={"d1": {"release": "1" * 64, "named_ports": {"QUEUE_PORT": 4711}}}))
    made = LocalPlatform(
        PlatformHost(
            "staging", folder, paper.clock, paper.tools.runner(), paper.tools.masker, EnvironmentSettings(), folder
        )
    )
    spec = EnvironmentSpec(paper.pipeline.service, paper.pipeline.environment("staging", None))
    made._prepared = _Prepared(spec, {"DATABASE": "here", "QUEUE": URL})
    return made


def test_what_is_not_prepared_says_so(tmp_path: Path) -> None:
    paper = Paper(tmp_path / "project")
    bare = LocalPlatform(
        PlatformHost(
            "staging", tmp_path, paper.clock, paper.tools.runner(), paper.tools.masker, EnvironmentSettings(), tmp_path
        )
    )
    with pytest.raises(InfrastructureError, match="staging is not prepared"):
        asyncio.run(bare.variables(None))


def test_a_variable_names_the_port_of_a_worker_once_it_has_one(platform: LocalPlatform) -> None:
    assert asyncio.run(platform.variables("d1")) == {
        "DATABASE": "here",
        "QUEUE": "http://127.0.0.1:4711",
        "QUEUE_PORT": "4711",
    }
    assert asyncio.run(platform.variables(None)) == {"DATABASE": "here"}


def test_a_command_of_a_release_has_its_code_and_says_which_it_is(platform: LocalPlatform, release: Release) -> None:
    env = platform.commands("d1", release).env
    assert (env["PYTHONPATH"], env["GIT_SHA"], env["DEPLOYMENT_ID"]) == (str(release.site), release.commit, "d1")
    assert env["QUEUE"] == "http://127.0.0.1:4711"
    before = platform.commands("d2", release).env
    assert (before["DEPLOYMENT_ID"], "QUEUE" in before) == ("d2", False)


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
    async def ensure_proxy(environment: LocalEnvironment) -> str:
        return "http://h"

    monkeypatch.setattr(LocalEnvironment, "ensure_proxy", ensure_proxy)
    monkeypatch.setenv("POLYGON_KEY", "a real key")
    tools = open_tools(Project(tmp_path, tmp_path / ".dawsos"))
    environment = LocalEnvironment(tools.project.environment("staging"), "staging")
    try:
        platform = asyncio.run(open_environment(tools, outside, "staging", "", tmp_path))
        assert isinstance(platform, LocalPlatform)
        variables = platform._ready().variables
        port = variables["STANDIN_PORT"]
        assert variables == {
            "STANDIN_PORT": port, "URL": f"http://h:{port}/{{QUEUE_PORT}}", "A": "b", "POLYGON_KEY": "a real key",
        }  # fmt: skip
        assert [(p.name, p.state) for p in environment.status().processes] == [("outside", "ready")]
    finally:
        asyncio.run(environment.down(purge=True))
