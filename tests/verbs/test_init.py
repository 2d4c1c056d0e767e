"""``dawsos init``: it reads what git has, overwrites nothing, and refuses with one message what it cannot adopt."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dawsos.adoption.contract import Answers
from dawsos.errors import BadInput
from dawsos.verbs.init import init, read_tree


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("src/mine/__init__.py", "tests/test_it.py", "ignored/deep/x.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname='mine'\n")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def locked(project: Path) -> None:
    for name in ("dawsos-tools.txt", "dawsos-project.txt"):
        (project / name).write_text("pytest==9.0 --hash=sha256:aa\n")


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
        init(project, Answers())
    assert (project / "pipeline.yaml").read_text() == "mine"


def test_what_is_no_repository_no_project_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no git repository"):
        init(tmp_path, Answers())
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(BadInput, match="what kind of project"):
        init(tmp_path, Answers())
    (tmp_path / "pyproject.toml").write_text("[project")
    with pytest.raises(BadInput, match=r"pyproject\.toml cannot be read"):
        init(tmp_path, Answers())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "pyproject.toml"]


def test_with_its_lists_there_is_nothing_to_resolve(project: Path) -> None:
    locked(project)
    assert init(project, Answers()).written == ("pipeline.yaml",)
    assert "pytest tests" in (project / "pipeline.yaml").read_text()
