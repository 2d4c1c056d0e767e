"""The draft of a Python project, for each of the ways in which projects are kept."""

from __future__ import annotations

from typing import Any

import pytest

from dawsos.adoption.contract import Answers, Draft, Tree
from dawsos.adoption.python import draft
from dawsos.adoption.python_facts import Lock, PythonProject
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.runs.project import gate_options

CODE = {"shop/__init__.py": "", "tests/test_shop.py": ""}
PROJECT = "[project]\nname='shop'\nrequires-python='>=3.11'\n"
BUILT = f"{PROJECT}[build-system]\nrequires=['hatchling']\n"
HASHED = "flask==3.1.2 --hash=sha256:aa\n"
POETRY = "[tool.poetry.group.test.dependencies]\nx='1'\n[build-system]\nrequires=['poetry-core']"
PDM = f"{BUILT}[tool.pdm.dev-dependencies]\ntest=['x']\n"
TOML, LISTS, OLD = "pyproject.toml", ("requirements.txt", "requirements-test.txt"), ("setuptools", "wheel")
# (name, files beside CODE, lock, sources, tools beside pytest and pytest-cov)
KEPT: list[tuple[str, dict[str, str], Lock | None, tuple[str, ...], tuple[str, ...]]] = [
    ("PEP 621", {TOML: BUILT}, None, (".",), ("hatchling",)),
    ("an extra", {TOML: f"{BUILT}[project.optional-dependencies]\ntest=['x']\n"}, None, (".[test]",), ("hatchling",)),
    ("no package", {TOML: f"{PROJECT}dependencies=['flask']\n"}, None, ("flask",), ()),
    ("uv", {TOML: f"{BUILT}[dependency-groups]\ndev=['x']\n", "uv.lock": ""}, Lock("uv", "uv.lock", ("dev",)), (), ("hatchling",)),
    ("poetry", {TOML: POETRY, "poetry.lock": ""}, Lock("poetry", "poetry.lock", ("test",)), (), ("poetry-core",)),
    ("poetry without its lock", {TOML: POETRY}, None, (".", "x==1"), ("poetry-core",)),
    ("pdm", {TOML: PDM, "pdm.lock": ""}, Lock("pdm", "pdm.lock", ("test",)), (), ("hatchling",)),
    ("setup.cfg", {"setup.cfg": "[metadata]\nname=shop\n"}, None, (".",), OLD),
    ("setup.py", {"setup.py": "setup()", "requirements-dev.txt": "x"}, None, (".", "-r requirements-dev.txt"), OLD),
    ("requirements", dict.fromkeys(LISTS, "x"), None, tuple(f"-r {name}" for name in LISTS), ()),
    ("requirements with hashes", {"requirements.txt": HASHED}, Lock("requirements", "requirements.txt"), (), ()),
    ("Pipfile", {"Pipfile": "[packages]\nflask='*'\n", "Pipfile.lock": "{}"}, Lock("pipenv", "Pipfile.lock"), (), ()),
]  # fmt: skip


def made(files: dict[str, str], answers: Answers | None = None) -> Draft:
    drafted = draft(Tree.of("folder", {**CODE, **files}), answers or Answers())
    assert drafted is not None
    return drafted


def facts(files: dict[str, str], **answers: Any) -> PythonProject:
    project = made(files, Answers(**answers)).python
    assert project is not None
    return project


@pytest.mark.parametrize(("name", "files", "lock", "sources", "tools"), KEPT, ids=[row[0] for row in KEPT])
def test_what_it_needs_comes_from_its_own_lock_else_from_what_it_asks_for(
    name: str, files: dict[str, str], lock: Lock | None, sources: tuple[str, ...], tools: tuple[str, ...]
) -> None:
    project = facts(files)
    assert (project.lock, project.sources) == (lock, sources)
    assert project.tools == ("pytest", "pytest-cov", *tools)
    assert project.packages == ("shop",)
    text = pipeline_text(made(files))
    assert [stage.id for stage in load_pipeline(text, "pipeline.yaml", gate_options()).stages] == [
        "lint",
        "unit",
        "security",
    ]


def test_what_is_no_python_project_is_none() -> None:
    assert draft(Tree.of("folder", {"main.go": "", "notes.py": ""}), Answers()) is None


def test_linters_types_and_limits_are_those_of_the_project() -> None:
    files = {
        "pyproject.toml": f"{BUILT}[tool.ruff.format]\n[tool.mypy]\nstrict=true\n[tool.coverage.report]\nfail_under=91.5\n",
        "db/migrations/001.sql": "",
    }
    drafted = made(files)
    assert drafted.ids == ("lint", "types", "unit", "security")
    assert "{kind: coverage, total: 91}" in pipeline_text(drafted)
    told = dict(drafted.found)
    assert (told["linter"], told["types"], told["SQL"]) == ("ruff with format", "mypy", "db/migrations")
    assert "mypy" in facts(files).tools
    assert dict(made({"setup.py": "", "mypy.ini": "[mypy]\n"}).found)["types"] == "mypy"


@pytest.mark.parametrize(
    "files", [{".coveragerc": "[report]\nfail_under = 70\n"}, {"setup.cfg": "[coverage:report]\nfail_under=70\n"}]
)
def test_the_limit_of_coverage_is_read_where_coverage_reads_it(files: dict[str, str]) -> None:
    assert "total: 70}" in pipeline_text(made({"setup.py": "", **files}))
    assert "total: 80}" in pipeline_text(made({"setup.py": "", ".coveragerc": "[report]\nfail_under = many\n"}))


def test_what_is_not_there_is_said_with_what_that_means() -> None:
    drafted = draft(Tree.of("folder", {"setup.py": "", "one.py": ""}), Answers())
    assert drafted is not None
    assert drafted.missing == ("no file test_*.py was found: the pipeline has no stage of unit tests",)
    assert "unit" not in drafted.ids


def test_a_person_may_say_where_tests_are_and_what_they_need() -> None:
    project = facts({"setup.py": ""}, tests="checks", needs=("hypothesis",))
    assert (project.tests, project.needs) == ("checks", ("hypothesis",))
