"""The lists of a Python project, and what is tried with them: each way in which a service is left to a person says why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dawsos.adapters import interpreters, toolchain
from dawsos.adapters.digests import sha256
from dawsos.adapters.interpreters import Interpreter
from dawsos.adoption import python_lists
from dawsos.adoption.contract import Draft, Environment
from dawsos.adoption.locks import Pin
from dawsos.adoption.python_facts import App, Lock, PythonProject
from dawsos.adoption.python_lists import Prepared, Workshop, needs_of
from dawsos.adoption.resolving import Locked, Resolver
from dawsos.adoption.trial import Answered, Bench, Page

LISTS = (Environment("tools", "dawsos-tools.txt"), Environment("project", "dawsos-project.txt"))
DRAFT = Draft("python", "shop", (), ("lint",), ("",), toolchains=LISTS)
APP = App("shop.app:app", "asgi")
PROJECT = PythonProject(("shop",), sources=(".[test]", "pytest"), run_sources=1, app=APP, pages=("/health", "/"))
HEALTH = Answered((Page("/health", "ok"), Page("/")))


def versions(names: Iterable[str]) -> dict[str, Locked]:
    return {name: Locked(name, "1.0", frozenset({"a" * 64})) for name in names}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What pip was asked to resolve; it answers with what was asked for, and uvicorn for the project itself."""
    requests: list[Sequence[str]] = []

    async def resolve(
        _: object, requirements: Sequence[str], pins: Sequence[Pin] = (), at: object = ()
    ) -> dict[str, Locked]:
        requests.append(requirements)
        names = ["uvicorn" if one.startswith(".") else one for one in requirements]
        return versions([*names, *(pin.name for pin in pins)])

    async def ensure(*_: object) -> Path:
        return tmp_path / "environment"

    monkeypatch.setattr(Resolver, "resolve", resolve)
    monkeypatch.setattr(toolchain, "ensure", ensure)
    return requests


def prepared(
    root: Path, monkeypatch: pytest.MonkeyPatch, project: PythonProject, answered: Answered = HEALTH
) -> Prepared:
    async def ask(*_: object) -> Answered:
        return answered

    monkeypatch.setattr(Bench, "ask", ask)
    return asyncio.run(Workshop(root, root / "toolchains", lambda _: None).prepare(DRAFT, project))


def test_without_a_lock_pip_resolves_and_the_service_gets_what_it_runs_with(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepared(tmp_path, monkeypatch, PROJECT)
    # The service runs without the extra of the tests, and without what they need beside it.
    assert asked == [["ruff", "bandit", "pip-audit"], [".[test]", "pytest"], ["."]]
    assert made.lists["dawsos-service.txt"].splitlines()[1:] == [f"uvicorn==1.0 --hash=sha256:{'a' * 64}"]
    assert "pytest==1.0" in made.lists["dawsos-project.txt"]
    assert 'command: "python -m uvicorn shop.app:app --host $HOST --port $PORT"' in made.draft.service
    assert {"health: /health", "healthy: ok", "version: none"} <= set(made.draft.service)
    assert made.draft.page == "/"
    assert ("health", "/health: status ok; it names no version, so that is not checked") in made.draft.found


def test_with_a_lock_its_pins_are_resolved_and_the_list_names_the_lock(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def export(root: Path, lock: Lock, toolchains: Path, *, tests: bool = True) -> list[Pin]:
        names = ["uvicorn", *(["pytest"] if tests else ["win32-only"])]
        return [Pin(name, f"{name}==1.0", frozenset({"a" * 64})) for name in names]

    monkeypatch.setattr(python_lists, "export", export)
    (tmp_path / "uv.lock").write_text("lock")
    project = PythonProject(
        ("shop",), lock=Lock("uv", "uv.lock"), tools=("pytest-cov",), needs=("mine",), app=APP, pages=("/",)
    )
    made = prepared(tmp_path, monkeypatch, project)
    assert asked == [["ruff", "bandit", "pip-audit"], ["pytest-cov", "mine"]]
    head, *rest = made.lists["dawsos-project.txt"].splitlines()
    assert head == f"# Made by `dawsos init` for this platform, from uv.lock sha256:{sha256(b'lock')}"
    assert needs_of(made.lists["dawsos-project.txt"]) == ("mine",)
    assert [line.partition("==")[0] for line in rest[1:]] == ["mine", "pytest", "pytest-cov", "uvicorn"]
    # What the lock has for another platform is not part of it.
    assert [line.partition("==")[0] for line in made.lists["dawsos-service.txt"].splitlines()[1:]] == ["uvicorn"]


@pytest.mark.parametrize(
    ("change", "answered", "why"),
    [
        ({"app": App("shop.app:app", "wsgi")}, HEALTH, "nothing that can serve shop.app:app is locked: add gunicorn or waitress"),
        ({}, Answered((), "no DATABASE"), "answers none of /health, / with 200, here and without any settings:\n    no DATABASE"),
    ],
)  # fmt: skip
def test_a_service_that_was_not_seen_to_run_is_not_written(
    change: dict[str, Any], answered: Answered, why: str, tmp_path: Path, asked: list[Sequence[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made = prepared(tmp_path, monkeypatch, PythonProject(**{**vars(PROJECT), **change}), answered)
    assert made.draft.service == ()
    assert why in made.draft.missing[-1]
    assert "dawsos-service.txt" not in made.lists


def test_another_python_is_named_by_the_toolchain_and_ships_nothing(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreters, "find", lambda requires: Interpreter("/usr/bin/python3.9", "3.9", "3.9.18"))
    made = prepared(tmp_path, monkeypatch, PROJECT)
    assert [(one.name, one.python) for one in made.draft.toolchains] == [("tools", ""), ("project", "3.9")]
    assert "releases run with the tool's own Python" in made.draft.missing[-1]


def test_a_project_without_a_service_has_no_list_for_one(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = prepared(tmp_path, monkeypatch, PythonProject(("shop",)))
    assert set(made.lists) == {"dawsos-tools.txt", "dawsos-project.txt"}
    assert made.draft.missing == ()


def test_lists_that_are_there_are_kept_by_init_and_made_anew_when_that_is_asked_for(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = f"mine==2.0 --hash=sha256:{'b' * 64}\n"
    for name in ("dawsos-tools.txt", "dawsos-project.txt", "dawsos-service.txt"):
        (tmp_path / name).write_text(mine)
    made = prepared(tmp_path, monkeypatch, PROJECT)
    assert (asked, set(made.lists.values())) == ([], {mine})
    anew = asyncio.run(Workshop(tmp_path, tmp_path, lambda _: None).lists(PROJECT))
    assert "pytest==1.0" in anew["dawsos-project.txt"]
