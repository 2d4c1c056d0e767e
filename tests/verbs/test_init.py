"""``dawsos init``: it reads what git has, overwrites nothing, and refuses with one message what it cannot adopt."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dawsos.adapters import toolchain
from dawsos.adoption.contract import Answers
from dawsos.adoption.python_facts import PythonProject
from dawsos.adoption.python_lists import Workshop
from dawsos.errors import BadInput, InfrastructureError
from dawsos.model.findings import Finding
from dawsos.model.run import StageRecord
from dawsos.model.status import StageState
from dawsos.model.verdicts import GateVerdict
from dawsos.verbs import init as verb
from dawsos.verbs.init import init, make_lists, read_tree


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("src/mine/__init__.py", "tests/test_it.py", "ignored/deep/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname='mine'\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


@pytest.fixture
def adopted(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without tests, with its lists: nothing is to be resolved, and its environment is there."""
    shutil.rmtree(project / "tests")
    for name in ("dawsos-tools.txt", "dawsos-project.txt", "dawsos-service.txt"):
        (project / name).write_text(f"pytest==9.0 --hash=sha256:{'a' * 64}\n")

    async def ensure(*_: object) -> Path:
        return project / "environment"

    monkeypatch.setattr(toolchain, "ensure", ensure)
    return project


def test_the_tree_is_what_git_would_commit(project: Path) -> None:
    tree = read_tree(project)
    assert tree.paths == (".gitignore", "pyproject.toml", "src/mine/__init__.py", "tests/test_it.py")
    assert tree.text("ignored/deep/x.py") == ""
    (project / "setup.cfg").write_bytes(b"\xff")
    with pytest.raises(BadInput, match=r"setup\.cfg cannot be read"):
        read_tree(project).text("setup.cfg")


def test_nothing_is_overwritten(project: Path) -> None:
    (project / "pipeline.yaml").write_text("mine")
    with pytest.raises(BadInput, match="already"):
        init(project, Answers(), print)
    assert (project / "pipeline.yaml").read_text() == "mine"


def test_what_is_no_repository_no_project_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no git repository"):
        init(tmp_path, Answers(), print)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(BadInput, match="what kind of project"):
        init(tmp_path, Answers(), print)
    (tmp_path / "pyproject.toml").write_text("[project")
    with pytest.raises(BadInput, match=r"pyproject\.toml cannot be read"):
        init(tmp_path, Answers(), print)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "pyproject.toml"]


def test_a_repository_that_git_refuses_to_read_is_not_called_none(project: Path) -> None:
    (project / ".git" / "config").write_text("[broken")
    with pytest.raises(BadInput, match="git ls-files failed"):
        read_tree(project)


def test_lists_that_are_there_stay_and_pipeline_yaml_is_written(adopted: Path) -> None:
    said: list[str] = []
    done = init(adopted, Answers(), said.append)
    assert done.written == ("pipeline.yaml",)
    assert (done.until, done.red) == (None, ())
    assert said == ["resolving what the stages need", "installing it"]
    assert "dawsos-project.txt" in (adopted / "pipeline.yaml").read_text()
    assert (adopted / "dawsos-project.txt").read_text().startswith("pytest==9.0")


def test_what_fails_after_the_files_were_written_takes_them_away_again(
    adopted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        assert (adopted / "pipeline.yaml").exists()
        raise InfrastructureError("the disk is full")

    monkeypatch.setattr(verb, "_looked_at", broken)
    with pytest.raises(InfrastructureError, match="full"):
        init(adopted, Answers(baseline=True), print)
    assert not (adopted / "pipeline.yaml").exists()
    assert (adopted / "dawsos-project.txt").exists()


def test_with_a_baseline_what_was_found_becomes_exceptions_and_is_looked_at_again(
    adopted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Finding("ruff", "F401", "unused", "src/mine/__init__.py", 1)
    red = GateVerdict("findings", "findings", "fail", "1", "0", "", places=(place,))
    lint = StageRecord("lint", StageState.FAILED, reason="gate findings", gates=(red,))
    answers = iter(
        [[lint], [StageRecord("lint", StageState.PASSED), StageRecord("security", StageState.FAILED, reason="why")]]
    )
    monkeypatch.setattr(verb, "_looked_at", lambda root, stages: next(answers))
    subprocess.run(["git", "-C", str(adopted), "config", "user.name", "Ada"], check=True)
    done = init(adopted, Answers(baseline=True), print)
    assert (done.waived, done.red) == (1, ("security: why",))
    assert done.written == ("pipeline.yaml", "dawsos-waivers.yaml", "dawsos-quarantine.yaml")
    assert '{id: "src/mine/__init__.py: F401", most: 1, by: "Ada",' in (adopted / "dawsos-waivers.yaml").read_text()
    assert "waivers: dawsos-waivers.yaml" in (adopted / "pipeline.yaml").read_text()


def test_lists_are_made_anew_only_where_there_are_some(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lists(_: object, found: PythonProject) -> dict[str, str]:
        return {"dawsos-tools.txt": "new", "dawsos-project.txt": " ".join(found.needs)}

    monkeypatch.setattr(Workshop, "lists", lists)
    with pytest.raises(BadInput, match="no list of"):
        make_lists(project, Answers(), print)
    (project / "dawsos-project.txt").write_text("# Made\n# with hypothesis\n")
    assert make_lists(project, Answers(), print) == ("dawsos-project.txt",)
    # What a person named once is asked for again.
    assert (project / "dawsos-project.txt").read_text() == "hypothesis"
    assert not (project / "dawsos-tools.txt").exists()
