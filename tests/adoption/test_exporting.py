"""A lock is read by its own tool, in a copy; what the tool says against it is passed on.

The tools themselves are tried by ``tests/e2e/test_foreign_python.py``, with the package registry; here a script plays one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dawsos.adapters import toolchain
from dawsos.adoption.exporting import export
from dawsos.adoption.python_facts import Lock
from dawsos.errors import BadInput

DIGEST = "a" * 64
LOCK = Lock("poetry", "poetry.lock", ("dev",))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "pyproject.toml").write_text("[tool.poetry]\n")
    (root / "poetry.lock").write_text("lock")
    return root


def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Make ``script`` the program poetry of the environment that the list of poetry gives."""
    program = tmp_path / "environment" / "bin" / "poetry"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)

    async def ensure(requirements: Path, *_: object) -> Path:
        assert "poetry-plugin-export==" in requirements.read_text()
        return tmp_path / "environment"

    monkeypatch.setattr(toolchain, "ensure", ensure)


def test_the_tool_gets_a_copy_and_its_warnings_are_no_pins(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = f"click==8.5.1 --hash=sha256:{DIGEST}"
    played(tmp_path, monkeypatch, f'echo "a warning" >&2; cat poetry.lock > made; [ "$2" = export ] && echo "{pin}"')
    (found,) = asyncio.run(export(project, LOCK, tmp_path))
    assert (found.name, found.hashes) == ("click", frozenset({DIGEST}))
    assert sorted(path.name for path in project.iterdir()) == ["poetry.lock", "pyproject.toml"]


@pytest.mark.parametrize(
    ("script", "message", "fix"),
    [
        ("echo 'pyproject.toml changed significantly since poetry.lock was last generated'; exit 1", "does not fit", "poetry lock"),
        ("echo 'Invalid TOML at line 3'; exit 1", "poetry cannot read poetry.lock: Invalid TOML at line 3", "poetry lock"),
        ("echo 'click @ git+https://example.org/click'", "without a version", "dawsos-project.txt"),
    ],
)  # fmt: skip
def test_what_the_tool_says_against_the_lock_is_passed_on(
    script: str, message: str, fix: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played(tmp_path, monkeypatch, script)
    with pytest.raises(BadInput, match=message) as refused:
        asyncio.run(export(project, LOCK, tmp_path))
    assert fix in (refused.value.fix or "")


def test_a_list_with_hashes_needs_no_tool(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(f"click==8.5.1 --hash=sha256:{DIGEST}\n")
    (found,) = asyncio.run(export(tmp_path, Lock("requirements", "requirements.txt"), tmp_path))
    assert found.requirement == "click==8.5.1"
