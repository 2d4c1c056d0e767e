"""``dawsos init``: what it finds in a project, what it writes, and that it overwrites nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dawsos.config.load import load_pipeline
from dawsos.config.starter import pipeline_text
from dawsos.errors import BadInput
from dawsos.runs.project import gate_options
from dawsos.verbs.init import _needed_itself, extras, init, look, pins, tools

SETTINGS = {
    "project": {"name": "My.Project", "optional-dependencies": {"docs": ["x"], "test": ["y"]}},
    "build-system": {"requires": ["hatchling"]},
    "tool": {"ruff": {"format": {}}, "mypy": {"strict": True}},
    "dependency-groups": {"base": ["hypothesis"], "tests": ["pytest-mock", {"include-group": "base"}]},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("src/mine/__init__.py", "tests/test_it.py", "docs/conf.py", "db/migrations/001.sql", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_it_finds_layout_tests_linters_types_and_sql(project: Path) -> None:
    found = look(project, SETTINGS)
    assert (found.name, found.packages, found.tests) == ("my-project", ("src/mine",), "tests")
    assert (found.ruff, found.ruff_format, found.mypy, found.installable) == (True, True, True, True)
    assert found.sql == "db/migrations"
    assert tools(found, SETTINGS) == [
        "ruff", "bandit", "pip-audit", "mypy", "sqlfluff", "pytest", "pytest-cov", "hatchling", "pytest-mock", "hypothesis",
    ]  # fmt: skip
    assert extras(SETTINGS) == "[test]"


def test_what_a_project_does_not_have_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "one.py").touch()
    (tmp_path / "setup.py").touch()
    found = look(tmp_path, {})
    assert (found.packages, found.tests, found.mypy, found.sql) == (("one.py",), "", False, "")
    assert tools(found, {}) == ["ruff", "bandit", "pip-audit", "setuptools", "wheel"]


@pytest.mark.parametrize(
    ("named", "name"),
    [
        ("2048", "project-2048"),
        ("_x", "project-_x"),
        ("!", "project"),
        ("3" * 50, "project-" + "3" * 32),
        ("True", "true"),
    ],
)
def test_any_name_of_a_project_becomes_one_that_a_pipeline_may_have(project: Path, named: str, name: str) -> None:
    text = pipeline_text(look(project, {"project": {"name": named}}))
    assert load_pipeline(text, "pipeline.yaml", gate_options()).name == name


@pytest.mark.parametrize("bare", [False, True])
def test_what_is_written_is_a_good_pipeline(project: Path, bare: bool) -> None:
    text = pipeline_text(look(project / "docs" if bare else project, {} if bare else SETTINGS))
    pipeline = load_pipeline(text, "pipeline.yaml", gate_options())
    assert [stage.id for stage in pipeline.stages] == (["lint", "security"] if bare else ["lint", "unit", "security"])
    assert "laptop" in pipeline.profiles


def test_nothing_is_overwritten(project: Path) -> None:
    (project / "pipeline.yaml").write_text("mine")
    with pytest.raises(BadInput, match="already"):
        init(project)
    assert (project / "pipeline.yaml").read_text() == "mine"


def test_a_folder_that_is_no_python_project_or_a_broken_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no Python project"):
        init(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project")
    with pytest.raises(BadInput, match="cannot be read"):
        init(tmp_path)


def test_with_a_lock_there_is_nothing_to_resolve(project: Path) -> None:
    (project / "dawsos-tools.txt").write_text("pytest==9.0 --hash=sha256:aa\n")
    assert init(project).written == ("pipeline.yaml",)
    assert "pytest tests" in (project / "pipeline.yaml").read_text()


def row(name: str, digest: str = "", *needs: str) -> dict[str, Any]:
    archive = {"archive_info": {"hashes": {"sha256": digest}}} if digest else {"dir_info": {}}
    return {"metadata": {"name": name, "version": "1.0", "requires_dist": list(needs)}, "download_info": archive}


def test_the_project_itself_is_not_locked_but_its_published_self_is_when_a_tool_needs_it() -> None:
    rows = [row("requests", "aa", "idna<4,>=2.5"), row("Idna"), row("attrs", "bb")]
    assert _needed_itself(rows) == ["Idna"]
    assert _needed_itself([row("click", "aa"), row("mine")]) == []
    assert pins(rows).splitlines()[1:] == ["attrs==1.0 --hash=sha256:bb", "requests==1.0 --hash=sha256:aa"]
