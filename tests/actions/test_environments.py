"""What a release's processes and commands get: settings of their environment, and what they see of the machine."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dawsos.actions.environments import deployed_profile, deployment_of, release_argv
from dawsos.errors import BadInput
from dawsos.model.pipeline import Profile
from dawsos.releases.bundle import Release
from support.facts import fact
from support.paper import Paper


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
